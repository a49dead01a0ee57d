"""Events of a cluster: events of AWS, and log lines of its functions. Pure."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

RUNTIME_LINES: Final = ("START RequestId", "END RequestId", "REPORT RequestId", "INIT_START Runtime")
"""Beginnings of the lines that the runtime writes for every invocation."""
METRICS: Final = '"CloudWatchMetrics"'
"""Part of every line in embedded metric format."""
SUBJECTS: Final = ("EC2InstanceId", "instance-id", "InstanceId", "AutoScalingGroupName")
"""Keys of a detail with the subject of the event, the most informative first."""
FACTS: Final = (
    "state",
    "LifecycleTransition",
    "LifecycleHookName",
    "instance-action",
    "StatusMessage",
    "HealthStatus",
    "Cause",
)
"""Keys of a detail that a line shows, in this order."""
LOG_KEYS: Final = frozenset(
    {"timestamp", "level", "location", "message", "service", "cold_start", "xray_trace_id"}
    | {"function_name", "function_memory_size", "function_arn", "function_request_id", "sampling_rate"}
)
"""Keys that powertools writes into each structured log line."""


@dataclass(frozen=True, kw_only=True)
class ClusterEvent:
    """One entry of a log group of the cluster."""

    id: str
    """ID that CloudWatch Logs gave the entry."""
    time_ms: int
    """Milliseconds since 1970."""
    source: str
    """Service that sent the event, or the function that wrote the line."""
    what: str
    """Type of the event, or the log line."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Detail of the event; empty for a log line."""
    is_log: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the value that `swarmer events --json` prints."""
        return {
            "id": self.id,
            "time": self.time_ms / 1000,
            "kind": "log" if self.is_log else "event",
            "source": self.source,
            "what": self.what,
            "detail": dict(self.detail),
        }


def of_bus(event_id: str, time_ms: int, message: str) -> ClusterEvent:
    """Event that EventBridge wrote to a log group; a message that is no event counts as a log line."""
    try:
        raw = json.loads(message)
        source, what, detail = str(raw["source"]), str(raw["detail-type"]), dict(raw["detail"])
    except (ValueError, KeyError, TypeError):
        return of_function(event_id, time_ms, "events", message)
    return ClusterEvent(id=event_id, time_ms=time_ms, source=source, what=what, detail=detail)


def of_function(event_id: str, time_ms: int, function: str, message: str) -> ClusterEvent:
    """Log line of a function."""
    return ClusterEvent(id=event_id, time_ms=time_ms, source=function, what=message.rstrip("\n"), is_log=True)


def is_informative(event: ClusterEvent) -> bool:
    """Whether a reader needs it: lines of every invocation and embedded metrics are left out."""
    return not (event.is_log and (event.what.startswith(RUNTIME_LINES) or METRICS in event.what))


def row(event: ClusterEvent) -> str:
    """Line with the local time, the source or subject, and the facts."""
    moment = time.strftime("%H:%M:%S", time.localtime(event.time_ms // 1000))
    moment += f".{event.time_ms % 1000 // 100}"
    if event.is_log:
        return f"{moment}  {event.source:<27}  {log_line(event.what)}"
    subject = next((str(event.detail[key]) for key in SUBJECTS if key in event.detail), event.source)
    facts = ", ".join(str(event.detail[key]) for key in FACTS if event.detail.get(key) not in (None, ""))
    group = str(event.detail.get("AutoScalingGroupName", ""))
    what = f"{event.what} ({group})" if group and group != subject else event.what
    return f"{moment}  {subject:<27}  {what}{': ' if facts else ''}{facts}"


def log_line(line: str) -> str:
    """Structured log line as its level, message and additional fields; any other line as it is."""
    try:
        text = json.loads(line)
        level, message = text["level"], text["message"]
    except (ValueError, KeyError, TypeError):
        return line
    added = " ".join(f"{key}={value}" for key, value in text.items() if key not in LOG_KEYS)
    return f"{level} {message}{f' ({added})' if added else ''}"
