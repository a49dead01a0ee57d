"""Joining of a node to its cluster: one decision per pass, from the node's current state.

Gather (node/agent.py) → decide (here) → act (node/agent.py, node/initialization.py). Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from swarmer.core import names
from swarmer.core.node import SWARM_MANAGER, NodeDescription


@dataclass(frozen=True, kw_only=True)
class NodeState:
    """State of the node and its cluster in one pass of the agent."""

    has_leader: bool
    """Whether Consul answers on this node and knows a leader."""
    members: int
    """Number of alive members in Consul, including this one; 0 if Consul does not answer."""
    swarm_state: str | None
    """Swarm.LocalNodeState of dockerd; None if dockerd does not answer."""
    is_manager: bool = False
    """Whether this node controls its Swarm: it is a manager, and the managers have a quorum."""
    swarm_error: str = ""
    is_joining: bool = False
    """Whether the node has asked to join, and has been in no Swarm since then."""
    swarm_id: str = ""
    """ID of the Swarm that this node manages; empty if it manages none."""
    known_swarms: tuple[str, ...] = ()
    """IDs under which the provider and Consul know the cluster's Swarm."""
    is_initialized: bool = False
    """Whether this cluster has had a Swarm, by the provider's record."""
    is_published: bool = False
    """Whether Consul knows the Swarm's ID and both tokens."""
    token: str | None = None
    """Token to join with in this node's role."""
    managers: tuple[str, ...] = ()
    """Addresses of healthy managers, without this one."""
    leaving: str = ""
    """Phase in this node's leaving marker: `names.LEAVING_…`; empty if it stays."""

    @property
    def other_swarm(self) -> str:
        """ID of the cluster's Swarm if this node manages another one; else empty."""
        return next((each for each in self.known_swarms if self.swarm_id and each != self.swarm_id), "")


@dataclass(frozen=True)
class FindPeers:
    """Find the cluster's machines and join their Consul."""

    reason: str


@dataclass(frozen=True)
class Wait:
    """Wait, because no step is possible now; `reason` is for the operator."""

    reason: str
    needs_operator: bool = False
    """Whether the operator has to correct the record of the provider or Consul. The agent reads it again from
    time to time."""


@dataclass(frozen=True)
class InitializeSwarm:
    """Initialize the Swarm under the lock, if it still does not exist then."""


@dataclass(frozen=True)
class JoinSwarm:
    """Join through any of these managers."""

    managers: tuple[str, ...]
    token: str


@dataclass(frozen=True)
class EndJoin:
    """Take the engine out of a Swarm that it failed to join, so that it can join again; `reason` is for the
    operator."""

    reason: str


@dataclass(frozen=True)
class Publish:
    """Write the Swarm's ID and tokens into Consul: this node is a manager and they are missing."""


@dataclass(frozen=True)
class StopConsul:
    """Leave Consul for good. A node gets this phase after it has been removed from everything else."""


@dataclass(frozen=True)
class Settled:
    """Take no step: the node is a member of the cluster in its role."""


Action = FindPeers | Wait | InitializeSwarm | JoinSwarm | EndJoin | Publish | StopConsul | Settled


def leaving_phase(text: str) -> str:
    """Return the phase in this node's leaving marker; empty if the text is no marker."""
    try:
        return str(json.loads(text)["phase"])
    except (ValueError, KeyError, TypeError):
        return ""


def decide(node: NodeDescription, state: NodeState) -> Action:
    """Return the next step of this node."""
    if state.leaving:
        # A node that was removed from the Swarm would join it again in the next pass.
        return StopConsul() if state.leaving == names.LEAVING_STOP else Wait("its termination")
    if not state.has_leader:
        return FindPeers("a Consul leader")
    if state.members < 2 and node.consul_servers > 1:
        return FindPeers("Consul members beside itself")
    if state.swarm_state is None:
        return Wait("dockerd")
    if state.swarm_state == "active":
        return _active(node, state)
    if state.swarm_state == "error" and state.is_joining:
        # The join took more than 20 s and failed. dockerd keeps the error, and does not retry.
        return EndJoin(state.swarm_error or "no reason given")
    if state.swarm_state != "inactive":
        return Wait(f"its Swarm, which is {state.swarm_state}: {state.swarm_error or 'no reason given'}")
    return _inactive(node, state)


def _active(node: NodeDescription, state: NodeState) -> Action:
    if SWARM_MANAGER not in node.roles:
        return Settled()
    if not state.is_manager:
        if state.swarm_error:
            return Wait(f"the Swarm's managers: {state.swarm_error}")
        # An operator demoted the node, or it has just joined.
        return Wait("the Swarm's leader to make it a manager")
    if state.other_swarm:
        # The operator knows which Swarm to keep. Publishing this one would take the nodes of the other one.
        swarms = f"this node manages Swarm {state.swarm_id}, but the cluster's Swarm is {state.other_swarm}"
        return Wait(f"an operator: {swarms}", needs_operator=True)
    return Settled() if state.is_published else Publish()


def _inactive(node: NodeDescription, state: NodeState) -> Action:
    if state.token and state.managers:
        return JoinSwarm(state.managers, state.token)
    if state.token:
        # The Swarm exists. A second Swarm would be worse than waiting.
        return Wait("a healthy Swarm manager")
    if state.is_initialized:
        # If the initializing node died for good before it published, only the operator knows that no Swarm
        # exists.
        reason = (
            "a manager to publish the join tokens; the Swarm exists already, so no new one is initialized"
        )
        return Wait(reason, needs_operator=True)
    if SWARM_MANAGER in node.roles:
        return InitializeSwarm()
    return Wait("the Swarm to be initialized")
