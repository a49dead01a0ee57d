"""Removal of one node: observe, decide, take one step and repeat, until the node has to wait."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Final

from lambdas.shared.sight import Sight
from lambdas.shared.telemetry import tell
from swarmer.adapters.docker import Engine
from swarmer.core import names
from swarmer.core.healing import departure, steps, world
from swarmer.core.healing.departure import Departure
from swarmer.core.healing.steps import Action, Finish, Wait
from swarmer.core.healing.world import STOP, Mark
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER

MOST_STEPS: Final = 20
"""Maximum number of steps in one run; a complete removal takes eleven."""


@dataclass(frozen=True, kw_only=True)
class Leaver:
    """The node to be removed, as far as its data do not change during the removal."""

    name: str
    roles: frozenset[str]
    is_gone: bool
    announced_s: float


def leave(sight: Sight, leaver: Leaver) -> Wait | Finish:
    """Take every step that can be taken now. Raises what the adapters raise; the call can then be
    repeated."""
    for _ in range(MOST_STEPS):
        seen = look(sight, leaver)
        action = departure.decide(seen)
        if isinstance(action, Wait | Finish):
            return action
        if not steps.changes_votes(action):
            act(sight, seen, action)
            continue
        with sight.lock() as lock:
            if lock is None:
                return Wait("another function that changes who votes")
            # Another function may have changed the cluster before this one got the lock.
            seen = look(sight, leaver)
            again = departure.decide(seen)
            # A slow Consul may take longer for that look than the lock lasts. Then the result is out of date,
            # too.
            if again == action and not lock.renew():
                return Wait("the lock of the votes, which it lost while it looked")
            if again == action:
                act(sight, seen, again)
    return Wait("its steps to take effect")


def look(sight: Sight, leaver: Leaver) -> Departure:
    """Return the current state of the cluster for this node."""
    ends = world.cluster_ends(sight.groups)
    # A cluster that is being deleted is not asked, because it need not answer any more. Swarm is asked before
    # Consul: during an election it answers late, and an earlier answer of Consul would be out of date by
    # then.
    swarm = world.Swarm() if ends else sight.look_at_swarm(leaver.name)
    consul = world.Consul() if ends else sight.look_at_consul(leaver.name)
    return Departure(
        name=leaver.name,
        roles=leaver.roles,
        is_gone=leaver.is_gone,
        ends=ends,
        # The provider's record is asked last, and its "unfounded" is not trusted alone. A change to the
        # stack may reset it to "unfounded", and the Swarm's leader takes minutes to correct that.
        is_founded=ends
        or (consul.has_leader and swarm.has_quorum)
        or world.is_founded(sight.groups)
        or sight.was_founded(),
        announced_s=leaver.announced_s,
        now_s=time.time(),
        consul=consul,
        swarm=swarm,
        wanted_servers=world.wanted(sight.groups, CONSUL_SERVER),
        wanted_managers=world.wanted(sight.groups, SWARM_MANAGER),
    )


def act(sight: Sight, seen: Departure, action: Action) -> None:
    """Take one step. Repeating it changes nothing more."""
    consul, name = sight.api, seen.name
    match action:
        case steps.Tell(phase):
            mark = seen.mark or Mark(since_s=seen.now_s)
            if phase == STOP:
                mark = Mark(since_s=mark.since_s, stop_s=seen.now_s)
            consul.put(f"{names.KV_LEAVING}{name}", mark.to_json())
        case steps.HandOver(lease):
            consul.put(names.KV_REGISTRY_HANDOVER, str(lease))
        case steps.RemovePeer(address):
            consul.remove_peer(address)
        case steps.ForceLeave():
            consul.force_leave(name)
        case steps.Deregister():
            consul.deregister_node(name)
        case steps.Forget(mark):
            forget(sight, name, mark=mark)
        case _ if sight.engine:
            _act_on_swarm(sight.engine, action)
    tell(_words(action), node=name, step=type(action).__name__)


def _act_on_swarm(engine: Engine, action: Action) -> None:
    match action:
        case steps.Drain(row):
            engine.ensure_node(row.id, Availability="drain")
        case steps.Demote(row):
            engine.ensure_demoted(row.id)
        case steps.RemoveFromSwarm(row):
            engine.ensure_no_node(row.id)


def record(sight: Sight, name: str, *, instance_id: str, now_s: float) -> None:
    """Record that a node was admitted."""
    entry = {"instance": instance_id, "admitted": round(now_s, 3)}
    sight.api.put(f"{names.KV_NODES}{name}", json.dumps(entry))


def forget(sight: Sight, name: str, *, mark: bool) -> None:
    """Delete the records about a node."""
    for prefix in (names.KV_NODES, names.KV_MISSING, *((names.KV_LEAVING,) if mark else ())):
        sight.api.delete(f"{prefix}{name}")


def _words(action: Action) -> str:
    match action:
        case steps.Tell(phase):
            return "told to stop" if phase == STOP else "told to stay out"
        case steps.HandOver(lease):
            return f"asked to hand over lease {lease} of the registry"
        case steps.RemovePeer(address):
            return f"out of raft: {address}"
        case _:
            return WORDS[type(action)]


WORDS: Final[dict[type, str]] = {
    steps.Drain: "drained",
    steps.Demote: "demoted",
    steps.RemoveFromSwarm: "removed from Swarm",
    steps.ForceLeave: "out of Consul's members",
    steps.Deregister: "out of Consul's catalogue",
    steps.Forget: "forgotten",
}
