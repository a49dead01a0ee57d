"""Corrections of changes that an operator made in the Swarm."""

from __future__ import annotations

from lambdas.shared import consul_state, swarm_state, voting_lock
from lambdas.shared.connections import Connections
from lambdas.shared.telemetry import log, logger
from swarmer.core.healing import swarm_drift
from swarmer.core.state import SwarmNode


def demote(connections: Connections, row: SwarmNode) -> str:
    """Demote a worker that an operator promoted, under the voting lock, if the majority still allows it.

    Returns a reason to wait; empty if there is none. Raises what the adapters raise.
    """
    with voting_lock.hold(connections) as lock:
        if lock is None:
            return f"{row.name}: another function changes the voting members"
        # Another function may have changed the cluster before this one got the lock.
        swarm = swarm_state.observe(connections.engine, None)
        markers = consul_state.observe(connections.consul, None).markers
        if row in swarm_drift.to_demote(connections.aws.groups, swarm, markers) and lock.renew():
            connections.require_engine().ensure_demoted(row.id)
            logger.warning("demoted", extra={"node": row.name, "reason": "it is no manager by servers.yml"})
    return ""


def remove_leftover(connections: Connections, row: SwarmNode) -> str:
    """Remove the dead row of a worker that left the Swarm and joined again. Raises docker.Unavailable."""
    connections.require_engine().ensure_no_node(row.id)
    log("removed from Swarm", node=row.name, reason="it left the Swarm and joined again")
    return ""
