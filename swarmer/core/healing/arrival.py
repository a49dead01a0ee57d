"""Decision about a launched instance: admit it, wait for it, or give it up.

An instance is admitted only when the cluster itself reports it as a member in its role: a Consul server with
a vote, a Swarm manager that is Reachable. An instance that misses its deadline is dead. It is not repaired;
Auto Scaling launches another. After `failed_boots` such instances in a row the group's launches are stopped,
because every launch costs money and the next one would fail too.

If a cluster has no majority, an instance that cannot join it may be healthy. It is held, and gets time to
join after the majority is back. A recovery needs the replacements of lost servers.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarmer.core.healing import pacing
from swarmer.core.healing.departure import QUORUM_TIMEOUT_S
from swarmer.core.healing.world import ARRIVING, Consul, Instance, Swarm
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """State of a launched instance and its cluster."""

    instance: Instance
    roles: frozenset[str]
    """Roles of its group, because an instance that never ran may lack tags."""
    lifecycle: str
    """State in Auto Scaling; empty if no group lists it."""
    waited_s: float
    deadline_s: float
    failed_in_a_row: int
    """Number of failed launches of its group since the last success, without this instance."""
    failed_boots: int
    """Number of failed launches in a row that stops the launches."""
    is_initialized: bool
    """Whether a voting node is in service, so that the cluster had a majority once."""
    noted_s_ago: float | None = None
    """Seconds since the record that it can join again, while it has not joined; None without a record."""
    ends: bool
    """Whether the cluster is being deleted."""
    consul: Consul
    swarm: Swarm


@dataclass(frozen=True)
class Admit:
    """Record the node and answer CONTINUE."""


@dataclass(frozen=True)
class Abandon:
    """Log its console output and answer ABANDON; if `opens_breaker`, stop further launches first."""

    reason: str
    opens_breaker: bool = False


@dataclass(frozen=True)
class Wait:
    """Wait, and observe again later."""

    reason: str
    holds: bool = False
    """Whether to hold the hook, because it would end meanwhile."""
    notes: bool = False
    """Whether to record that the instance can join from now on."""


@dataclass(frozen=True)
class Ignore:
    """Take no step, because no hook waits for an answer."""

    reason: str


Action = Admit | Abandon | Wait | Ignore

JOIN_GRACE_S = 60
"""Grace period for a held instance to join."""
LISTING_GRACE_S = 60
"""Grace period for Auto Scaling's lists, which may lag behind its events."""


def decide(arrival: Arrival) -> Action:
    """Return the next step for the instance."""
    instance, waited_s = arrival.instance, arrival.waited_s
    if arrival.lifecycle not in ARRIVING:
        if not arrival.lifecycle and waited_s < LISTING_GRACE_S and not instance.is_gone:
            return Wait("Auto Scaling to list it")
        return Ignore(f"its hook is closed: it is {arrival.lifecycle or 'in no group'}")
    if arrival.ends:
        return Abandon("the cluster is being deleted")
    lacks = "" if instance.state == "running" else f"its instance is {instance.state}"
    lacks = lacks or lacks_in_consul(instance.name, arrival.roles, arrival.consul)
    lacks = lacks or lacks_in_swarm(instance.name, arrival.roles, arrival.swarm)
    if not lacks:
        return Admit()
    if not instance.is_gone and (held := _held(arrival, lacks)):
        return held
    if instance.is_gone or waited_s >= arrival.deadline_s:
        reason = lacks if instance.is_gone else f"{lacks}, {waited_s:.0f} s after its launch"
        return Abandon(reason, opens_breaker=arrival.failed_in_a_row + 1 >= arrival.failed_boots)
    return Wait(lacks)


def _held(arrival: Arrival, lacks: str) -> Wait | None:
    """Return a wait if another cause than the instance itself delayed it."""
    late_s = arrival.waited_s - arrival.deadline_s
    if late_s < 0:
        return None
    if not (arrival.consul.has_leader and arrival.swarm.has_quorum):
        return Wait(lacks, holds=True) if arrival.is_initialized and late_s < QUORUM_TIMEOUT_S else None
    if late_s <= pacing.LONGEST_PAUSE_S and not arrival.consul.is_alive(arrival.instance.name):
        # The previous observation was before the deadline, so it held nothing. A living instance may have
        # lacked a majority then.
        return None
    if arrival.noted_s_ago is None:
        return Wait(lacks, holds=True, notes=True)
    return Wait(lacks, holds=True) if arrival.noted_s_ago < JOIN_GRACE_S else None


def lacks_in_consul(name: str, roles: frozenset[str], consul: Consul) -> str:
    """Return the reason why the node is no member of Consul in its role; empty if it is one."""
    if not consul.has_leader:
        return "Consul has no leader" if consul.answers else "no Consul server answers"
    if not consul.is_alive(name):
        return f"Consul sees it {consul.members.get(name, 'nowhere')}"
    if CONSUL_SERVER in roles and not (name in consul.peers and consul.peers[name].is_voter):
        return "it is a Consul server without a vote"
    return ""


def lacks_in_swarm(name: str, roles: frozenset[str], swarm: Swarm) -> str:
    """Return the reason why the node is no member of Swarm in its role; empty if it is one."""
    if not swarm.has_quorum:
        return "no Swarm manager with a quorum answers"
    rows = swarm.of(name)
    if not rows:
        return "it is not in the Swarm"
    ready = [row for row in rows if row.is_ready]
    if not ready:
        return f"Swarm sees it {rows[0].state}"
    if SWARM_MANAGER in roles and not any(row.reachability == "reachable" for row in ready):
        return f"it should be a manager that is reachable, and is {ready[0].reachability or 'a worker'}"
    return ""
