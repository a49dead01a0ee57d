"""Backstop of the registry, behind the managers' own election.

If the holder does not serve, the function ends its session, and that frees the lock. Because of Consul's
lock-delay the next holder starts only after the old holder's fence has shut (swarmer/core/election.py). A
free lock needs no step: the managers take it, or no manager exists.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from swarmer.core.state import RegistryLock

SUSPECT_GRACE_S: Final = 15.0
"""Grace period for a suspected holder. It exceeds the time for its start (10 s), and for noticing a silent
registry (3 s)."""


@dataclass(frozen=True, kw_only=True)
class Suspicion:
    """Lease with a holder that did not serve when it was observed."""

    number: int
    since_s: float
    """Time of the first such observation in seconds since the epoch."""

    def to_json(self) -> str:
        return json.dumps({"lease": self.number, "since": self.since_s})

    @classmethod
    def from_json(cls, text: str) -> Suspicion | None:
        """Parse the record; None if the text is none."""
        try:
            raw = json.loads(text)
            return cls(number=int(raw["lease"]), since_s=float(raw["since"]))
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True, kw_only=True)
class Scene:
    """State of the registry as Consul reports it."""

    has_leader: bool
    lease: RegistryLock | None = None
    """Lock of the registry; None if it never had a holder."""
    serving: frozenset[str] = frozenset()
    """Nodes on which its service is declared and passes its check."""
    suspicion: Suspicion | None = None
    now_s: float


@dataclass(frozen=True)
class Healthy:
    """Take no step, because the holder serves; `clear` withdraws a suspicion."""

    clear: bool = False


@dataclass(frozen=True)
class Suspect:
    """Record the suspicion, and observe again soon."""

    lease: int


@dataclass(frozen=True)
class Wait:
    """Observe again soon; `reason` is for the operator."""

    reason: str


@dataclass(frozen=True)
class Depose:
    """End the holder's session."""

    holder: str
    lease: int
    session: str


@dataclass(frozen=True)
class Powerless:
    """Take no step: there is no registry, and the lock is free already."""

    reason: str


Action = Healthy | Suspect | Wait | Depose | Powerless


def decide(scene: Scene) -> Action:
    """Return the next step."""
    lease, suspicion = scene.lease, scene.suspicion
    if not scene.has_leader:
        return Powerless("Consul has no leader: no manager can hold the registry's lock")
    if lease is None or lease.session is None:
        return Powerless("no manager holds the registry's lock")
    if lease.holder in scene.serving:
        return Healthy(clear=suspicion is not None)
    if suspicion is None or suspicion.number != lease.number:
        return Suspect(lease.number)
    if scene.now_s - suspicion.since_s < SUSPECT_GRACE_S:
        return Wait(f"{lease.holder} to serve under lease {lease.number}")
    return Depose(lease.holder, lease.number, lease.session)
