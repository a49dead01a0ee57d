"""EC2 Auto Scaling for the functions. Every failure is `aws.Unavailable`."""

from __future__ import annotations

from typing import Any, Final

import botocore.exceptions

from swarmer.adapters import aws
from swarmer.core import names
from swarmer.core.healing.boots import Activity
from swarmer.core.healing.world import Group, Member

CONTINUE: Final = "CONTINUE"
ABANDON: Final = "ABANDON"
LAUNCH: Final = "Launch"
"""Name of the process that launches instances."""
MOST_ACTIVITIES: Final = 50


def groups(cluster: str) -> tuple[Group, ...]:
    """Every group with the cluster's tag, and its instances."""
    filters = [{"Name": f"tag:{names.TAG_CLUSTER}", "Values": [cluster]}]
    with aws.translated():
        pages = aws.client("autoscaling").get_paginator("describe_auto_scaling_groups")
        found = [raw for page in pages.paginate(Filters=filters) for raw in page["AutoScalingGroups"]]
    return tuple(map(_group, found))


def complete(asg: str, hook: str, instance_id: str, result: str) -> bool:
    """Answer a hook for an instance. Returns False if none is open: it was answered, or its time is up."""
    return _of_hook(
        "complete_lifecycle_action",
        AutoScalingGroupName=asg,
        LifecycleHookName=hook,
        InstanceId=instance_id,
        LifecycleActionResult=result,
    )


def heartbeat(asg: str, hook: str, instance_id: str) -> bool:
    """Restart the timeout of a hook. Returns False if none is open."""
    return _of_hook(
        "record_lifecycle_action_heartbeat",
        AutoScalingGroupName=asg,
        LifecycleHookName=hook,
        InstanceId=instance_id,
    )


def mark_unhealthy(instance_id: str) -> bool:
    """Have an instance replaced. Returns False if no group contains it."""
    return _of_hook(
        "set_instance_health",
        InstanceId=instance_id,
        HealthStatus="Unhealthy",
        ShouldRespectGracePeriod=False,
    )


def terminate(instance_id: str) -> bool:
    """End an instance; its group keeps its size. Returns False if no group contains it."""
    return _of_hook(
        "terminate_instance_in_auto_scaling_group",
        InstanceId=instance_id,
        ShouldDecrementDesiredCapacity=False,
    )


def suspend_launches(asg: str) -> None:
    """Suspend launches until an operator resumes them; a second call is no error."""
    with aws.translated():
        aws.client("autoscaling").suspend_processes(AutoScalingGroupName=asg, ScalingProcesses=[LAUNCH])


def activities(asg: str) -> list[Activity]:
    """Activities of the group, newest first."""
    with aws.translated():
        found = aws.client("autoscaling").describe_scaling_activities(
            AutoScalingGroupName=asg, MaxRecords=MOST_ACTIVITIES
        )
    return [
        Activity(
            description=raw.get("Description", ""),
            status=raw.get("StatusCode", ""),
            message=raw.get("StatusMessage", ""),
        )
        for raw in found["Activities"]
    ]


def _of_hook(call: str, **arguments: Any) -> bool:
    """Run a call about a hook or an instance. Auto Scaling answers ValidationError if it is gone."""
    with aws.translated():
        try:
            getattr(aws.client("autoscaling"), call)(**arguments)
        except botocore.exceptions.ClientError as exc:
            if exc.response["Error"]["Code"] != "ValidationError":
                raise
            return False
    return True


def _group(raw: dict[str, Any]) -> Group:
    tags = {tag["Key"]: tag["Value"] for tag in raw.get("Tags", ())}
    return Group(
        asg=raw["AutoScalingGroupName"],
        name=tags.get(names.TAG_GROUP, ""),
        roles=frozenset(tags.get(names.TAG_ROLES, "").split()),
        desired=raw["DesiredCapacity"],
        members={
            each["InstanceId"]: Member(
                lifecycle=each["LifecycleState"], health=each.get("HealthStatus", "Healthy")
            )
            for each in raw.get("Instances", ())
        },
        launches=LAUNCH not in {each["ProcessName"] for each in raw.get("SuspendedProcesses", ())},
        is_deleting="delet" in raw.get("Status", "").lower(),
    )
