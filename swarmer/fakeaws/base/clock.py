"""The time that this AWS goes by. A test moves it on; nothing waits for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

_offset_s = 0.0


def now_s() -> float:
    """Seconds since the epoch."""
    return time.time() + _offset_s


def advance(seconds: float) -> None:
    """Let so much time pass at once."""
    global _offset_s
    _offset_s += seconds


def reset() -> None:
    """Back to the machine's own."""
    global _offset_s
    _offset_s = 0.0


def now() -> datetime:
    """Now, as moto's answers take it."""
    return datetime.fromtimestamp(now_s(), UTC)


def iso(moment_s: float) -> str:
    """As AWS's events write it."""
    return datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
