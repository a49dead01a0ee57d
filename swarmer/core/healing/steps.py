"""Steps of a removal, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from swarmer.core.healing.world import STOP
from swarmer.core.state import SwarmNode


@dataclass(frozen=True)
class WriteMarker:
    """Write the marker of the removal with this phase, for the node itself and all others."""

    phase: str


@dataclass(frozen=True)
class Drain:
    """Drain the node, so that its tasks run elsewhere."""

    row: SwarmNode


@dataclass(frozen=True)
class HandOver:
    """Request that the node finishes open requests and gives up the registry's lease."""

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
    """Delete the records about the node; also its `marker`, if its machine is gone."""

    marker: bool


@dataclass(frozen=True)
class Wait:
    """Wait, hold the hook, and observe again later."""

    reason: str
    at_risk: bool = False
    """Whether a quorum is lost, or this removal would lose it."""


@dataclass(frozen=True)
class Finish:
    """Answer CONTINUE if a hook is open."""

    reason: str
    at_risk: bool = False


@dataclass(frozen=True)
class Keep:
    """Answer ABANDON: Auto Scaling keeps the running instance, and the sweep ends it later, when that is
    safe."""

    reason: str
    at_risk: ClassVar[bool] = True
    """Whether a quorum is lost, or would be: the only reason to keep an instance."""


Step = (
    WriteMarker | Drain | HandOver | Demote | RemoveFromSwarm | RemovePeer | ForceLeave | Deregister | Forget
)
Outcome = Wait | Finish | Keep
"""Type of the actions that end a run."""
Action = Step | Outcome
VOTING: Final = (Demote, RemovePeer)
"""Steps that change the voting members, taken under the lock after a new observation. `WriteMarker(STOP)`
is one, too."""


def changes_votes(action: Action) -> bool:
    """Whether two such steps at the same time could cost a quorum, although each alone would not."""
    return isinstance(action, VOTING) or action == WriteMarker(STOP)
