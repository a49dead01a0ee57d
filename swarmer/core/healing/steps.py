"""The steps by which a node leaves, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from swarmer.core.healing.world import STOP, Row


@dataclass(frozen=True)
class Tell:
    """Note for the node and for everyone: it leaves, in this phase."""

    phase: str


@dataclass(frozen=True)
class Drain:
    """No task may stay on it."""

    row: Row


@dataclass(frozen=True)
class HandOver:
    """Have it finish what is under way and give the registry's lease up."""

    lease: int


@dataclass(frozen=True)
class Demote:
    """Out of Swarm's quorum."""

    row: Row


@dataclass(frozen=True)
class RemoveFromSwarm:
    """Out of the Swarm."""

    row: Row


@dataclass(frozen=True)
class RemovePeer:
    """Out of Consul's quorum."""

    address: str


@dataclass(frozen=True)
class ForceLeave:
    """Out of Consul's members."""


@dataclass(frozen=True)
class Deregister:
    """Out of Consul's catalogue, with every service and check."""


@dataclass(frozen=True)
class Forget:
    """Out of our own notes; `mark` too where nobody can read it any more."""

    mark: bool


@dataclass(frozen=True)
class Wait:
    """Look again later, and hold the hook."""

    reason: str
    at_risk: bool = False
    """A quorum is lost, or would be."""


@dataclass(frozen=True)
class Finish:
    """Answer CONTINUE where anybody waits for it."""

    reason: str
    at_risk: bool = False


Step = Tell | Drain | HandOver | Demote | RemoveFromSwarm | RemovePeer | ForceLeave | Deregister | Forget
Action = Step | Wait | Finish
VOTING: Final = (Demote, RemovePeer)
"""Steps that change who votes: taken under the lock, after a fresh look. So is `Tell(STOP)`."""


def changes_votes(action: Action) -> bool:
    """Whether two of its kind at once could cost a quorum that each alone would not."""
    return isinstance(action, VOTING) or action == Tell(STOP)
