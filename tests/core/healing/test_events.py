"""Events as AWS documents them, and everything else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from swarmer.core.healing import events
from swarmer.core.healing.events import Changed, Lifecycle, Malformed, Tick

INSTANCE = "i-0123456789abcdef0"


def lifecycle(**changes: Any) -> dict[str, Any]:
    detail = {
        "LifecycleActionToken": "87654321-4321-4321-4321-210987654321",
        "AutoScalingGroupName": "lab-core",
        "LifecycleHookName": "swarmer-launch",
        "EC2InstanceId": INSTANCE,
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
        "NotificationMetadata": "",
        "Origin": "EC2",
        "Destination": "AutoScalingGroup",
    }
    return event("aws.autoscaling", events.LAUNCH, detail | changes)


def event(source: str, kind: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "12345678-1234-1234-1234-123456789012",
        "detail-type": kind,
        "source": source,
        "account": "123456789012",
        "time": "2026-03-01T12:00:00Z",
        "region": "eu-central-1",
        "resources": [],
        "detail": detail,
    }


AT = 1772366400.0


def test_a_lifecycle_action_is_read() -> None:
    assert events.lifecycle(json.dumps(lifecycle()), launches=True) == Lifecycle(
        launches=True, asg="lab-core", hook="swarmer-launch", instance_id=INSTANCE, at_s=AT
    )


def test_a_state_change_is_read() -> None:
    raw = event("aws.ec2", events.STATE_CHANGE, {"instance-id": INSTANCE, "state": "shutting-down"})
    assert events.parse(json.dumps(raw)) == Changed(
        asg="", instance_id=INSTANCE, what="shutting-down", at_s=AT
    )


@pytest.mark.parametrize("kind", events.RESULTS)
def test_the_results_of_auto_scaling_are_read(kind: str) -> None:
    raw = event("aws.autoscaling", kind, {"AutoScalingGroupName": "lab-core", "EC2InstanceId": INSTANCE})
    found = events.parse(json.dumps(raw))
    assert found == Changed(asg="lab-core", instance_id=INSTANCE, what=kind, at_s=AT)


def test_a_launch_that_made_no_instance_is_read() -> None:
    raw = event("aws.autoscaling", events.RESULTS[1], {"AutoScalingGroupName": "lab-core"})
    found = events.parse(json.dumps(raw))
    assert isinstance(found, Changed)
    assert found.instance_id == ""


def test_a_schedule_is_read() -> None:
    assert events.parse(json.dumps(event("aws.events", "Scheduled Event", {}))) == Tick(at_s=AT)


def without(raw: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in raw.items() if name != key}


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "no JSON",
        "[]",
        "null",
        "{}",
        json.dumps(without(lifecycle(), "detail")),
        json.dumps(without(lifecycle(), "time")),
        json.dumps(without(lifecycle(), "source")),
        json.dumps(lifecycle() | {"time": "yesterday"}),
        json.dumps(lifecycle() | {"time": "2026-03-01T12:00:00"}),
        json.dumps(lifecycle() | {"time": 7}),
        json.dumps(lifecycle() | {"detail": "x"}),
        json.dumps(lifecycle() | {"source": "aws.evil"}),
        json.dumps(lifecycle() | {"detail-type": "EC2 Instance-dance Lifecycle Action"}),
        json.dumps(lifecycle(EC2InstanceId="i-1; rm")),
        json.dumps(lifecycle(EC2InstanceId=None)),
        json.dumps(lifecycle(AutoScalingGroupName="")),
        json.dumps(lifecycle(AutoScalingGroupName={"a": 1})),
        json.dumps(lifecycle(LifecycleHookName=None)),
        json.dumps(lifecycle(LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING")),
        json.dumps({"Service": "AWS Auto Scaling", "Event": "autoscaling:TEST_NOTIFICATION"}),
    ],
)
def test_whatever_is_no_such_event_is_refused(raw: str) -> None:
    with pytest.raises(Malformed):
        events.lifecycle(raw, launches=True)


def test_a_termination_is_no_launch() -> None:
    with pytest.raises(Malformed):
        events.lifecycle(json.dumps(lifecycle()), launches=False)
