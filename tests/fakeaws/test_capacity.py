"""CloudFormation waits for the capacity of a group, as AWS does, over HTTP. The test controls the time."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from swarmer.fakeaws.autoscaling import launch
from swarmer.fakeaws.cloudformation import capacity
from tests.fakeaws.client import Aws
from tests.fakeaws.scaling_client import (
    GROUP,
    LAUNCH,
    complete,
    register_all,
    states,
    template,
)

EVERY_LAUNCH = {"AutoScalingGroupName": GROUP, "ScalingProcesses": ["Launch"]}
BOOTING = template(LAUNCH, MinSize="3", MaxSize="3")
LARGER = template(LAUNCH, MinSize="5", MaxSize="5")


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(capacity.VARIABLE, raising=False)


def status(aws: Aws) -> str:
    return str(aws.stack("t")["StackStatus"])


def in_service(aws: Aws) -> None:
    """Have every instance admitted, and CloudFormation see it."""
    register_all(aws)
    aws.pass_time()


def abandon_all(aws: Aws) -> None:
    """Give every launch up, and launch no more, as the breaker does."""
    aws.client("autoscaling").suspend_processes(**EVERY_LAUNCH)
    for instance_id, state in states(aws).items():
        if state == "Pending:Wait":
            complete(aws, instance_id, "ABANDON")


def group_events(aws: Aws) -> list[str]:
    """Status of each event of the group, in order."""
    found = aws.client("cloudformation").describe_stack_events(StackName="t")["StackEvents"]
    return [each["ResourceStatus"] for each in reversed(found) if each["LogicalResourceId"] == "Group"]


def test_a_stack_is_complete_once_every_instance_is_in_service(aws: Aws) -> None:
    assert aws.create("t", BOOTING)["StackStatus"] == "CREATE_IN_PROGRESS"
    first, *_ = states(aws)
    complete(aws, first)
    aws.pass_time(60)
    assert status(aws) == "CREATE_IN_PROGRESS"
    in_service(aws)
    assert status(aws) == "CREATE_COMPLETE"


def test_an_instance_that_waits_for_its_hook_counts_where_the_other_answer_is_chosen(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No source says which answer is AWS's."""
    monkeypatch.setenv(capacity.VARIABLE, capacity.LAUNCHED)
    assert aws.create("t", BOOTING)["StackStatus"] == "CREATE_COMPLETE"
    assert set(states(aws).values()) == {"Pending:Wait"}
    assert aws.update("t", LARGER)["StackStatus"] == "UPDATE_COMPLETE"


@pytest.mark.parametrize("answer", sorted(capacity.STATES))
def test_with_either_answer_a_group_that_launches_nothing_fails(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setenv(capacity.VARIABLE, capacity.IN_SERVICE)
    aws.create("t", BOOTING)
    abandon_all(aws)
    monkeypatch.setenv(capacity.VARIABLE, answer)
    aws.pass_time(capacity.TIMEOUT_S + 1)
    assert status(aws) == "ROLLBACK_COMPLETE"


def test_the_events_of_the_group_tell_what_the_stack_waits_for(aws: Aws) -> None:
    aws.create("t", BOOTING)
    assert group_events(aws) == ["CREATE_IN_PROGRESS"]
    in_service(aws)
    assert group_events(aws) == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]


def test_outputs_are_there_when_the_stack_is_complete(aws: Aws) -> None:
    """Resolved before, an output creates the group that another request is about to create."""
    aws.create("t", BOOTING)
    assert "Outputs" not in aws.stack("t")
    in_service(aws)
    changed = template(LAUNCH, MinSize="5", MaxSize="5")
    changed["Outputs"]["Group"]["Value"] = "another"
    assert aws.update("t", changed)["Outputs"][0]["OutputValue"] == GROUP
    in_service(aws)
    assert [each["OutputValue"] for each in aws.stack("t")["Outputs"]] == ["another"]


def test_who_asks_for_a_stack_while_it_is_being_created_changes_nothing(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`swarmer up` does, beside the CDK."""
    run_instances = launch.launch
    seen: list[str] = []

    def look_then_launch(*arguments: Any) -> Any:
        seen.append(status(aws))
        return run_instances(*arguments)

    monkeypatch.setattr(launch, "launch", look_then_launch)
    aws.create("t", BOOTING)
    assert seen == ["CREATE_IN_PROGRESS"]
    assert len(states(aws)) == 3


def test_exports_are_there_when_the_stack_is_complete(aws: Aws) -> None:
    aws.create("t", BOOTING)
    exports = aws.client("cloudformation").list_exports
    assert exports()["Exports"] == []
    in_service(aws)
    assert [each["Name"] for each in exports()["Exports"]] == [f"{GROUP}:Group"]


def test_after_an_hour_the_stack_fails_in_awss_words_and_is_rolled_back(aws: Aws) -> None:
    aws.create("t", BOOTING)
    abandon_all(aws)
    aws.pass_time(capacity.TIMEOUT_S - 60)
    assert status(aws) == "CREATE_IN_PROGRESS"
    aws.pass_time(61)
    assert status(aws) == "ROLLBACK_COMPLETE"
    (failed,) = aws.events("t", "CREATE_FAILED")
    assert failed["LogicalResourceId"] == "Group"
    said = "Group did not stabilize. {current/minSize/maxSize} group size = {0/3/3}. Last scaling activity: "
    assert failed["ResourceStatusReason"].startswith(said)
    assert "Lifecycle Action Completed with ABANDON Result" in failed["ResourceStatusReason"]
    assert aws.instances(GROUP) == []


def test_without_rollback_a_failed_creation_keeps_its_groups_and_can_be_corrected(aws: Aws) -> None:
    """docs/guides/aws.md: look at what failed, correct it, resume the launches, deploy again."""
    aws.create("t", BOOTING, DisableRollback=True)
    abandon_all(aws)
    with pytest.raises(ClientError, match="is in CREATE_IN_PROGRESS state and can not be updated"):
        aws.update("t", BOOTING)
    aws.pass_time(capacity.TIMEOUT_S + 1)
    assert status(aws) == "CREATE_FAILED"
    assert aws.group(GROUP)["DesiredCapacity"] == 3
    aws.client("autoscaling").resume_processes(**EVERY_LAUNCH)
    assert aws.update("t", BOOTING)["StackStatus"] == "UPDATE_IN_PROGRESS"
    aws.pass_time()
    in_service(aws)
    assert status(aws) == "UPDATE_COMPLETE"
    assert aws.client("cloudformation").list_exports()["Exports"]


def test_launches_that_are_resumed_in_time_complete_the_stack(aws: Aws) -> None:
    """The breaker's advice needs no deploy, if the cause lies outside of the template."""
    aws.create("t", BOOTING)
    abandon_all(aws)
    aws.pass_time(1800)
    aws.client("autoscaling").resume_processes(**EVERY_LAUNCH)
    aws.pass_time()
    in_service(aws)
    assert status(aws) == "CREATE_COMPLETE"


def test_a_larger_group_is_waited_for_and_an_unchanged_one_is_not(aws: Aws) -> None:
    aws.create("t", BOOTING)
    in_service(aws)
    assert aws.update("t", LARGER)["StackStatus"] == "UPDATE_IN_PROGRESS"
    in_service(aws)
    assert status(aws) == "UPDATE_COMPLETE"
    # A replacement is under way: an update that leaves the group alone does not wait for it.
    aws.client("ec2").terminate_instances(InstanceIds=[next(iter(states(aws)))])
    aws.pass_time(1)
    assert "Pending:Wait" in states(aws).values()
    changed = template(LAUNCH, MinSize="5", MaxSize="5")
    changed["Outputs"]["More"] = {"Value": "1"}
    assert aws.update("t", changed)["StackStatus"] == "UPDATE_COMPLETE"


def test_a_correction_is_deployed_first_and_launches_are_resumed_while_the_stack_waits(aws: Aws) -> None:
    """The breaker's advice: the next launch has the new launch template, and not what failed."""
    aws.create("t", BOOTING)
    in_service(aws)
    aws.client("autoscaling").suspend_processes(**EVERY_LAUNCH)
    corrected = template(LAUNCH, MinSize="5", MaxSize="5")
    data = corrected["Resources"]["Template"]["Properties"]["LaunchTemplateData"]
    data["InstanceType"] = "t3.large"
    assert aws.update("t", corrected)["StackStatus"] == "UPDATE_IN_PROGRESS"
    aws.pass_time(1800)
    assert status(aws) == "UPDATE_IN_PROGRESS"
    aws.client("autoscaling").resume_processes(**EVERY_LAUNCH)
    aws.pass_time()
    launched = [each for each in aws.group(GROUP)["Instances"] if each["LifecycleState"] == "Pending:Wait"]
    assert [each["LaunchTemplate"]["Version"] for each in launched] == ["2", "2"]
    in_service(aws)
    assert status(aws) == "UPDATE_COMPLETE"


def test_a_larger_group_that_launches_nothing_for_an_hour_is_made_smaller_again(aws: Aws) -> None:
    aws.create("t", BOOTING)
    in_service(aws)
    aws.client("autoscaling").suspend_processes(**EVERY_LAUNCH)
    aws.update("t", LARGER)
    aws.pass_time(capacity.TIMEOUT_S + 1)
    assert status(aws) == "UPDATE_ROLLBACK_COMPLETE"
    (failed,) = aws.events("t", "UPDATE_FAILED")
    assert "group size = {3/5/5}" in failed["ResourceStatusReason"]
    assert (aws.group(GROUP)["DesiredCapacity"], len(states(aws))) == (3, 3)


def test_a_stack_that_waits_can_be_deleted(aws: Aws) -> None:
    aws.create("t", BOOTING)
    aws.client("cloudformation").delete_stack(StackName="t")
    aws.pass_time()
    with pytest.raises(ClientError, match="does not exist"):
        aws.stack("t")


def test_a_change_set_is_refused_while_a_stack_waits(aws: Aws) -> None:
    aws.create("t", BOOTING)
    with pytest.raises(ClientError, match="is in CREATE_IN_PROGRESS state"):
        aws.client("cloudformation").create_change_set(
            StackName="t", ChangeSetName="c", ChangeSetType="UPDATE", UsePreviousTemplate=True
        )
