"""Events of AWS, parsed strictly: an unknown or invalid event raises `Malformed`.

Formats: EC2 Auto Scaling User Guide, "Amazon EC2 Auto Scaling event reference"; EC2 User Guide, "State change
events for your instances"; EventBridge User Guide, "Events from AWS services".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

LAUNCH: Final = "EC2 Instance-launch Lifecycle Action"
TERMINATE: Final = "EC2 Instance-terminate Lifecycle Action"
STATE_CHANGE: Final = "EC2 Instance State-change Notification"
"""Detail type of a change of an instance's state."""
RESULTS: Final = (
    # "Launch Successful" is left out, because no removal waits for an admitted node.
    "EC2 Instance Launch Unsuccessful",
    "EC2 Instance Terminate Successful",
    "EC2 Instance Terminate Unsuccessful",
)
"""Detail types of finished launches and terminations."""
SCHEDULED: Final = "Scheduled Event"

AUTO_SCALING: Final = "aws.autoscaling"
EC2: Final = "aws.ec2"
EVENTS: Final = "aws.events"

INSTANCE_ID: Final = re.compile(r"i-[0-9a-f]{8,17}")
"""Pattern of an instance ID."""


class Malformed(Exception):
    """The text is no event of a known kind; the message has the reason."""


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """Open lifecycle hook of an instance."""

    launches: bool
    """Whether the instance is launched; otherwise it is to be terminated."""
    asg: str
    hook: str
    instance_id: str
    at_s: float
    """Time of the event in seconds since the epoch."""


@dataclass(frozen=True, kw_only=True)
class Changed:
    """Change of an instance."""

    asg: str
    """Name of its Auto Scaling group; empty if the event lacks it."""
    instance_id: str
    """ID of the instance; empty if the event lacks it."""
    what: str
    at_s: float


@dataclass(frozen=True, kw_only=True)
class Tick:
    """Event of a schedule."""

    at_s: float


Event = Lifecycle | Changed | Tick


def parse(body: str) -> Event:
    """Return the event in a message's body. Raises Malformed."""
    try:
        raw = json.loads(body)
    except ValueError as exc:
        raise Malformed(f"no JSON: {exc}") from exc
    if not isinstance(raw, dict):
        raise Malformed("no JSON object")
    source, kind = _text(raw, "source"), _text(raw, "detail-type")
    at_s = _time(_text(raw, "time"))
    if (source, kind) == (EVENTS, SCHEDULED):
        return Tick(at_s=at_s)
    detail = raw.get("detail")
    if not isinstance(detail, dict):
        raise Malformed("it has no detail")
    if source == AUTO_SCALING and kind in (LAUNCH, TERMINATE):
        return _lifecycle(kind, detail, at_s)
    if source == AUTO_SCALING and kind in RESULTS:
        # An unsuccessful launch may lack an instance.
        instance_id = _instance_id(detail, "EC2InstanceId") if detail.get("EC2InstanceId") else ""
        return Changed(
            asg=_text(detail, "AutoScalingGroupName"), instance_id=instance_id, what=kind, at_s=at_s
        )
    if source == EC2 and kind == STATE_CHANGE:
        instance_id = _instance_id(detail, "instance-id")
        return Changed(asg="", instance_id=instance_id, what=_text(detail, "state"), at_s=at_s)
    raise Malformed(f"an unexpected event: {source}, {kind}")


def lifecycle(body: str, *, launches: bool) -> Lifecycle:
    """Return the lifecycle event in a body. Raises Malformed, also for an event of another kind."""
    event = parse(body)
    if not isinstance(event, Lifecycle) or event.launches is not launches:
        raise Malformed(f"no {LAUNCH if launches else TERMINATE}")
    return event


def _lifecycle(kind: str, detail: Mapping[str, Any], at_s: float) -> Lifecycle:
    transition = _text(detail, "LifecycleTransition")
    direction = "LAUNCHING" if kind == LAUNCH else "TERMINATING"
    if transition != f"autoscaling:EC2_INSTANCE_{direction}":
        raise Malformed(f"{kind} with the transition {transition}")
    return Lifecycle(
        launches=kind == LAUNCH,
        asg=_text(detail, "AutoScalingGroupName"),
        hook=_text(detail, "LifecycleHookName"),
        instance_id=_instance_id(detail, "EC2InstanceId"),
        at_s=at_s,
    )


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or not value:
        raise Malformed(f"{key} is {value!r}")
    return value


def _instance_id(raw: Mapping[str, Any], key: str) -> str:
    value = _text(raw, key)
    if not INSTANCE_ID.fullmatch(value):
        raise Malformed(f"{key} is {value!r}, no instance id")
    return value


def _time(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as exc:
        raise Malformed(f"time is {text!r}") from exc
    if found.tzinfo is None:
        raise Malformed(f"time is {text!r}, without a zone")
    return found.timestamp()
