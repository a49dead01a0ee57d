"""Changes of a cluster in Consul and Swarm: the core's steps, and the records about nodes.

Repeating a change has no further effect.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from typing import Final, assert_never

from lambdas.shared.connections import Connections
from lambdas.shared.telemetry import log
from swarmer.adapters.consul import Consul
from swarmer.core import names
from swarmer.core.healing import steps
from swarmer.core.healing.departure import Departure
from swarmer.core.healing.steps import Step
from swarmer.core.healing.world import STOP, Marker


def apply(connections: Connections, seen: Departure, step: Step) -> None:
    """Take one step of a node's removal. Raises consul.Unavailable, docker.Unavailable, aws.Unavailable."""
    consul, name = connections.require_consul(), seen.name
    match step:
        case steps.WriteMarker(phase):
            consul.put(f"{names.KV_LEAVING}{name}", _marker(seen, phase).to_json())
        case steps.HandOver(lease):
            consul.put(names.KV_REGISTRY_HANDOVER, str(lease))
        case steps.RemovePeer(address):
            consul.remove_peer(address)
        case steps.ForceLeave():
            consul.force_leave(name)
        case steps.Deregister():
            consul.deregister_node(name)
        case steps.Forget(marker):
            _delete_records(consul, name, marker=marker)
        case steps.Drain(row):
            connections.require_engine().ensure_node(row.id, Availability="drain")
        case steps.Demote(row):
            connections.require_engine().ensure_demoted(row.id)
        case steps.RemoveFromSwarm(row):
            connections.require_engine().ensure_no_node(row.id)
        case _:
            assert_never(step)
    log(_message(step), node=name, step=type(step).__name__)


def _marker(seen: Departure, phase: str) -> Marker:
    marker = seen.marker or Marker(since_s=seen.now_s)
    return Marker(since_s=marker.since_s, stop_s=seen.now_s) if phase == STOP else marker


def _delete_records(consul: Consul, name: str, *, marker: bool) -> None:
    for prefix in (names.KV_NODES, names.KV_MISSING, *((names.KV_LEAVING,) if marker else ())):
        consul.delete(f"{prefix}{name}")


def _message(step: Step) -> str:
    match step:
        case steps.WriteMarker(phase):
            return (
                "leaving marker written: stop Consul"
                if phase == STOP
                else "leaving marker written: join nothing"
            )
        case steps.HandOver(lease):
            return f"asked to hand over lease {lease} of the registry"
        case steps.RemovePeer(address):
            return f"removed from Consul's raft: {address}"
        case _:
            return MESSAGES[type(step)]


MESSAGES: Final[dict[type, str]] = {
    steps.Drain: "drained",
    steps.Demote: "demoted",
    steps.RemoveFromSwarm: "removed from Swarm",
    steps.ForceLeave: "removed from Consul's members",
    steps.Deregister: "removed from Consul's catalog",
    steps.Forget: "forgotten",
}
"""Log message of each step without parameters."""


# -- records about nodes -----------------------------------------------------------------------------


def record_admitted(connections: Connections, name: str, instance_id: str) -> None:
    """Record that a node was admitted. Raises consul.Unavailable."""
    entry = {"instance": instance_id, "admitted": round(time.time(), 3)}
    connections.require_consul().put(f"{names.KV_NODES}{name}", json.dumps(entry))


def record_joinable(connections: Connections, name: str) -> None:
    """Record that a held node can join from now on. Raises consul.Unavailable."""
    connections.require_consul().put(f"{names.KV_MISSING}{name}", str(time.time()))


def record_missing(connections: Connections, missing: Collection[str]) -> None:
    """Record now as the time since which nodes in service are missing. Raises consul.Unavailable."""
    if missing:
        now = str(time.time())
        connections.require_consul().put_all({f"{names.KV_MISSING}{name}": now for name in missing})


def forget_missing(connections: Connections, name: str) -> None:
    """Delete the record that a node is missing. Raises consul.Unavailable."""
    connections.require_consul().delete(f"{names.KV_MISSING}{name}")
