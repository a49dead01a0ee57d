"""Who serves the registry: one holder of a Consul lock, that stops by its own clock. Pure.

The holder has its lease confirmed every RENEW_S. Where that has failed for FENCE_S it stops, within
STOP_S, and so before Consul gives the lock to another: FENCE_S + STOP_S < LOCK_DELAY_S.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TTL_S: Final = 10
"""The shortest session that Consul grants; a dead node is noticed by gossip long before."""
RENEW_S: Final = 0.5
FENCE_S: Final = 2.0
"""Without a confirmation for so long, on the monotonic clock, the holder stops."""
STOP_S: Final = 0.5
"""SIGKILL follows SIGTERM after so long."""
LOCK_DELAY_S: Final = 3
"""For so long after a session ended by no will of its own Consul gives the lock to nobody."""


@dataclass(frozen=True, kw_only=True)
class Tenure:
    """What the election saw in one pass."""

    holds: bool
    """Consul's lock carries this node's session, as last read."""
    renewed_s: float
    """Seconds since Consul last confirmed the session, on the monotonic clock."""
    serving: bool
    """The registry's process runs."""
    free: bool
    """Nobody holds the lock."""


@dataclass(frozen=True)
class Serve:
    """Start the registry, declare it."""


@dataclass(frozen=True)
class Stop:
    """End the registry at once; `reason` is for people."""

    reason: str


@dataclass(frozen=True)
class Acquire:
    """Try for the lock."""


@dataclass(frozen=True)
class Stay:
    """All is as it should be."""


Action = Serve | Stop | Acquire | Stay


def decide(tenure: Tenure) -> Action:
    """The next step of one eligible node."""
    if tenure.holds and tenure.renewed_s >= FENCE_S:
        return Stop("Consul has not confirmed the lease in time") if tenure.serving else Stay()
    if tenure.holds:
        return Stay() if tenure.serving else Serve()
    if tenure.serving:
        return Stop("the lease is lost")
    return Acquire() if tenure.free else Stay()
