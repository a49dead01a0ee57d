"""Who serves the registry: the holder of a Consul lock, for as long as Consul has confirmed it lately. Pure.

The holder has its lock confirmed every RENEW_S, by Consul's leader and a majority of the servers. Its gate
(node/gate.py) lets an answer out only within FENCE_S of the moment at which the last confirmed question was
asked, by the monotonic clock. Consul gives the
lock of a session that ended to nobody for LOCK_DELAY_S. So FENCE_S + STOP_S < LOCK_DELAY_S keeps two holders
from ever answering at once, whatever stands still in between: agent, registry, node or network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

SESSION_TTL_S: Final = 10
"""The shortest session that Consul grants; a dead node is noticed by gossip long before."""
LOCK_DELAY_S: Final = 1
"""The shortest that Consul's API takes in whole seconds."""
RENEW_S: Final = 0.25
SESSION_INTERVAL_S: Final = 2.0
"""So often the holder renews its session, which its reading of the lock does not."""
FENCE_S: Final = 0.75
"""Without a confirmation for so long the gate keeps answers back; they go out once it is confirmed again."""
STOP_S: Final = 0.05
"""From the deadline to the last byte: one write of the gate."""
YIELD_GRACE_S: Final = 0.3
"""So much longer than its delay a candidate beside Consul's leader leaves a free lock to others. A holder
there is lost together with that leader, and missed until Consul has elected another one: some 2 s more."""
UNNAMED_TIMEOUT_S: Final = 3.0
"""A holder whose name Consul does not take for so long (a full disk) leaves the lease to another node."""
CONFIRM_TIMEOUT_S: Final = 5.0
"""Without a confirmation for so long the registry's process is ended too."""


@dataclass(frozen=True, kw_only=True)
class Lock:
    """The lock as Consul shows it."""

    session: str | None
    """Of the holder; None: free."""
    number: int
    """Consul's LockIndex: grows by one with each holder. It is the number of the lease."""
    holder: str = ""
    """Address of the holder."""
    index: int = 0
    """Consul's index of this state: the higher of two is the newer."""


@dataclass(frozen=True, kw_only=True)
class Tenure:
    """What a candidate knows in one pass."""

    session: str | None
    """Its own, that Consul confirmed last."""
    lock: Lock | None
    """As last read; None where it never was."""
    confirmed_s: float
    """Seconds since the question was asked that Consul last confirmed."""
    serves: int | None
    """Number of the lease under which the registry's process runs; None: it does not."""
    unnamed_s: float = 0.0
    """For so long it has served while Consul does not know its name; 0: it does."""
    leaves: bool = False
    """It was asked to hand over."""
    beside_leader: bool = False
    """Its machine's Consul leads the others."""
    free_s: float = 0.0
    """For so long it has seen that nobody holds the lock."""


@dataclass(frozen=True)
class Serve:
    """Start the registry under this lease."""

    number: int


@dataclass(frozen=True)
class Stop:
    """End the registry's process; `reason` is for people."""

    reason: str


@dataclass(frozen=True)
class Declare:
    """Tell Consul once more that the registry is here."""


@dataclass(frozen=True)
class GiveUp:
    """Leave the lease to a node that can do better; `reason` is for people."""

    reason: str


@dataclass(frozen=True)
class Acquire:
    """Try for the lock."""


@dataclass(frozen=True)
class HandOver:
    """Finish what is under way, then free the lock."""


@dataclass(frozen=True)
class Stay:
    """All is as it should be."""


Action = Serve | Stop | Declare | GiveUp | Acquire | HandOver | Stay


def decide(tenure: Tenure) -> Action:
    """The next step of one candidate."""
    lock = tenure.lock
    holds = lock is not None and lock.session is not None and lock.session == tenure.session
    if tenure.serves is not None:
        if not holds or lock is None or lock.number != tenure.serves:
            return Stop("the lease is another's")
        if tenure.confirmed_s >= CONFIRM_TIMEOUT_S:
            return Stop("Consul has not confirmed the lease")
        if tenure.leaves:
            return HandOver()
        if tenure.unnamed_s >= UNNAMED_TIMEOUT_S:
            return GiveUp("Consul does not take its name")
        return Declare() if tenure.unnamed_s else Stay()
    if tenure.session is None or tenure.confirmed_s >= FENCE_S:
        return Stay()
    if holds and lock is not None:
        return HandOver() if tenure.leaves else Serve(lock.number)
    if tenure.leaves or (lock is not None and lock.session is not None):
        return Stay()
    yields = tenure.beside_leader and tenure.free_s < LOCK_DELAY_S + YIELD_GRACE_S
    return Stay() if yields else Acquire()


def holder_value(name: str, address: str) -> str:
    """What the holder writes into the lock."""
    return json.dumps({"node": name, "address": address})


def holder_name(value: str) -> str:
    """The node in what a holder wrote; empty where it is none of ours."""
    try:
        return str(json.loads(value)["node"])
    except (ValueError, KeyError, TypeError):
        return ""


def holder_address(value: str) -> str:
    """The address in what a holder wrote; empty where it is none of ours."""
    try:
        return str(json.loads(value)["address"])
    except (ValueError, KeyError, TypeError):
        return ""
