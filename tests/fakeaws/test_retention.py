"""Instance lifecycle policies in the simulated AWS, over HTTP: who abandons a termination keeps the instance.

EC2 Auto Scaling User Guide, "Control instance retention with instance lifecycle policies" and "Manage
retained instances" (read on 2026-11-30).
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

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

RETAINED = "Terminating:Retained"
ABANDONING = TERMINATE | {"DefaultResult": "ABANDON"}
RETAIN = {"RetentionTriggers": {"TerminateHookAbandon": "retain"}}
LET_GO = {"RetentionTriggers": {"TerminateHookAbandon": "terminate"}}


def retaining(*hooks: dict[str, Any], policy: Any = RETAIN, **sizes: str) -> dict[str, Any]:
    made = template(*(hooks or (ABANDONING,)), policy=None, **sizes)
    made["Resources"]["Group"]["Properties"]["InstanceLifecyclePolicy"] = policy
    return made


def end(aws: Aws, instance_id: str, *, decrements: bool = False) -> None:
    aws.client("autoscaling").terminate_instance_in_auto_scaling_group(
        InstanceId=instance_id, ShouldDecrementDesiredCapacity=decrements
    )


def retained(aws: Aws) -> str:
    """Terminate an instance of the group, whose hook nobody answers. Returns its ID."""
    first = next(iter(states(aws)))
    end(aws, first)
    aws.pass_time(121)
    return first


def state_in_ec2(aws: Aws, instance_id: str) -> str:
    found = aws.client("ec2").describe_instances(InstanceIds=[instance_id])["Reservations"]
    return str(found[0]["Instances"][0]["State"]["Name"])


def test_an_instance_whose_hook_nobody_answers_is_kept_and_runs(aws: Aws) -> None:
    aws.create("t", retaining())
    kept = retained(aws)
    assert states(aws)[kept] == RETAINED
    assert state_in_ec2(aws, kept) == "running"


def test_it_does_not_count_and_is_replaced(aws: Aws) -> None:
    aws.create("t", retaining())
    retained(aws)
    assert sorted(states(aws).values()) == ["InService"] * 3 + [RETAINED]
    assert aws.group(GROUP)["DesiredCapacity"] == 3


def test_an_answer_of_abandon_keeps_it_at_once(aws: Aws) -> None:
    aws.create("t", retaining())
    first = next(iter(states(aws)))
    end(aws, first)
    complete(aws, first, "ABANDON", hook="deregister")
    assert states(aws)[first] == RETAINED


def test_an_answer_of_continue_ends_it(aws: Aws) -> None:
    aws.create("t", retaining())
    first = next(iter(states(aws)))
    end(aws, first)
    complete(aws, first, hook="deregister")
    assert first not in states(aws)
    assert state_in_ec2(aws, first) == "terminated"


def test_a_default_of_continue_ends_it(aws: Aws) -> None:
    aws.create("t", retaining(TERMINATE))
    assert retained(aws) not in states(aws)


def test_heartbeats_prolong_the_wait_up_to_a_hundred_time_outs_and_then_it_is_kept(aws: Aws) -> None:
    aws.create("t", retaining(ABANDONING | {"HeartbeatTimeout": 30}))
    first = next(iter(states(aws)))
    end(aws, first)
    for _ in range(120):
        aws.pass_time(25)
        if states(aws)[first] == RETAINED:
            return
        aws.client("autoscaling").record_lifecycle_action_heartbeat(
            AutoScalingGroupName=GROUP, LifecycleHookName="deregister", InstanceId=first
        )
    raise AssertionError("the global time-out never came")


@pytest.mark.parametrize("policy", [LET_GO, {}, {"RetentionTriggers": {}}], ids=str)
def test_without_the_policy_an_abandoned_instance_ends(aws: Aws, policy: dict[str, Any]) -> None:
    aws.create("t", retaining(policy=policy))
    assert retained(aws) not in states(aws)


def test_without_a_termination_hook_the_policy_has_no_effect(aws: Aws) -> None:
    aws.create("t", retaining(LAUNCH))
    register_all(aws)
    assert retained(aws) not in states(aws)


def test_it_stays_for_days_and_nothing_is_launched_for_it_again(aws: Aws) -> None:
    aws.create("t", retaining())
    kept = retained(aws)
    before = states(aws)
    aws.pass_time(5 * 86_400)
    assert states(aws) == before
    assert states(aws)[kept] == RETAINED


def test_its_termination_is_cancelled_and_says_why(aws: Aws) -> None:
    aws.create("t", retaining())
    kept = retained(aws)
    found = aws.client("autoscaling").describe_scaling_activities(AutoScalingGroupName=GROUP)["Activities"]
    (ended,) = (each for each in found if each["Description"] == f"Terminating EC2 instance: {kept}")
    assert ended["StatusCode"] == "Cancelled"
    assert "was abandoned: Heartbeat Timeout" in ended["StatusMessage"]
    assert events("Terminate Successful") == []


def test_an_end_by_request_passes_the_hook_again_with_another_token(aws: Aws) -> None:
    aws.create("t", retaining())
    kept = retained(aws)
    end(aws, kept)
    assert states(aws)[kept] == "Terminating:Wait"
    first, second = events("terminate Lifecycle Action", EC2InstanceId=kept)
    assert first["LifecycleActionToken"] != second["LifecycleActionToken"]
    complete(aws, kept, hook="deregister")
    assert kept not in states(aws)
    assert len(states(aws)) == 3


def test_an_end_by_request_whose_hook_nobody_answers_keeps_it_again(aws: Aws) -> None:
    aws.create("t", retaining())
    kept = retained(aws)
    end(aws, kept)
    aws.pass_time(121)
    assert states(aws)[kept] == RETAINED
    assert len(states(aws)) == 4


def test_an_end_that_lowers_the_desired_capacity_is_refused(aws: Aws) -> None:
    aws.create("t", retaining(MinSize="1", MaxSize="5", DesiredCapacity="3"))
    kept = retained(aws)
    with pytest.raises(ClientError, match="ValidationError"):
        end(aws, kept, decrements=True)
    assert states(aws)[kept] == RETAINED


def test_an_unhealthy_instance_that_was_replaced_first_is_kept_too(aws: Aws) -> None:
    made = retaining(LAUNCH, ABANDONING)
    made["Resources"]["Group"]["Properties"]["InstanceMaintenancePolicy"] = LAUNCH_FIRST
    aws.create("t", made)
    sick = register_all(aws)[0]
    aws.client("autoscaling").set_instance_health(
        InstanceId=sick, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False
    )
    register_all(aws)
    aws.pass_time(121)
    assert states(aws)[sick] == RETAINED
    assert sorted(states(aws).values()) == ["InService"] * 3 + [RETAINED]


def test_the_policy_is_described_and_can_be_changed(aws: Aws) -> None:
    aws.create("t", retaining())
    assert aws.group(GROUP)["InstanceLifecyclePolicy"] == RETAIN
    autoscaling = aws.client("autoscaling")
    autoscaling.update_auto_scaling_group(AutoScalingGroupName=GROUP, InstanceLifecyclePolicy=LET_GO)
    assert aws.group(GROUP)["InstanceLifecyclePolicy"] == LET_GO
    assert retained(aws) not in states(aws)
    with pytest.raises(ClientError, match=r"enum value set: \[retain, terminate\]"):
        autoscaling.update_auto_scaling_group(
            AutoScalingGroupName=GROUP,
            InstanceLifecyclePolicy={"RetentionTriggers": {"TerminateHookAbandon": "keep"}},
        )


def test_a_deploy_adds_and_removes_the_policy_in_place(aws: Aws) -> None:
    aws.create("t", template(ABANDONING))
    before = set(states(aws))
    aws.update("t", retaining())
    assert aws.group(GROUP)["InstanceLifecyclePolicy"] == RETAIN
    assert set(states(aws)) == before
    aws.update("t", template(ABANDONING))
    assert "InstanceLifecyclePolicy" not in aws.group(GROUP)


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (
            {"RetentionTriggers": {"TerminateHookAbandon": "keep"}},
            "/RetentionTriggers/TerminateHookAbandon: keep is not a valid enum value",
        ),
        (
            {"RetentionTriggers": {"LaunchHookAbandon": "retain"}},
            "/RetentionTriggers: extraneous key [LaunchHookAbandon] is not permitted",
        ),
        (
            {"TerminateHookAbandon": "retain"},
            ": extraneous key [TerminateHookAbandon] is not permitted",
        ),
        ("retain", ": expected type: JSONObject, found: str"),
    ],
    ids=str,
)
def test_a_template_whose_policy_violates_the_schema_is_refused(aws: Aws, policy: Any, told: str) -> None:
    assert aws.create("t", retaining(policy=policy))["StackStatus"] == "ROLLBACK_COMPLETE"
    (failed,) = aws.events("t", "CREATE_FAILED")
    assert failed["LogicalResourceId"] == "Group"
    assert failed["ResourceStatusReason"] == (
        f"Properties validation failed for resource Group with message: #/InstanceLifecyclePolicy{told}"
    )


def test_a_group_that_retains_cannot_be_deleted_by_force(aws: Aws) -> None:
    aws.create("t", retaining())
    retained(aws)
    autoscaling = aws.client("autoscaling")
    with pytest.raises(ClientError, match="ResourceInUse"):
        autoscaling.delete_auto_scaling_group(AutoScalingGroupName=GROUP)
    with pytest.raises(ClientError, match="retention trigger is set to retain"):
        autoscaling.delete_auto_scaling_group(AutoScalingGroupName=GROUP, ForceDelete=True)
    autoscaling.update_auto_scaling_group(AutoScalingGroupName=GROUP, InstanceLifecyclePolicy=LET_GO)
    autoscaling.delete_auto_scaling_group(AutoScalingGroupName=GROUP, ForceDelete=True)
    assert aws.instances(GROUP) == []


def test_a_stack_is_not_deleted_before_its_retained_instance_is_ended(aws: Aws) -> None:
    aws.create("t", retaining())
    kept = retained(aws)
    aws.client("cloudformation").delete_stack(StackName="t")
    for instance_id, state in states(aws).items():
        if state == "Terminating:Wait":
            complete(aws, instance_id, hook="deregister")
    aws.pass_time(600)
    assert states(aws) == {kept: RETAINED}
    assert aws.stack("t")["StackStatus"] == "DELETE_IN_PROGRESS"
    end(aws, kept)
    complete(aws, kept, hook="deregister")
    aws.pass_time()
    with pytest.raises(ClientError, match="does not exist"):
        aws.stack("t")
