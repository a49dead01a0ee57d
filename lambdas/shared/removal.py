"""Removal of one node: observe, decide, take one step and repeat, until the removal has to wait or ends.

At its end the termination hook is answered.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from lambdas.shared import actuator, consul_state, swarm_state, voting_lock
from lambdas.shared.connections import Connections
from lambdas.shared.telemetry import add_metric, log
from swarmer.adapters import auto_scaling
from swarmer.core.healing import departure, steps, world
from swarmer.core.healing.departure import Departure
from swarmer.core.healing.metrics import Metric
from swarmer.core.healing.steps import Finish, Keep, Outcome, Step, Wait
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER

MOST_STEPS: Final = 20
"""Maximum number of steps in one run; a complete removal takes eleven."""


@dataclass(frozen=True, kw_only=True)
class LeavingNode:
    """Data of the node to be removed that stay the same during the removal."""

    name: str
    roles: frozenset[str]
    is_gone: bool
    announced_s: float

    @property
    def votes(self) -> bool:
        """Whether the node may count for a quorum."""
        return bool(self.roles & world.QUORUM_ROLES)


def remove(connections: Connections, node: LeavingNode) -> Outcome:
    """Take every step that is possible now. Raises what the adapters raise; the call can be repeated
    then."""
    for _ in range(MOST_STEPS):
        seen = observe(connections, node)
        action = departure.decide(seen)
        if isinstance(action, Outcome):
            return action
        if not steps.changes_votes(action):
            actuator.apply(connections, seen, action)
        elif waits := _apply_locked(connections, node, action):
            return waits
    return Wait("its steps to take effect")


def complete(
    name: str, asg: str, hook: str, instance_id: str, outcome: Finish | Keep, **facts: object
) -> None:
    """Answer the termination hook; `facts` go into the log. Raises aws.Unavailable."""
    keeps = isinstance(outcome, Keep)
    result = auto_scaling.ABANDON if keeps else auto_scaling.CONTINUE
    answered = auto_scaling.complete(asg, hook, instance_id, result)
    if not keeps:
        add_metric(Metric.REMOVED, answered)
    message = "kept" if keeps else "removed"
    log(message, node=name, reason=outcome.reason, answered=answered, at_risk=outcome.at_risk, **facts)


def _apply_locked(connections: Connections, node: LeavingNode, step: Step) -> Wait | None:
    """Take the step under the voting lock, if the cluster still calls for it. Returns a reason to wait, or
    None."""
    with voting_lock.hold(connections) as lock:
        if lock is None:
            return Wait("another function that changes the voting members")
        # Another function may have changed the cluster before this one got the lock.
        seen = observe(connections, node)
        if departure.decide(seen) == step:
            # A slow Consul may take longer for that observation than the lock lasts. Then the observation is
            # out of date, too.
            if not lock.renew():
                return Wait("the voting lock, because this function lost it during an observation")
            actuator.apply(connections, seen, step)
    return None


def observe(connections: Connections, node: LeavingNode) -> Departure:
    """Return the current state of the cluster for this node. Raises what the adapters raise."""
    groups = connections.aws.groups
    ends = world.cluster_ends(groups)
    # A cluster that is being deleted may be silent, so it is not asked. Swarm is asked before Consul: during
    # an election it answers late, and an earlier answer of Consul would be out of date by then.
    swarm = world.Swarm() if ends else swarm_state.observe(connections.engine, node.name)
    consul = world.Consul() if ends else consul_state.observe(connections.consul, node.name)
    return Departure(
        name=node.name,
        roles=node.roles,
        is_gone=node.is_gone,
        ends=ends,
        # The provider's record is asked last, and `unfounded` there is not trusted alone. A change to the
        # stack may reset it to `unfounded`, and the Swarm's leader takes minutes to correct that.
        is_initialized=ends
        or (consul.has_leader and swarm.has_quorum)
        or world.is_initialized(groups)
        or connections.aws.was_initialized(),
        announced_s=node.announced_s,
        now_s=time.time(),
        consul=consul,
        swarm=swarm,
        wanted_servers=world.wanted(groups, CONSUL_SERVER),
        wanted_managers=world.wanted(groups, SWARM_MANAGER),
    )
