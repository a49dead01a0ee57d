"""History of AWS on this machine, readable by the operator."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any, Final

from swarmer.core.errors import UserError

PATH: Final = "/swarmer/events"
POLL_TIMEOUT_S: Final = 20.0
"""Timeout for a request that waits for new entries, in seconds."""
RUNTIME_LINES: Final = ("START RequestId", "END RequestId", "REPORT RequestId")
"""Beginnings of the lines that the runtime writes for every invocation."""
SUBJECTS: Final = (
    "EC2InstanceId",
    "instance-id",
    "InstanceId",
    "AutoScalingGroupName",
    "function",
    "queue",
    "rule",
)
"""Keys of a detail, the most informative first."""
FACTS: Final = (
    "state",
    "LifecycleHookName",
    "LifecycleActionResult",
    "StatusMessage",
    "HealthStatus",
    "DesiredCapacity",
    "error",
    "failed",
    "of",
    "received",
    "target",
)
LOG_KEYS: Final = frozenset(
    {"timestamp", "level", "location", "message", "service", "cold_start", "xray_trace_id"}
    | {"function_name", "function_memory_size", "function_arn", "function_request_id", "sampling_rate"}
)
"""Keys of a structured log line that powertools writes into each of them."""


def fetch(url: str, *, after: int, wait_s: float = 0) -> list[dict[str, Any]]:
    """Fetch entries with greater numbers; wait up to `wait_s` seconds for one. Raises UserError."""
    try:
        with urllib.request.urlopen(
            f"{url}{PATH}?after={after}&wait={wait_s}", timeout=wait_s + 10
        ) as answer:
            found: list[dict[str, Any]] = json.load(answer)
    except (OSError, ValueError) as exc:
        raise UserError(f"AWS on this machine does not answer: {exc}", status=1) from exc
    return found


def is_informative(entry: dict[str, Any]) -> bool:
    """Whether the entry is informative: no line that every invocation writes, and no embedded metrics."""
    if entry["kind"] == "call" and entry["what"] == "Invoke":
        return False
    return entry["kind"] != "log" or not (
        entry["what"].startswith(RUNTIME_LINES) or '"CloudWatchMetrics"' in entry["what"]
    )


def row(entry: dict[str, Any]) -> str:
    """Line with the time, the source, and the facts of an entry."""
    moment = time.strftime("%H:%M:%S", time.localtime(entry["time"])) + f".{int(entry['time'] % 1 * 10)}"
    if entry["kind"] == "log":
        return f"{moment}  {entry['source']:<27}  {log_line(entry['what'])}"
    detail = entry["detail"]
    subject = next((str(detail[key]) for key in SUBJECTS if key in detail), entry["source"])
    facts = [f"{detail[key]}" for key in FACTS if detail.get(key) not in (None, "")]
    group = detail.get("AutoScalingGroupName", "")
    what = f"{entry['what']}{f' ({group})' if group and group != subject else ''}"
    return f"{moment}  {subject:<27}  {what}{': ' if facts else ''}{', '.join(facts)}"


def log_line(line: str) -> str:
    """Structured log line as its level, message and additional fields."""
    try:
        text = json.loads(line)
        level, message = text["level"], text["message"]
    except (ValueError, KeyError, TypeError):
        return line
    added = " ".join(f"{key}={value}" for key, value in text.items() if key not in LOG_KEYS)
    return f"{level} {message}{f' ({added})' if added else ''}"
