"""Removal in AWS's order: a group goes after its last instance, and other resources after the group."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakeaws.client import Aws
from tests.fakeaws.scaling_client import GROUP, TERMINATE, complete, states, template
from tests.fakeaws.template import ref


def groups(aws: Aws) -> list[dict[str, Any]]:
    return list(aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"])


def roles(aws: Aws) -> int:
    return len(aws.client("iam").list_roles()["Roles"])


def text(template: dict[str, Any]) -> str:
    return json.dumps(template)


def finish(aws: Aws, members: list[str]) -> None:
    for each in members:
        complete(aws, each, hook="deregister")
    aws.pass_time()


def without_group(kept: dict[str, Any]) -> dict[str, Any]:
    """The same cluster without its group and the resources that only the group refers to."""
    resources = {
        name: text
        for name, text in kept["Resources"].items()
        if name not in ("Group", "Template", "Profile", "Role")
    }
    return {**kept, "Resources": resources, "Outputs": {}}


def test_a_stack_that_is_deleted_waits_for_its_group_whose_hooks_end(aws: Aws) -> None:
    stack = aws.create("t", template(TERMINATE))["StackId"]
    members = list(states(aws))
    aws.client("cloudformation").delete_stack(StackName="t")
    assert list(states(aws).values()) == ["Terminating:Wait"] * 3
    assert aws.group(GROUP)["MaxSize"] == 0
    aws.pass_time(1)
    assert aws.stack("t")["StackStatus"] == "DELETE_IN_PROGRESS"
    assert roles(aws) == 1, "its instances still have theirs"
    assert [each["Name"] for each in aws.client("cloudformation").list_exports()["Exports"]]
    finish(aws, members)
    assert groups(aws) == []
    assert roles(aws) == 0
    assert aws.stack(stack)["StackStatus"] == "DELETE_COMPLETE"
    assert aws.client("cloudformation").list_exports()["Exports"] == []


def test_deleting_it_twice_changes_nothing(aws: Aws) -> None:
    aws.create("t", template(TERMINATE))
    members = list(states(aws))
    for _ in range(2):
        aws.client("cloudformation").delete_stack(StackName="t")
    assert len(aws.events("t", "DELETE_IN_PROGRESS")) == 1
    finish(aws, members)
    with pytest.raises(ClientError, match="does not exist"):
        aws.stack("t")


def test_its_name_is_taken_until_it_is_gone(aws: Aws) -> None:
    aws.create("t", template(TERMINATE))
    members = list(states(aws))
    aws.client("cloudformation").delete_stack(StackName="t")
    with pytest.raises(ClientError, match="already exists"):
        aws.create("t", template(TERMINATE))
    finish(aws, members)
    assert aws.create("t", template(TERMINATE))["StackStatus"] == "CREATE_COMPLETE"
    assert not set(members) & set(states(aws))


def test_a_group_that_is_dropped_leaves_last_with_all_that_it_needs(aws: Aws) -> None:
    whole = template(TERMINATE)
    aws.create("t", whole)
    members = list(states(aws))
    aws.client("cloudformation").update_stack(StackName="t", TemplateBody=text(without_group(whole)))
    aws.pass_time(1)
    assert aws.stack("t")["StackStatus"] == "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    assert list(states(aws).values()) == ["Terminating:Wait"] * 3
    assert roles(aws) == 1
    with pytest.raises(ClientError, match="CLEANUP_IN_PROGRESS state and can not be updated"):
        aws.update("t", whole)
    finish(aws, members)
    assert aws.stack("t")["StackStatus"] == "UPDATE_COMPLETE"
    assert (groups(aws), roles(aws)) == ([], 0)


def test_a_group_that_takes_the_place_of_another_comes_before_that_goes(aws: Aws) -> None:
    aws.create("t", template(TERMINATE))
    members = list(states(aws))
    other = template(TERMINATE)
    other["Resources"]["Other"] = other["Resources"].pop("Group")
    other["Resources"]["Other"]["Properties"]["AutoScalingGroupName"] = "t-other"
    other["Outputs"]["Group"]["Value"] = ref("Other")
    aws.client("cloudformation").update_stack(StackName="t", TemplateBody=text(other))
    assert list(states(aws, "t-other").values()) == ["InService"] * 3
    assert list(states(aws).values()) == ["Terminating:Wait"] * 3
    finish(aws, members)
    assert [each["AutoScalingGroupName"] for each in groups(aws)] == ["t-other"]


def test_an_update_that_fails_removes_nothing(aws: Aws) -> None:
    aws.create("t", template(TERMINATE))
    before = states(aws)
    bad = without_group(template(TERMINATE))
    bad["Resources"]["Second"] = {
        "Type": "AWS::EC2::Subnet",
        "Properties": {"VpcId": ref("Vpc"), "CidrBlock": "192.0.2.0/24"},
    }
    assert aws.update("t", bad)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert states(aws) == before
    assert aws.resource("t", "Group") == GROUP


def test_deleted_in_the_middle_of_its_update_it_waits_for_both(aws: Aws) -> None:
    whole = template(TERMINATE)
    stack = aws.create("t", whole)["StackId"]
    members = list(states(aws))
    aws.client("cloudformation").update_stack(StackName="t", TemplateBody=text(without_group(whole)))
    aws.client("cloudformation").delete_stack(StackName="t")
    assert aws.stack("t")["StackStatus"] == "DELETE_IN_PROGRESS"
    finish(aws, members)
    assert aws.stack(stack)["StackStatus"] == "DELETE_COMPLETE"
    assert (groups(aws), roles(aws)) == ([], 0)


def test_its_change_sets_go_with_it(aws: Aws) -> None:
    """The CDK gives all change sets the same name, and identifies each by that name and its stack."""
    client = aws.client("cloudformation")
    body = text({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
    for _ in range(2):
        client.create_change_set(
            StackName="t", ChangeSetName="same", ChangeSetType="CREATE", TemplateBody=body
        )
        client.execute_change_set(StackName="t", ChangeSetName="same")
        assert aws.stack("t")["StackStatus"] == "CREATE_COMPLETE"
        client.delete_stack(StackName="t")
