"""How a node becomes part of its cluster: one decision per pass, from what is seen now.

Gather (node/agent.py) → decide (here) → act (node/agent.py, node/founding.py). Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from swarmer.core import names
from swarmer.core.node import SWARM_MANAGER, NodeDescription


@dataclass(frozen=True, kw_only=True)
class World:
    """What the agent saw in one pass."""

    has_leader: bool
    """Consul answers here and knows a leader."""
    members: int
    """Members that Consul sees alive, this one included; 0 where Consul does not answer."""
    swarm_state: str | None
    """dockerd's `Swarm.LocalNodeState`; None where dockerd does not answer."""
    is_manager: bool = False
    """This node controls its Swarm: a manager, and the managers have quorum."""
    swarm_error: str = ""
    joins: bool = False
    """It has asked to join, and was in no Swarm since."""
    swarm_id: str = ""
    """Of the Swarm that this node manages; empty where it manages none."""
    known: tuple[str, ...] = ()
    """Ids under which the ground and Consul know the cluster's Swarm."""
    is_founded: bool = False
    """The ground says that this cluster has had a Swarm."""
    published: bool = False
    """Consul knows the Swarm's id and both tokens."""
    token: str | None = None
    """The token to join with in this node's role."""
    managers: tuple[str, ...] = ()
    """Addresses of healthy managers, this one left out."""
    leaves: str = ""
    """What a function that sees this node out told it: `names.LEAVING_…`; empty: it stays."""

    @property
    def other_swarm(self) -> str:
        """The cluster's Swarm as it is known, where this node manages another one; else empty."""
        return next((each for each in self.known if self.swarm_id and each != self.swarm_id), "")


@dataclass(frozen=True)
class FindPeers:
    """Look for the cluster's machines and join their Consul."""

    reason: str


@dataclass(frozen=True)
class Wait:
    """Nothing to do now; `reason` is for people."""

    reason: str
    for_people: bool = False
    """They are to correct what the ground or Consul remembers: it is asked anew now and then."""


@dataclass(frozen=True)
class FoundSwarm:
    """Under the lock, and only if still nobody has: make the Swarm."""


@dataclass(frozen=True)
class JoinSwarm:
    """Join through any of these managers."""

    managers: tuple[str, ...]
    token: str


@dataclass(frozen=True)
class EndJoin:
    """Take the engine out of the Swarm that it did not get into, to join anew; `reason` is for people."""

    reason: str


@dataclass(frozen=True)
class Publish:
    """Write the Swarm's id and tokens into Consul: this node is a manager and they are missing."""


@dataclass(frozen=True)
class StopConsul:
    """Leave without coming back: whoever is told to is out of everything else."""


@dataclass(frozen=True)
class Settled:
    """A member of the cluster in its role."""


Action = FindPeers | Wait | FoundSwarm | JoinSwarm | EndJoin | Publish | StopConsul | Settled


def leaving_phase(text: str) -> str:
    """Of the mark that a function left for this node; empty where the text is none."""
    try:
        return str(json.loads(text)["phase"])
    except (ValueError, KeyError, TypeError):
        return ""


def decide(node: NodeDescription, world: World) -> Action:
    """The next step of this node."""
    if world.leaves:
        # Whoever is taken out of the Swarm would join it again by the next pass.
        return StopConsul() if world.leaves == names.LEAVING_STOP else Wait("its termination")
    if not world.has_leader:
        return FindPeers("a Consul leader")
    if world.members < 2 and node.consul_servers > 1:
        return FindPeers("Consul members beside itself")
    if world.swarm_state is None:
        return Wait("dockerd")
    if world.swarm_state == "active":
        return _active(node, world)
    if world.swarm_state == "error" and world.joins:
        # One that took more than 20 s and failed: dockerd keeps the error, and never tries again.
        return EndJoin(world.swarm_error or "no reason given")
    if world.swarm_state != "inactive":
        return Wait(f"its Swarm, which is {world.swarm_state}: {world.swarm_error or 'no reason given'}")
    return _inactive(node, world)


def _active(node: NodeDescription, world: World) -> Action:
    if SWARM_MANAGER not in node.roles:
        return Settled()
    if not world.is_manager:
        return Wait(f"the Swarm's managers: {world.swarm_error or 'no quorum'}")
    if world.other_swarm:
        # People know which one they want to keep; whoever published would take the other's nodes.
        reason = f"people: it manages Swarm {world.swarm_id}, but the cluster's is {world.other_swarm}"
        return Wait(reason, for_people=True)
    return Settled() if world.published else Publish()


def _inactive(node: NodeDescription, world: World) -> Action:
    if world.token and world.managers:
        return JoinSwarm(world.managers, world.token)
    if world.token:
        # The Swarm exists; a second one would be worse than waiting.
        return Wait("a healthy Swarm manager")
    if world.is_founded:
        # Where the founder died for good before it published, only people can say that there is none.
        reason = "a manager of its Swarm to publish how to join it; it exists, so none is founded"
        return Wait(reason, for_people=True)
    if SWARM_MANAGER in node.roles:
        return FoundSwarm()
    return Wait("the Swarm to be founded")
