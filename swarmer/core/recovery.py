"""Next step of a recovery by a manager whose Swarm has lost its quorum for good.

Gather (node/recover.py) → decide (here) → act. Pure. `docker swarm init --force-new-cluster` may succeed
although its answer is an error, a time-out or lost. dockerd creates the cluster first and then updates its
settings. A node that joins in the same second makes the version of that update stale (`update out of
sequence`). Therefore the decision depends on the Swarm's state, and never on that answer. Source: moby,
daemon/cluster/swarm.go, `Init`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

READY_TIMEOUT_S: Final = 20.0
"""Timeout for the Swarm to answer after a call, before the call is repeated."""
JOIN_TIMEOUT_S: Final = 30.0
"""Timeout for an engine to show its Swarm again. It shows none while it restarts that Swarm."""


@dataclass(frozen=True, kw_only=True)
class SwarmView:
    """Current state of a manager and its Swarm."""

    answers: bool
    """Whether the engine answers."""
    controls: bool = False
    """Whether the engine manages a Swarm that has a leader."""
    swarm_id: str = ""
    """ID of the Swarm that the engine manages."""
    expected_id: str = ""
    """ID of the cluster's Swarm in Consul or the provider's record; empty if both lack it."""
    was_member: bool = False
    """Whether the engine has the state of a Swarm."""
    error: str = ""
    """Error in dockerd's own words about its Swarm."""
    waited_s: float = 0.0
    """Seconds since the first observation."""
    called_s_ago: float | None = None
    """Seconds since the last call ended; None before the first one."""
    may_call: bool = True
    """Whether there is time left for another call."""


@dataclass(frozen=True)
class Recovered:
    """Take no step: the Swarm has a leader and is the cluster's own."""


@dataclass(frozen=True)
class ForceNewCluster:
    """Make this manager the Swarm's only one."""


@dataclass(frozen=True)
class Wait:
    """Observe again soon; `reason` is for the operator."""

    reason: str


@dataclass(frozen=True)
class Refuse:
    """Stop, because another call would do harm or would not help; `reason` is for the operator."""

    reason: str


Step = Recovered | ForceNewCluster | Wait | Refuse


def decide(view: SwarmView) -> Step:
    """Return the next step. It is independent of earlier calls and their answers."""
    if view.controls:
        return _check_identity(view)
    if not view.may_call:
        return Refuse(f"the Swarm has no leader: {view.error or 'dockerd gives no reason'}")
    if not view.answers:
        return Wait("dockerd to answer")
    if not view.was_member:
        # The call would create a Swarm without the cluster's services.
        if view.waited_s < JOIN_TIMEOUT_S:
            return Wait("dockerd to show its Swarm")
        return Refuse("this manager was never in the Swarm: choose one that was")
    if view.called_s_ago is not None and view.called_s_ago < READY_TIMEOUT_S:
        return Wait("the Swarm to have a leader")
    return ForceNewCluster()


def _check_identity(view: SwarmView) -> Step:
    if view.expected_id and view.swarm_id and view.swarm_id != view.expected_id:
        return Refuse(
            f"this node manages Swarm {view.swarm_id}, but the cluster's Swarm is {view.expected_id}: "
            "choose a manager of that one"
        )
    return Recovered()
