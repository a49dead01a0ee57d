"""Clock of the simulated AWS. A test advances it instead of waiting."""

from __future__ import annotations

import time
from datetime import UTC, datetime

_offset_s = 0.0


def now_s() -> float:
    """The current time in seconds since the epoch."""
    return time.time() + _offset_s


def advance(seconds: float) -> None:
    """Advance the clock by `seconds` at once."""
    global _offset_s
    _offset_s += seconds


def reset() -> None:
    """Reset the clock to the machine's own."""
    global _offset_s
    _offset_s = 0.0


def now() -> datetime:
    """The current time as a UTC datetime, the form of moto's answers."""
    return datetime.fromtimestamp(now_s(), UTC)


def iso(moment_s: float) -> str:
    """The time in the format of AWS's events, for example `2026-01-31T12:00:00Z`."""
    return datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
