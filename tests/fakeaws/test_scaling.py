"""The life of a group in the simulated AWS, over HTTP. The test controls the time."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from swarmer.fakeaws.autoscaling import hooks
from swarmer.fakeaws.base import journal
from swarmer.fakeaws.ec2 import instances
from tests.fakeaws.client import Aws
from tests.fakeaws.scaling_client import (
    GROUP,
    LAUNCH,
    LAUNCH_FIRST,
    TERMINATE,
    complete,
    events,
    register_all,
    states,
    template,
)


def test_without_hooks_instances_are_in_service_at_once(aws: Aws) -> None:
    aws.create("t", template())
    assert set(states(aws).values()) == {"InService"}


def test_a_launch_waits_for_its_hook(aws: Aws) -> None:
    aws.create("t", template(LAUNCH))
    assert list(states(aws).values()) == ["Pending:Wait"] * 3
    announced = events("EC2 Instance-launch Lifecycle Action")
    assert {each["EC2InstanceId"] for each in announced} == set(states(aws))
    assert announced[0] == {
        "LifecycleActionToken": announced[0]["LifecycleActionToken"],
        "AutoScalingGroupName": GROUP,
        "LifecycleHookName": "register",
        "EC2InstanceId": announced[0]["EC2InstanceId"],
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
        "Origin": "EC2",
        "Destination": "AutoScalingGroup",
    }
    assert len(announced[0]["LifecycleActionToken"]) == 36


def test_a_completed_launch_is_in_service_and_announced(aws: Aws) -> None:
    aws.create("t", template(LAUNCH))
    first = next(iter(states(aws)))
    complete(aws, first)
    assert states(aws)[first] == "InService"
    (told,) = events("EC2 Instance Launch Successful")
    assert told["EC2InstanceId"] == first
    assert told["Description"] == f"Launching a new EC2 instance: {first}"
    assert set(told["Details"]) == {"Availability Zone", "Subnet ID"}


def test_an_action_is_known_by_its_token_too_and_ends_once(aws: Aws) -> None:
    aws.create("t", template(LAUNCH))
    announced = events("launch Lifecycle Action")[0]
    before = journal.entries()[-1]["number"]
    call = {
        "AutoScalingGroupName": GROUP,
        "LifecycleHookName": "register",
        "LifecycleActionToken": announced["LifecycleActionToken"],
        "LifecycleActionResult": "CONTINUE",
    }
    aws.client("autoscaling").complete_lifecycle_action(**call)
    with pytest.raises(ClientError, match="No active Lifecycle Action found with token"):
        aws.client("autoscaling").complete_lifecycle_action(**call)
    said = [each for each in journal.entries(before) if each["what"].startswith("CompleteLifecycleAction")]
    assert [each["what"] for each in said] == ["CompleteLifecycleAction", hooks.REFUSED]
    assert said[1]["detail"]["AutoScalingGroupName"] == GROUP


def test_an_abandoned_launch_is_terminated_and_launched_anew(aws: Aws) -> None:
    aws.create("t", template(LAUNCH))
    bad = next(iter(states(aws)))
    complete(aws, bad, "ABANDON")
    assert bad not in states(aws)
    assert list(states(aws).values()) == ["Pending:Wait"] * 3
    (told,) = events("EC2 Instance Launch Unsuccessful")
    assert "was abandoned: Lifecycle Action Completed with ABANDON Result" in told["StatusMessage"]
    assert [each["state"] for each in events("State-change", **{"instance-id": bad})][-1] == "terminated"


def test_a_launch_hook_that_nobody_answers_ends_in_its_default(aws: Aws) -> None:
    aws.create("t", template(LAUNCH))
    before = set(states(aws))
    aws.pass_time(299)
    assert set(states(aws)) == before
    aws.pass_time(2)
    assert not before & set(states(aws))
    assert "Heartbeat Timeout" in events("Launch Unsuccessful")[0]["StatusMessage"]


def test_a_heartbeat_prolongs_the_wait(aws: Aws) -> None:
    aws.create("t", template(LAUNCH))
    kept, *late = states(aws)
    aws.pass_time(200)
    aws.client("autoscaling").record_lifecycle_action_heartbeat(
        AutoScalingGroupName=GROUP, LifecycleHookName="register", InstanceId=kept
    )
    aws.pass_time(200)
    assert kept in states(aws)
    assert not set(late) & set(states(aws))


def test_a_vanished_instance_is_replaced_first_and_its_hook_comes_late(aws: Aws) -> None:
    aws.create("t", template(LAUNCH, TERMINATE, policy=LAUNCH_FIRST))
    dead = register_all(aws)[0]
    aws.client("ec2").terminate_instances(InstanceIds=[dead])
    assert [each["state"] for each in events("State-change", **{"instance-id": dead})][-2:] == [
        "shutting-down",
        "terminated",
    ]
    assert states(aws)[dead] == "InService"
    aws.pass_time(1)
    (new,) = (each for each, state in states(aws).items() if state == "Pending:Wait")
    assert states(aws)[dead] == "InService"
    assert events("terminate Lifecycle Action") == []
    complete(aws, new)
    assert states(aws)[dead] == "Terminating:Wait"
    (told,) = events("terminate Lifecycle Action")
    assert (told["EC2InstanceId"], told["NotificationMetadata"]) == (dead, "some words")
    assert (told["Origin"], told["Destination"]) == ("AutoScalingGroup", "EC2")
    complete(aws, dead, hook="deregister")
    assert dead not in states(aws)
    assert events("Terminate Successful")[0]["EC2InstanceId"] == dead


def test_without_a_policy_the_unhealthy_goes_and_the_new_one_comes_at_once(aws: Aws) -> None:
    aws.create("t", template(LAUNCH, TERMINATE))
    sick = register_all(aws)[0]
    aws.client("autoscaling").set_instance_health(
        InstanceId=sick, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False
    )
    assert sorted(states(aws).values()) == ["InService", "InService", "Pending:Wait", "Terminating:Wait"]


def test_health_respects_the_grace_period_unless_told_not_to(aws: Aws) -> None:
    aws.create("t", template(policy=LAUNCH_FIRST))
    sick = next(iter(states(aws)))
    autoscaling = aws.client("autoscaling")
    autoscaling.set_instance_health(InstanceId=sick, HealthStatus="Unhealthy")
    assert sick in states(aws)
    aws.pass_time(301)
    autoscaling.set_instance_health(InstanceId=sick, HealthStatus="Unhealthy")
    assert sick not in states(aws)


def test_a_terminate_hook_ends_by_itself(aws: Aws) -> None:
    aws.create("t", template(TERMINATE))
    gone = next(iter(states(aws)))
    aws.client("autoscaling").terminate_instance_in_auto_scaling_group(
        InstanceId=gone, ShouldDecrementDesiredCapacity=False
    )
    assert states(aws)[gone] == "Terminating:Wait"
    assert len(states(aws)) == 4
    aws.pass_time(121)
    assert gone not in states(aws)


def test_terminating_without_replacement_respects_the_minimum(aws: Aws) -> None:
    aws.create("t", template(MinSize="2", MaxSize="3", DesiredCapacity="3"))
    first, second, _ = states(aws)
    autoscaling = aws.client("autoscaling")
    answer = autoscaling.terminate_instance_in_auto_scaling_group(
        InstanceId=first, ShouldDecrementDesiredCapacity=True
    )
    assert answer["Activity"]["Description"] == f"Terminating EC2 instance: {first}"
    assert len(states(aws)) == aws.group(GROUP)["DesiredCapacity"] == 2
    with pytest.raises(ClientError, match="violate group's min size"):
        autoscaling.terminate_instance_in_auto_scaling_group(
            InstanceId=second, ShouldDecrementDesiredCapacity=True
        )


def test_scaling_in_drains_and_leaves_protected_instances(aws: Aws) -> None:
    aws.create("t", template(TERMINATE, MinSize="1", MaxSize="5", DesiredCapacity="3"))
    kept = list(states(aws))[:2]
    autoscaling = aws.client("autoscaling")
    autoscaling.set_instance_protection(
        AutoScalingGroupName=GROUP, InstanceIds=kept, ProtectedFromScaleIn=True
    )
    autoscaling.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=1)
    assert sorted(states(aws).values()) == ["InService", "InService", "Terminating:Wait"]
    assert all(states(aws)[each] == "InService" for each in kept)


def test_desired_capacity_stays_within_the_bounds(aws: Aws) -> None:
    aws.create("t", template(MinSize="1", MaxSize="3"))
    with pytest.raises(ClientError, match="above max value 3"):
        aws.client("autoscaling").set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=4)


def test_a_deploy_changes_size_and_hooks_in_place(aws: Aws) -> None:
    aws.create("t", template(LAUNCH, MinSize="3", MaxSize="3"))
    old = set(register_all(aws))
    aws.update("t", template(TERMINATE, MinSize="5", MaxSize="5"))
    assert old < set(states(aws))
    assert set(states(aws).values()) == {"InService"}
    aws.update("t", template(TERMINATE, MinSize="3", MaxSize="3"))
    assert sorted(states(aws).values()) == ["InService"] * 3 + ["Terminating:Wait"] * 2


def test_force_delete_waits_for_no_hook(aws: Aws) -> None:
    aws.create("t", template(TERMINATE))
    autoscaling = aws.client("autoscaling")
    with pytest.raises(ClientError, match="ResourceInUse"):
        autoscaling.delete_auto_scaling_group(AutoScalingGroupName=GROUP)
    autoscaling.delete_auto_scaling_group(AutoScalingGroupName=GROUP, ForceDelete=True)
    assert aws.instances(GROUP) == []


def test_activities_tell_what_happened_and_why(aws: Aws) -> None:
    aws.create("t", template(LAUNCH, policy=LAUNCH_FIRST, MinSize="1", MaxSize="1"))
    (dead,) = register_all(aws)
    aws.client("ec2").terminate_instances(InstanceIds=[dead])
    aws.pass_time(1)
    register_all(aws)
    found = aws.client("autoscaling").describe_scaling_activities(AutoScalingGroupName=GROUP)["Activities"]
    assert [each["StatusCode"] for each in found] == ["Successful"] * 3
    assert [each["Description"].rpartition(":")[0] for each in found] == [
        "Terminating EC2 instance",
        "Launching a new EC2 instance",
        "Launching a new EC2 instance",
    ]
    assert "EC2 health check indicating it has been terminated or stopped" in found[0]["Cause"]
    assert "unhealthy instance needing to be replaced" in found[1]["Cause"]


def test_hooks_are_described_and_can_be_put_and_deleted(aws: Aws) -> None:
    aws.create("t", template(LAUNCH))
    autoscaling = aws.client("autoscaling")
    (hook,) = autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=GROUP)["LifecycleHooks"]
    assert hook == LAUNCH | {"AutoScalingGroupName": GROUP, "GlobalTimeout": 30_000}
    autoscaling.put_lifecycle_hook(
        AutoScalingGroupName=GROUP, LifecycleHookName="register", HeartbeatTimeout=60
    )
    (hook,) = autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=GROUP)["LifecycleHooks"]
    assert (hook["HeartbeatTimeout"], hook["DefaultResult"]) == (60, "ABANDON")
    before = set(states(aws))
    autoscaling.delete_lifecycle_hook(AutoScalingGroupName=GROUP, LifecycleHookName="register")
    assert not before & set(states(aws)), "outstanding launches are abandoned"
    assert set(states(aws).values()) == {"InService"}


def test_an_instance_that_dies_while_it_waits_is_left_to_its_hook(aws: Aws) -> None:
    aws.create("t", template(LAUNCH))
    dead = next(iter(states(aws)))
    aws.client("ec2").terminate_instances(InstanceIds=[dead])
    aws.pass_time(1)
    assert states(aws)[dead] == "Pending:Wait"
    complete(aws, dead, "ABANDON")
    assert dead not in states(aws)
    assert len(states(aws)) == 3


def test_a_stopped_instance_is_replaced(aws: Aws) -> None:
    aws.create("t", template())
    stopped = next(iter(states(aws)))
    aws.client("ec2").stop_instances(InstanceIds=[stopped])
    aws.pass_time(1)
    assert stopped not in states(aws)
    assert len(states(aws)) == 3


def test_the_console_is_the_machine_s_own(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.create("t", template(MinSize="1", MaxSize="1"))
    (instance,) = states(aws)
    assert "Output" not in aws.client("ec2").get_console_output(InstanceId=instance)
    monkeypatch.setattr(instances, "read_console", lambda instance_id: f"dead: {instance_id}")
    said = aws.client("ec2").get_console_output(InstanceId=instance)["Output"]
    assert said == f"dead: {instance}"


def test_a_reboot_restarts_the_machine_and_ends_nothing(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    rebooted: list[str] = []
    monkeypatch.setattr(instances, "reboot_machine", rebooted.append)
    aws.create("t", template(MinSize="2", MaxSize="2"))
    first, second = states(aws)
    aws.client("ec2").terminate_instances(InstanceIds=[second])
    aws.client("ec2").reboot_instances(InstanceIds=[first, second])
    assert rebooted == [first]
    assert [each["InstanceId"] for each in aws.instances(GROUP)] == [first]
