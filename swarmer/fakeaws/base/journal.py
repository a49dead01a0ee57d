"""The journal: events, calls and log lines of functions, in order. `swarmer events` reads it."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from typing import Any, Final

from swarmer.fakeaws.base import clock

MAX_ENTRIES: Final = 20_000
"""Number of entries that the journal keeps; the oldest are dropped."""

_entries: deque[dict[str, Any]] = deque(maxlen=MAX_ENTRIES)
_numbers = itertools.count(1)
_changed = threading.Condition()


def record_event(source: str, kind: str, detail: dict[str, Any]) -> None:
    """Record an event on the bus."""
    _append({"kind": "event", "source": source, "what": kind, "detail": detail})


def record_call(source: str, what: str, detail: dict[str, Any]) -> None:
    """Record a call of an AWS API, or its failure."""
    _append({"kind": "call", "source": source, "what": what, "detail": detail})


def record_log(function: str, line: str, request_id: str) -> None:
    """Record a log line of a function or of its runtime."""
    _append({"kind": "log", "source": function, "what": line, "detail": {"request_id": request_id}})


def entries(after: int = 0) -> list[dict[str, Any]]:
    """Entries with a greater number than `after`: `{number, time, kind, source, what, detail}`."""
    with _changed:
        return [each for each in _entries if each["number"] > after]


def clear() -> None:
    """Remove all entries. The numbers continue."""
    with _changed:
        _entries.clear()


def _append(entry: dict[str, Any]) -> None:
    with _changed:
        _entries.append({"number": next(_numbers), "time": clock.now_s(), **entry})
        _changed.notify_all()


def wait(after: int, timeout_s: float) -> list[dict[str, Any]]:
    """Wait for entries after `after` and return them; empty after `timeout_s` seconds."""
    with _changed:
        _changed.wait_for(lambda: bool(_entries) and _entries[-1]["number"] > after, timeout=timeout_s)
    return entries(after)
