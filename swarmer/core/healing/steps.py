"""Steps of a removal, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from swarmer.core.healing.world import STOP
from swarmer.core.state import SwarmNode


@dataclass(frozen=True)
class WriteMarker:
    """Note for the node and all others that it leaves, in this phase."""

    phase: str


@dataclass(frozen=True)
class Drain:
    """Drain the node, so that no task stays on it."""

    row: SwarmNode


@dataclass(frozen=True)
class HandOver:
    """Have the node finish requests under way and give up the registry's lease."""

    lease: int


@dataclass(frozen=True)
class Demote:
    """Remove the node from Swarm's quorum."""

    row: SwarmNode


@dataclass(frozen=True)
class RemoveFromSwarm:
    """Remove the node from the Swarm."""

    row: SwarmNode


@dataclass(frozen=True)
class RemovePeer:
    """Remove the node from Consul's quorum."""

    address: str


@dataclass(frozen=True)
class ForceLeave:
    """Remove the node from Consul's members."""


@dataclass(frozen=True)
class Deregister:
    """Remove the node from Consul's catalogue, with every service and check."""


@dataclass(frozen=True)
class Forget:
    """Delete the records about the node, and its `marker` too if no node can read it any more."""

    marker: bool


@dataclass(frozen=True)
class Wait:
    """Look again later, and hold the hook."""

    reason: str
    at_risk: bool = False
    """Whether a quorum is lost, or would be."""


@dataclass(frozen=True)
class Finish:
    """Answer CONTINUE if a hook waits for it."""

    reason: str
    at_risk: bool = False


@dataclass(frozen=True)
class Keep:
    """Answer ABANDON: Auto Scaling keeps the running instance, and the sweep ends it when that is safe."""

    reason: str
    at_risk: ClassVar[bool] = True
    """Whether a quorum is lost, or would be: there is no other reason to keep an instance."""


Step = (
    WriteMarker | Drain | HandOver | Demote | RemoveFromSwarm | RemovePeer | ForceLeave | Deregister | Forget
)
Outcome = Wait | Finish | Keep
"""Type of the actions that end a look."""
Action = Step | Outcome
VOTING: Final = (Demote, RemovePeer)
"""Steps that change the voting members: taken under the lock, after a fresh look. `WriteMarker(STOP)` is one,
too."""


def changes_votes(action: Action) -> bool:
    """Whether two such steps at once could cost a quorum that each alone would not."""
    return isinstance(action, VOTING) or action == WriteMarker(STOP)
