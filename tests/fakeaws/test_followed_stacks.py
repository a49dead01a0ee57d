"""Stacks as an operator asks for them, and their progress, in the simulated AWS."""

from __future__ import annotations

import pytest

from swarmer.adapters.account import Account
from swarmer.adapters.stacks import Stacks
from swarmer.operations.stack_following import Follower
from tests.fakeaws.client import Aws
from tests.fakeaws.template import cluster


@pytest.fixture
def stacks(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Stacks:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return Stacks(Account())


def test_only_the_stacks_that_are_wanted_and_exist_are_described(aws: Aws, stacks: Stacks) -> None:
    aws.create("t", cluster())
    assert set(stacks.described(["t", "u"])) == {"t"}
    assert not stacks.described(["t"])["t"].is_busy
    assert stacks.described(["u"]) == {}


def test_a_stack_tells_the_value_of_an_ssm_parameter_at_its_last_deploy(aws: Aws, stacks: Stacks) -> None:
    aws.client("ssm").put_parameter(Name="/one", Value="old", Type="String")
    template = cluster()
    parameter = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/one"}
    template["Parameters"] = {**template.get("Parameters", {}), "One": parameter}
    aws.create("t", template)
    aws.client("ssm").put_parameter(Name="/one", Value="new", Type="String", Overwrite=True)
    assert stacks.described(["t"])["t"].resolved["/one"] == "old"


def test_the_resources_of_a_stack_tell_which_of_them_outlive_it(aws: Aws, stacks: Stacks) -> None:
    template = cluster()
    template["Resources"]["Kept"] = {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"}
    aws.create("t", template)
    found = stacks.resources(stacks.described(["t"])["t"])
    (kept,) = [each for each in found if each.is_retained]
    assert (kept.logical_id, kept.kind) == ("Kept", "AWS::S3::Bucket")
    assert kept.id in {each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]}
    assert len(found) > 1


def test_events_after_a_known_one_are_read_alone_and_oldest_first(aws: Aws, stacks: Stacks) -> None:
    stack = str(aws.create("t", cluster())["StackId"])
    before = stacks.events(stack)
    assert before[0].status == "CREATE_IN_PROGRESS"
    assert before[0].is_about_stack
    assert stacks.events(stack, before[0].id) == before[1:]
    assert stacks.last_event(stack) == before[-1].id
    aws.client("cloudformation").delete_stack(StackName="t")
    aws.pass_time(1)
    assert [each.status for each in stacks.events(stack, before[-1].id)][-1] == "DELETE_COMPLETE"


def test_a_stack_is_followed_from_before_its_creation_until_after_its_deletion(
    aws: Aws, stacks: Stacks
) -> None:
    follower = Follower(stacks, ("t", "u"))
    assert [each.status for each in follower.look()] == ["", ""]
    aws.create("t", cluster())
    assert [each.status for each in follower.look()] == ["CREATE_COMPLETE", ""]
    aws.client("cloudformation").delete_stack(StackName="t")
    aws.pass_time(1)
    assert [each.status for each in follower.look()] == ["DELETE_COMPLETE", ""]
    aws.create("t", cluster())
    assert [each.phase for each in follower.look()] == ["done", "waits for the others"]


def test_what_happened_before_the_follower_was_made_is_not_its_progress(aws: Aws, stacks: Stacks) -> None:
    aws.create("t", cluster())
    (found,) = Follower(stacks, ("t",)).look()
    assert found.status == ""
