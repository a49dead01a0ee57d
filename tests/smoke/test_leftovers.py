"""Each resource of the smoke test's templates is asked for, and found until it is gone."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from functools import partial

import boto3
import pytest

from swarmer.adapters.account import Account
from swarmer.core import names
from swarmer.fakeaws.cloudformation.template import has_model
from swarmer.fakeaws.daemon.server import Server
from tests.fakeaws.cdk import ROOT, Cdk, cdk, command_line
from tests.fakeaws.client import Aws, aws_server, cleared
from tests.rehearsal.conftest import until
from tests.smoke import leftovers
from tests.smoke.__main__ import SERVERS
from tests.smoke.leftovers import PARTS, QUESTIONS

__all__ = ["aws_server", "cdk", "command_line"]


@pytest.fixture(scope="module")
def deployed(aws_server: Server, cdk: Cdk) -> Iterator[Aws]:
    """AWS with the stacks of the smoke test; the last test deletes them."""
    with cleared(aws_server) as aws:
        cdk.bootstrap()
        cdk.deploy(cdk.synth("cdk.out", SERVERS))
        yield aws


@pytest.fixture
def account(deployed: Aws, monkeypatch: pytest.MonkeyPatch) -> Account:
    monkeypatch.setenv("AWS_ENDPOINT_URL", deployed.server.url)
    session = boto3.Session(
        aws_access_key_id="test", aws_secret_access_key="test", region_name=deployed.region
    )
    return Account(session)


def test_every_resource_of_the_stacks_is_found_at_its_own_service(account: Account) -> None:
    resources = leftovers.recorded(account, "smoke")
    assert {each.stack for each in resources} == set(names.stack_names("smoke"))
    assert {each.kind for each in resources} <= PARTS | set(QUESTIONS)
    asked = [each for each in resources if each.kind not in PARTS]
    missed = {each.id for each in asked} - {each.id for each in leftovers.still_there(account, asked)}
    nothing_behind = {each.id for each in asked if not has_model(each.kind)}
    assert missed == nothing_behind
    assert {each.kind for each in asked if each.id in missed} == {"AWS::CloudWatch::Alarm"}


def test_a_resource_that_never_was_is_not_found(account: Account) -> None:
    of = {each.kind: each.id for each in leftovers.recorded(account, "smoke")}
    for kind in QUESTIONS:
        assert not leftovers.exists(account, kind, f"{of[kind][:-3]}000"), kind


def test_instances_volumes_interfaces_and_stacks_are_found(account: Account) -> None:
    found = leftovers.made_by_aws(account, "smoke", leftovers.recorded(account, "smoke"))
    kinds = [each.kind for each in found]
    assert kinds.count("AWS::EC2::Instance") == 3
    assert kinds.count("AWS::EC2::Volume") == 3
    assert kinds.count("stack") == 4
    assert "AWS::EC2::NetworkInterface" in kinds


def test_once_the_stacks_are_deleted_only_the_bucket_is_left(deployed: Aws, account: Account) -> None:
    resources = leftovers.recorded(account, "smoke")
    cloudformation = deployed.client("cloudformation")
    for stack in reversed(names.stack_names("smoke")):
        cloudformation.delete_stack(StackName=stack)
        until(partial(is_gone, deployed, stack), within_s=60, what=f"{stack} is left")
    left = leftovers.everything(account, "smoke", resources)
    assert [(each.kind, each.is_retained) for each in left] == [("AWS::S3::Bucket", True)]


def person(aws: Aws) -> dict[str, str]:
    """Environment of a person of that AWS."""
    return os.environ | {
        "AWS_ENDPOINT_URL": aws.server.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": aws.region,
    }


def is_gone(aws: Aws, stack: str) -> bool:
    """Whether the stack is deleted. Its instances end, as `deregister_node` lets them."""
    aws.pass_time()
    autoscaling = aws.client("autoscaling")
    for group in autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]:
        for each in group["Instances"]:
            if each["LifecycleState"] == "Terminating:Wait":
                autoscaling.complete_lifecycle_action(
                    AutoScalingGroupName=group["AutoScalingGroupName"],
                    LifecycleHookName=names.HOOK_TERMINATE,
                    InstanceId=each["InstanceId"],
                    LifecycleActionResult="CONTINUE",
                )
    found = aws.client("cloudformation").describe_stacks()["Stacks"]
    return stack not in {each["StackName"] for each in found}


def test_the_command_that_removes_the_bucket_deletes_old_versions_too(
    deployed: Aws, account: Account
) -> None:
    s3 = deployed.client("s3")
    s3.create_bucket(Bucket="to-remove")
    s3.put_bucket_versioning(Bucket="to-remove", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        s3.put_object(Bucket="to-remove", Key="k", Body=body)
    s3.delete_object(Bucket="to-remove", Key="k")
    subprocess.run(["bash", "-c", leftovers.removal("to-remove")], cwd=ROOT, env=person(deployed), check=True)
    assert not leftovers.exists(account, "AWS::S3::Bucket", "to-remove")
