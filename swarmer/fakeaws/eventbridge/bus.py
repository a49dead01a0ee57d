"""Events that AWS's services send to EventBridge, in the format of their references.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-event-reference.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instance-state-changes.html
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any, Final

from moto.events import events_backends

from swarmer.fakeaws.base import clock, faults, journal
from swarmer.fakeaws.base.preload import ACCOUNT

log: Final = logging.getLogger("swarmer.fakeaws")

STATE_CHANGE: Final = "EC2 Instance State-change Notification"
LAUNCH_ACTION: Final = "EC2 Instance-launch Lifecycle Action"
TERMINATE_ACTION: Final = "EC2 Instance-terminate Lifecycle Action"
LAUNCH_SUCCESSFUL: Final = "EC2 Instance Launch Successful"
LAUNCH_UNSUCCESSFUL: Final = "EC2 Instance Launch Unsuccessful"
TERMINATE_SUCCESSFUL: Final = "EC2 Instance Terminate Successful"


@dataclass(frozen=True, kw_only=True)
class Event:
    """Event on the default bus of its region."""

    source: str
    detail_type: str
    detail: dict[str, Any]
    region: str
    resources: tuple[str, ...] = ()


_delayed: Final[list[tuple[float, Event]]] = []
"""Delayed events, each with the time of its delivery."""


def put(event: Event) -> None:
    """Send the event to the default bus. Failures of targets are logged and hidden from the sender."""
    journal.record_event(event.source, event.detail_type, event.detail)
    delays_s = faults.active.delivery_delays_s(event.detail_type)
    if delays_s != (0.0,):
        became = f"delivered after {delays_s}" if delays_s else "lost"
        detail = {**event.detail, "event": event.detail_type, "fault": became}
        journal.record_call("events", "Fault", detail)
    for delay_s in delays_s:
        if delay_s:
            _delayed.append((clock.now_s() + delay_s, event))
        else:
            _deliver(event)


def tick() -> None:
    """Deliver the delayed events that are due."""
    now_s = clock.now_s()
    due = [entry for entry in _delayed if entry[0] <= now_s]
    for entry in due:
        _delayed.remove(entry)
        _deliver(entry[1])


def _deliver(event: Event) -> None:
    entry = {
        "Source": event.source,
        "DetailType": event.detail_type,
        "Detail": json.dumps(event.detail),
        "Resources": list(event.resources),
        "Time": clock.now_s(),
    }
    try:
        events_backends[ACCOUNT][event.region].put_events([entry])
    except Exception:
        log.exception("%s could not be delivered", event.detail_type)


def instance_arn(region: str, instance_id: str) -> str:
    """ARN of an instance."""
    return f"arn:aws:ec2:{region}:{ACCOUNT}:instance/{instance_id}"


def state_changed(region: str, instance_id: str, state: str) -> Event:
    """Event of EC2 for a new state of an instance."""
    return Event(
        source="aws.ec2",
        detail_type=STATE_CHANGE,
        region=region,
        resources=(instance_arn(region, instance_id),),
        detail={"instance-id": instance_id, "state": state},
    )


def lifecycle_action(
    *,
    region: str,
    group: str,
    arn: str,
    hook: str,
    token: str,
    instance_id: str,
    transition: str,
    metadata: str,
) -> Event:
    """Event of Auto Scaling for an instance that waits for a hook."""
    launches = transition.endswith("LAUNCHING")
    detail = {
        "LifecycleActionToken": token,
        "AutoScalingGroupName": group,
        "LifecycleHookName": hook,
        "EC2InstanceId": instance_id,
        "LifecycleTransition": transition,
        "Origin": "EC2" if launches else "AutoScalingGroup",
        "Destination": "AutoScalingGroup" if launches else "EC2",
    }
    return Event(
        source="aws.autoscaling",
        detail_type=LAUNCH_ACTION if launches else TERMINATE_ACTION,
        region=region,
        resources=(arn,),
        detail=detail | ({"NotificationMetadata": metadata} if metadata else {}),
    )
