"""Scaling activities of a group, and the events that report their end.

Texts as in the Auto Scaling User Guide, 'Verify a scaling activity'.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from moto.autoscaling.models import AutoScalingBackend
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult

from swarmer.fakeaws.base import clock
from swarmer.fakeaws.eventbridge import bus

MAX_ACTIVITIES: Final = 1000
"""Number of activities that each region keeps; the oldest are dropped."""
PAGE_SIZE: Final = 100
"""Number of activities in an answer to a request without MaxRecords."""
SUCCESSFUL: Final = "Successful"
CANCELLED: Final = "Cancelled"
FAILED: Final = "Failed"
WAITING_STATUS: Final = {True: "WaitingForLaunchLifecycleAction", False: "WaitingForTerminateLifecycleAction"}
"""Status code of an activity that waits for hooks, by whether it launches an instance."""


def extend() -> None:
    AutoScalingResponse.describe_scaling_activities = _describe_request


@dataclass
class Activity:
    """Scaling activity, with the attributes of DescribeScalingActivities."""

    auto_scaling_group_name: str
    description: str
    cause: str
    details: str
    start_time: datetime
    activity_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    end_time: datetime | None = None
    status_code: str = "InProgress"
    status_message: str = ""
    progress: int = 50


def begin(group: Any, state: Any, *, launches: bool, cause: str) -> Activity:
    """Record that an instance starts or terminates. Returns the new activity."""
    verb = "Launching a new EC2 instance" if launches else "Terminating EC2 instance"
    zone, subnet = state.availability_zone, state.instance.subnet_id
    activity = Activity(
        auto_scaling_group_name=group.name,
        description=f"{verb}: {state.instance_id}",
        cause=cause,
        details=f'{{"Subnet ID":"{subnet}","Availability Zone":"{zone}"}}',
        start_time=clock.now(),
    )
    activities = of_backend(group.autoscaling_backend)
    activities.insert(0, activity)
    del activities[MAX_ACTIVITIES:]
    return activity


def mark_waiting(activity: Activity, *, launches: bool) -> None:
    """Mark the activity as waiting for lifecycle hooks."""
    activity.status_code = WAITING_STATUS[launches]


def end(group: Any, state: Any, activity: Activity, *, launches: bool, failure: str = "") -> None:
    """End the activity and report it to EventBridge.

    `failure`: reason why the instance did not enter service; empty for a success.
    """
    activity.end_time = clock.now()
    activity.progress = 100
    activity.status_code = CANCELLED if failure else SUCCESSFUL
    activity.status_message = failure
    kind = bus.TERMINATE_SUCCESSFUL
    if launches:
        kind = bus.LAUNCH_UNSUCCESSFUL if failure else bus.LAUNCH_SUCCESSFUL
    bus.put(_event(group, state, activity, kind))


def cancel(activity: Activity, failure: str) -> None:
    """End the activity of a termination that was abandoned.

    Source: EC2 Auto Scaling User Guide, 'Manage retained instances'. AWS documents no event for it, so the
    simulation sends none.
    """
    activity.end_time = clock.now()
    activity.status_code, activity.status_message = CANCELLED, failure


def _event(group: Any, state: Any, activity: Activity, kind: str) -> bus.Event:
    launches = kind != bus.TERMINATE_SUCCESSFUL
    return bus.Event(
        source="aws.autoscaling",
        detail_type=kind,
        region=group.region,
        resources=(group.arn, bus.instance_arn(group.region, state.instance_id)),
        detail={
            "StatusCode": FAILED if kind == bus.LAUNCH_UNSUCCESSFUL else "InProgress",
            "Description": activity.description,
            "AutoScalingGroupName": group.name,
            "ActivityId": activity.activity_id,
            "Details": {
                "Availability Zone": state.availability_zone,
                "Subnet ID": state.instance.subnet_id,
            },
            "RequestId": activity.request_id,
            "StatusMessage": activity.status_message,
            "StartTime": clock.iso(activity.start_time.timestamp()),
            "EndTime": clock.iso((activity.end_time or activity.start_time).timestamp()),
            "EC2InstanceId": state.instance_id,
            "Cause": activity.cause,
            "Origin": "EC2" if launches else "AutoScalingGroup",
            "Destination": "AutoScalingGroup" if launches else "EC2",
        },
    )


def of_backend(backend: AutoScalingBackend) -> list[Activity]:
    """Activities of the region, the newest first."""
    activities: list[Activity] = backend.__dict__.setdefault("activities", [])
    return activities


def _describe_request(self: Any) -> Any:
    """AWS answers the newest first, deleted groups included; bare moto answers nothing."""
    wanted, group = self._get_param("ActivityIds", []), self._get_param("AutoScalingGroupName")
    found = [
        each
        for each in of_backend(self.autoscaling_backend)
        if (not group or each.auto_scaling_group_name == group) and (not wanted or each.activity_id in wanted)
    ]
    start = int(self._get_param("NextToken") or 0)
    end_ = start + (self._get_int_param("MaxRecords") or PAGE_SIZE)
    result: dict[str, Any] = {"Activities": found[start:end_]}
    return ActionResult(result | ({"NextToken": str(end_)} if end_ < len(found) else {}))
