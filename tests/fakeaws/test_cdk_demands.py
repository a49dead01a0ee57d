"""The real CDK in an account with demands: an existing VPC, a boundary, tags. It deploys by change sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from swarmer.core import description
from swarmer.local.environment import Environment
from swarmer.providers.rehearsal import account
from tests.fakeaws.cdk import Cdk, cdk, command_line
from tests.fakeaws.client import Aws

__all__ = ["cdk", "command_line"]

VPC = "vpc-0123456789abcdef0"
SUBNETS = {"us-east-1a": "subnet-0123456789abcdefa", "us-east-1c": "subnet-0123456789abcdefc"}
LIMITS = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]}
)
SERVERS = f"""\
name: guest
tags: {{owner: people@example.com, stage: STAGE}}
permissions_boundary: teams/limits
network:
  cidr: 10.70.0.0/20
  vpc: {VPC}
  subnets: {json.dumps(SUBNETS)}
groups:
  core: {{roles: [consul-server, swarm-manager, swarm-worker], size: 3}}
"""
CHANGE_SETS = ("--method", "change-set")
STACKS = tuple(f"guest-{part}" for part in ("network", "registry", "healing", "cluster"))


def described(folder: Path, stage: str) -> Path:
    servers = folder / f"{stage}.yml"
    servers.write_text(SERVERS.replace("STAGE", stage))
    return servers


def tags(found: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in found}


def statuses(aws: Aws) -> set[str]:
    return {aws.stack(name)["StackStatus"] for name in STACKS}


def test_change_sets_deploy_a_cluster_into_a_vpc_with_boundary_and_tags_and_give_it_other_tags(
    aws: Aws, cdk: Cdk, tmp_path: Path
) -> None:
    servers = described(tmp_path, "one")
    port = int(aws.server.url.rpartition(":")[2])
    env = Environment(cluster=description.load(servers), servers=servers, aws_port=port)
    account.ensure(env, LIMITS)
    cdk.bootstrap()
    cdk.deploy(cdk.synth("one.out", servers), *CHANGE_SETS)
    assert statuses(aws) == {"CREATE_COMPLETE"}
    found = aws.instances("guest-core")
    assert {each["VpcId"] for each in found} == {VPC}
    assert {each["SubnetId"] for each in found} == set(SUBNETS.values())
    assert all(
        {"owner": "people@example.com", "stage": "one"}.items() <= tags(each["Tags"]).items()
        for each in found
    )
    roles = [name for name in _names(aws) if not name.startswith("cdk-")]
    boundaries = {_role(aws, name)["PermissionsBoundary"]["PermissionsBoundaryArn"] for name in roles}
    assert boundaries == {"arn:aws:iam::123456789012:policy/teams/limits"}
    assert len(roles) == 5
    _other_tags_replace_nothing(aws, cdk, tmp_path, [each["InstanceId"] for each in found])


def _other_tags_replace_nothing(aws: Aws, cdk: Cdk, folder: Path, before: list[str]) -> None:
    cdk.deploy(cdk.synth("two.out", described(folder, "two")), *CHANGE_SETS)
    assert statuses(aws) == {"UPDATE_COMPLETE"}
    assert [each["InstanceId"] for each in aws.instances("guest-core")] == before
    assert tags(aws.group("guest-core")["Tags"])["stage"] == "two"
    groups = aws.client("ec2").describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [VPC]}])
    own = [group for group in groups["SecurityGroups"] if group["GroupName"] != "default"]
    assert len(own) == 5
    assert {tags(group["Tags"])["stage"] for group in own} == {"two"}
    assert {tags(aws.stack(name)["Tags"])["stage"] for name in STACKS} == {"two"}


def _names(aws: Aws) -> list[str]:
    return [role["RoleName"] for role in aws.client("iam").list_roles()["Roles"]]


def _role(aws: Aws, name: str) -> dict[str, Any]:
    return dict(aws.client("iam").get_role(RoleName=name)["Role"])
