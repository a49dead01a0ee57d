"""A group with hooks in the simulated AWS, and its events."""

from __future__ import annotations

from typing import Any

from swarmer.fakeaws.base import journal
from tests.fakeaws.client import Aws
from tests.fakeaws.template import cluster

GROUP = "t-core"
LAUNCH = {
    "LifecycleHookName": "register",
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
    "HeartbeatTimeout": 300,
    "DefaultResult": "ABANDON",
}
TERMINATE = {
    "LifecycleHookName": "deregister",
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
    "HeartbeatTimeout": 120,
    "DefaultResult": "CONTINUE",
    "NotificationMetadata": "some words",
}
LAUNCH_FIRST = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 133}


def template(*hooks: dict[str, Any], policy: dict[str, int] | None = None, **sizes: str) -> dict[str, Any]:
    """Template of a cluster whose group has these hooks."""
    made = cluster(**(sizes or {"MinSize": "3", "MaxSize": "3"}))
    properties = made["Resources"]["Group"]["Properties"]
    if hooks:
        properties["LifecycleHookSpecificationList"] = list(hooks)
    if policy:
        properties["InstanceMaintenancePolicy"] = policy
    return made


def states(aws: Aws, group: str = GROUP) -> dict[str, str]:
    """Lifecycle states by instance ID."""
    return {each["InstanceId"]: each["LifecycleState"] for each in aws.group(group)["Instances"]}


def complete(aws: Aws, instance_id: str, result: str = "CONTINUE", hook: str = "register") -> None:
    aws.client("autoscaling").complete_lifecycle_action(
        AutoScalingGroupName=GROUP,
        LifecycleHookName=hook,
        InstanceId=instance_id,
        LifecycleActionResult=result,
    )


def register_all(aws: Aws) -> list[str]:
    """Complete the launch hooks of every instance. Returns the instances then in service."""
    for instance_id, state in states(aws).items():
        if state == "Pending:Wait":
            complete(aws, instance_id)
    return [instance_id for instance_id, state in states(aws).items() if state == "InService"]


def events(kind: str = "", **detail: Any) -> list[dict[str, Any]]:
    """Details of the events of a kind that hold these values, in order."""
    return [
        each["detail"]
        for each in journal.entries()
        if each["kind"] == "event"
        and kind in each["what"]
        and all(each["detail"].get(key) == value for key, value in detail.items())
    ]
