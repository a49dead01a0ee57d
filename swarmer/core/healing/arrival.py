"""A launched instance: let it in, wait for it, or give it up.

Let in is only what the cluster itself sees as a member in its role: a server that votes, a manager that is
Reachable. What does not get there in time is dead (nobody repairs it); Auto Scaling launches another. After
`failed_boots` of those in a row it is stopped from launching: every try is paid, and the next would fail too.

Where the cluster has no majority nothing is proved about who cannot join it: then it is held, and has time to
join once there is one again. The replacements of lost servers are what a recovery goes on with.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarmer.core.healing import pacing
from swarmer.core.healing.departure import QUORUM_TIMEOUT_S
from swarmer.core.healing.world import ARRIVING, Consul, Instance, Swarm
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """What is seen of it."""

    instance: Instance
    roles: frozenset[str]
    """Of its group: an instance that never ran may have no tags."""
    lifecycle: str
    """Of Auto Scaling; empty where no group lists it."""
    waited_s: float
    deadline_s: float
    failed_in_a_row: int
    """Launches of its group that failed since the last that did not, this one left out."""
    failed_boots: int
    """So many end the launching."""
    is_founded: bool
    """Some node that votes is in service: there was a majority once."""
    noted_s_ago: float | None = None
    """When it was noted that it can join again, and has not."""
    ends: bool
    """The cluster is being deleted."""
    consul: Consul
    swarm: Swarm


@dataclass(frozen=True)
class Admit:
    """Record it, answer CONTINUE."""


@dataclass(frozen=True)
class Abandon:
    """Keep its console output, answer ABANDON; before, stop further launches where `opens_breaker`."""

    reason: str
    opens_breaker: bool = False


@dataclass(frozen=True)
class Wait:
    """Look again later."""

    reason: str
    holds: bool = False
    """Its hook would end by itself meanwhile."""
    notes: bool = False
    """Note that it can join from now on."""


@dataclass(frozen=True)
class Ignore:
    """Nobody waits for an answer."""

    reason: str


Action = Admit | Abandon | Wait | Ignore

JOIN_GRACE_S = 60
"""So long one that was held may take to join."""
LISTING_GRACE_S = 60
"""Auto Scaling's own lists may lag behind its events."""


def decide(arrival: Arrival) -> Action:
    """What becomes of it now."""
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
    """Late through no fault of its own."""
    late_s = arrival.waited_s - arrival.deadline_s
    if late_s < 0:
        return None
    if not (arrival.consul.has_leader and arrival.swarm.has_quorum):
        return Wait(lacks, holds=True) if arrival.is_founded and late_s < QUORUM_TIMEOUT_S else None
    if late_s <= pacing.LONGEST_PAUSE_S and not arrival.consul.is_alive(arrival.instance.name):
        # Looked at in time: nobody held it. One that is alive may have had no majority to join just before.
        return None
    if arrival.noted_s_ago is None:
        return Wait(lacks, holds=True, notes=True)
    return Wait(lacks, holds=True) if arrival.noted_s_ago < JOIN_GRACE_S else None


def lacks_in_consul(name: str, roles: frozenset[str], consul: Consul) -> str:
    """What keeps it from being a member of Consul in its role; empty: nothing."""
    if not consul.has_leader:
        return "Consul has no leader" if consul.answers else "no Consul server answers"
    if not consul.is_alive(name):
        return f"Consul sees it {consul.members.get(name, 'nowhere')}"
    if CONSUL_SERVER in roles and not (name in consul.peers and consul.peers[name].votes):
        return "it is a Consul server without a vote"
    return ""


def lacks_in_swarm(name: str, roles: frozenset[str], swarm: Swarm) -> str:
    """What keeps it from being a member of Swarm in its role; empty: nothing."""
    if not swarm.has_quorum:
        return "no Swarm manager with a quorum answers"
    rows = swarm.of(name)
    if not rows:
        return "it is not in the Swarm"
    ready = [row for row in rows if row.state == "ready"]
    if not ready:
        return f"Swarm sees it {rows[0].state}"
    if SWARM_MANAGER in roles and not any(row.reachability == "reachable" for row in ready):
        return f"it should be a manager that is reachable, and is {ready[0].reachability or 'a worker'}"
    return ""
