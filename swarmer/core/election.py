"""Election of the registry's holder: the node whose Consul lock was confirmed recently. Pure.

FENCE_S + STOP_S < LOCK_DELAY_S keeps two holders from answering at the same time. All times are of the
monotonic clock. docs/adr/0004-registry-fencing.md has the reasons.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from swarmer.core.state import RegistryLock

SESSION_TTL_S: Final = 10
"""TTL of a candidate's session: the shortest that Consul grants. Gossip notices a dead node much sooner."""
LOCK_DELAY_S: Final = 1
"""Delay before Consul gives away the lock of an ended session. Consul's API takes whole seconds, from 1 s
on."""
CONFIRM_INTERVAL_S: Final = 0.25
"""Interval at which the holder has its lock confirmed."""
SESSION_INTERVAL_S: Final = 2.0
"""Interval at which the holder renews its session; reading the lock does not renew it."""
FENCE_S: Final = 0.75
"""Time after the last confirmed query for which the proxy passes answers. Later answers wait until the lock
is confirmed again."""
STOP_S: Final = 0.05
"""Time from the end of FENCE_S to the last byte: one write of the proxy."""
YIELD_GRACE_S: Final = 0.3
"""Grace period, after the lock's delay, in which a candidate beside Consul's leader leaves a free lock to
other candidates. A holder there would be lost together with that leader. The registry would then be missing
until Consul has elected another leader, some 2 s more."""
UNNAMED_TIMEOUT_S: Final = 3.0
"""Timeout for Consul to accept the holder's name; a full disk may prevent it. After it the holder leaves the
lease to another node."""
SILENCE_TIMEOUT_S: Final = 5.0
"""Timeout for a silent registry. After it the holder leaves the lease to another node. A busy machine takes
up to 3 s for an answer (measured)."""
CONFIRM_TIMEOUT_S: Final = 5.0
"""Timeout for a confirmation of the lock. After it the registry's process is ended, too."""


@dataclass(frozen=True, kw_only=True)
class CandidateState:
    """State of a candidate in one pass."""

    session: str | None
    """Session of this candidate that Consul confirmed last."""
    lock: RegistryLock | None
    """State of the lock as last read; None if it was never read."""
    confirmed_s: float
    """Seconds since the start of the last query that Consul confirmed."""
    serving: int | None
    """Number of the lease under which the registry's process runs; None if it does not run."""
    unnamed_s: float = 0.0
    """Seconds for which the candidate has served while Consul lacks its name; 0 if Consul has the name."""
    silent_s: float = 0.0
    """Seconds since the registry's process answered last; 0 if the last probe was answered."""
    is_leaving: bool = False
    """Whether the candidate was asked to hand over."""
    is_beside_leader: bool = False
    """Whether Consul's leader runs on this candidate's machine."""
    free_s: float = 0.0
    """Seconds for which the candidate has seen the lock free."""


@dataclass(frozen=True)
class Serve:
    """Start the registry under this lease."""

    number: int


@dataclass(frozen=True)
class Stop:
    """End the registry's process; `reason` is for the operator."""

    reason: str


@dataclass(frozen=True)
class Declare:
    """Declare the registry in Consul again."""


@dataclass(frozen=True)
class GiveUp:
    """Leave the lease to another node, which may work better; `reason` is for the operator."""

    reason: str


@dataclass(frozen=True)
class Acquire:
    """Try to get the lock."""


@dataclass(frozen=True)
class HandOver:
    """Finish open requests, then free the lock."""


@dataclass(frozen=True)
class Stay:
    """Take no step, because everything is in order."""


Action = Serve | Stop | Declare | GiveUp | Acquire | HandOver | Stay


def decide(state: CandidateState) -> Action:
    """Return the next step of one candidate."""
    lock = state.lock
    holds = lock is not None and lock.session is not None and lock.session == state.session
    if state.serving is not None:
        if not holds or lock is None or lock.number != state.serving:
            return Stop("the lease is another's")
        if state.confirmed_s >= CONFIRM_TIMEOUT_S:
            return Stop("Consul has not confirmed the lease")
        if state.is_leaving:
            return HandOver()
        if state.unnamed_s >= UNNAMED_TIMEOUT_S:
            return GiveUp("Consul does not take its name")
        if state.silent_s >= SILENCE_TIMEOUT_S:
            return GiveUp("the registry does not answer")
        return Declare() if state.unnamed_s else Stay()
    if state.session is None or state.confirmed_s >= FENCE_S:
        return Stay()
    if holds and lock is not None:
        return HandOver() if state.is_leaving else Serve(lock.number)
    if state.is_leaving or (lock is not None and lock.session is not None):
        return Stay()
    yields = state.is_beside_leader and state.free_s < LOCK_DELAY_S + YIELD_GRACE_S
    return Stay() if yields else Acquire()


def holder_value(name: str, address: str) -> str:
    """Return the value that the holder writes into the lock."""
    return json.dumps({"node": name, "address": address})


def holder_name(value: str) -> str:
    """Return the node's name in a holder's value; empty if the value has another format."""
    try:
        return str(json.loads(value)["node"])
    except (ValueError, KeyError, TypeError):
        return ""


def holder_address(value: str) -> str:
    """Return the address in a holder's value; empty if the value has another format."""
    try:
        return str(json.loads(value)["address"])
    except (ValueError, KeyError, TypeError):
        return ""


def registry_lock(value: str, *, session: str | None, number: int, index: int) -> RegistryLock:
    """The lock from its key in Consul: value, session of the holder, LockIndex and ModifyIndex."""
    return RegistryLock(
        session=session,
        number=number,
        holder=holder_name(value) if session else "",
        address=holder_address(value) if session else "",
        index=index,
    )
