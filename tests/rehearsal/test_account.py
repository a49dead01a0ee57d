"""Preparation of the simulated account by `swarmer up`: the boundary and the VPC, before the deployment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarmer.core import description
from swarmer.core.errors import UserError
from swarmer.local.environment import Environment
from swarmer.providers.rehearsal import account
from tests.fakeaws.client import Aws
from tests.rehearsal.conftest import swarmer

GROUPS = "groups:\n  core: {roles: [consul-server, swarm-manager, swarm-worker], size: 1}\n"
VPC = """\
network:
  cidr: 10.70.0.0/20
  vpc: vpc-0123456789abcdef0
  subnets: {us-east-1c: subnet-0123456789abcdefc, us-east-1a: subnet-0123456789abcdefa}
"""
ONLY_LOGS = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}
)


def environment(aws: Aws, text: str) -> Environment:
    port = int(aws.server.url.rpartition(":")[2])
    return Environment(cluster=description.parse(text + GROUPS), servers=Path("servers.yml"), aws_port=port)


def boundary(aws: Aws, arn: str) -> object:
    iam = aws.client("iam")
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def test_a_boundary_that_the_description_names_is_there_and_limits_nothing(aws: Aws) -> None:
    account.ensure(environment(aws, "permissions_boundary: teams/limits\n"), None)
    arn = "arn:aws:iam::123456789012:policy/teams/limits"
    assert boundary(aws, arn) == json.loads(account.ALLOW_EVERYTHING)


def test_a_document_that_is_given_replaces_the_former_one_until_another_comes(aws: Aws) -> None:
    env = environment(aws, "permissions_boundary: arn:aws:iam::999988887777:policy/limits\n")
    arn = "arn:aws:iam::123456789012:policy/limits"
    account.ensure(env, None)
    account.ensure(env, ONLY_LOGS)
    assert boundary(aws, arn) == json.loads(ONLY_LOGS)
    account.ensure(env, None)
    assert boundary(aws, arn) == json.loads(ONLY_LOGS)


def test_policies_of_aws_are_not_made(aws: Aws) -> None:
    account.ensure(environment(aws, "permissions_boundary: arn:aws:iam::aws:policy/PowerUserAccess\n"), None)
    assert aws.client("iam").list_policies(Scope="Local")["Policies"] == []


def test_a_vpc_that_the_description_names_has_its_subnets_in_their_zones(aws: Aws) -> None:
    env = environment(aws, VPC)
    account.ensure(env, None)
    account.ensure(env, None)
    filters = [{"Name": "vpc-id", "Values": ["vpc-0123456789abcdef0"]}]
    found = aws.client("ec2").describe_subnets(Filters=filters)["Subnets"]
    assert {each["SubnetId"]: each["AvailabilityZone"] for each in found} == {
        "subnet-0123456789abcdefc": "us-east-1c",
        "subnet-0123456789abcdefa": "us-east-1a",
    }


def test_a_vpc_without_room_for_rehearsed_subnets_is_told_in_one_line(aws: Aws) -> None:
    zones = ", ".join(f"us-east-1{zone}: subnet-0000000{zone}" for zone in "abcdf")
    text = f"network: {{cidr: 10.70.0.0/26, vpc: vpc-01234567, subnets: {{{zones}}}}}\n"
    with pytest.raises(UserError, match=r"servers\.yml: network\.cidr: 10\.70\.0\.0/26 is too small for 5"):
        account.ensure(environment(aws, text), None)


def test_a_zone_that_the_rehearsal_lacks_is_told_in_one_line(aws: Aws) -> None:
    text = VPC.replace("us-east-1c", "us-east-1z")
    with pytest.raises(UserError, match=r"network\.vpc: AWS on this machine refuses it: .*us-east-1z"):
        account.ensure(environment(aws, text), None)


def description_with(policy: str) -> Environment:
    text = f"permissions_boundary: {policy}\n" if policy else ""
    return Environment(cluster=description.parse(text + GROUPS), servers=Path("servers.yml"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"Statement": 1}'])
def test_a_file_that_is_no_policy_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "limits.json"
    file.write_text(text)
    with pytest.raises(UserError, match="is no IAM policy"):
        account.read_boundary(description_with("limits"), file)
    with pytest.raises(UserError, match="is no IAM policy"):
        account.read_boundary(description_with("limits"), tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("", "names no permissions_boundary"),
        ("arn:aws:iam::aws:policy/PowerUserAccess", "take --boundary out"),
    ],
)
def test_a_document_for_no_policy_of_the_account_is_refused(policy: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        account.read_boundary(description_with(policy), Path("limits.json"))


def test_the_command_tells_it_before_it_starts_anything(tmp_path: Path) -> None:
    servers = tmp_path / "servers.yml"
    servers.write_text(f"name: unbound\n{GROUPS}")
    done = swarmer("up", "-f", str(servers), "--boundary", "limits.json")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "names no permissions_boundary" in done.stderr
