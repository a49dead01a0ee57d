"""The sweep: compares Auto Scaling, EC2, Consul and Swarm, and finds changes that no event reported.

It is level-triggered: it reads the current state, so a lost event costs a minute instead of a node. It acts
only on proof. Names without an instance, an observation without a majority, and an absence of half the
cluster at once are left alone. In the last case the functions' own connection is more likely to be broken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from swarmer.core import names
from swarmer.core.healing import arrival, swarm_drift
from swarmer.core.healing.events import INSTANCE_ID
from swarmer.core.healing.quorum import majority
from swarmer.core.healing.world import (
    ARRIVING,
    DEPARTING,
    RETAINED,
    UNKNOWN,
    Consul,
    Group,
    Instance,
    Member,
    Swarm,
    cluster_ends,
    wanted,
)
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER
from swarmer.core.state import MemberStatus, SwarmNode

IN_SERVICE: Final = "InService"
"""Lifecycle state of an instance in service."""
HOOK_GRACE_S: Final = 90.0
"""Grace period for the function of a hook, before the sweep answers the hook. The function observes the
instance more often."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """State of the whole cluster."""

    groups: tuple[Group, ...]
    consul: Consul
    swarm: Swarm
    instances: Mapping[str, Instance] = field(default_factory=dict)
    """Instances by ID: the result of `suspects`."""
    now_s: float
    grace_s: float


@dataclass(frozen=True, kw_only=True)
class Place:
    """Instance in its group."""

    group: Group
    instance_id: str
    member: Member

    @property
    def name(self) -> str:
        return names.node_name(self.group.name, self.instance_id)


@dataclass(frozen=True, kw_only=True)
class Missing:
    """Node in service that Consul or Swarm does not list in its role."""

    place: Place
    lack: str
    since_s: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Steps to be taken; each of them may be repeated."""

    ghosts: tuple[str, ...] = ()
    """Names of nodes with entries although their machine is proved to be gone."""
    departures: tuple[Place, ...] = ()
    """Termination hooks that no function seems to handle."""
    retained: tuple[Place, ...] = ()
    """Instances that Auto Scaling keeps, because their termination was abandoned."""
    arrivals: tuple[Place, ...] = ()
    """Launch hooks that no function seems to handle."""
    noted: tuple[str, ...] = ()
    """Names that are missing since now."""
    returned: tuple[str, ...] = ()
    """Names that were missing and are back."""
    unhealthy: tuple[Missing, ...] = ()
    """Nodes to be replaced."""
    promoted: tuple[SwarmNode, ...] = ()
    """Rows of workers that an operator promoted, and that the quorum does not need."""
    leftovers: tuple[SwarmNode, ...] = ()
    """Dead rows of workers that left the Swarm and joined again."""
    open_breakers: tuple[str, ...] = ()
    """Auto Scaling groups that must not launch."""
    at_risk: tuple[str, ...] = ()
    """Sentences for the alarm."""
    waits_for: str = ""
    """Reason why purging has to wait; empty if it need not. Messages about a loss are retried until it is
    empty."""


def places(groups: tuple[Group, ...]) -> Iterator[Place]:
    for group in groups:
        for instance_id, member in group.members.items():
            yield Place(group=group, instance_id=instance_id, member=member)


def known_names(consul: Consul, swarm: Swarm) -> set[str]:
    """Return every name that Consul, Swarm or the records know."""
    members = {name for name, state in consul.members.items() if state != MemberStatus.LEFT}
    noted = consul.recorded | consul.markers.keys() | consul.missing.keys()
    return members | consul.catalogued | consul.peers.keys() | noted | {row.name for row in swarm.rows}


def suspects(scene: Scene) -> set[str]:
    """Return the IDs of instances whose state in EC2 is needed: all but healthy ones in service.

    Without a leader, nodes in service are not judged.
    """
    judged = scene.consul.has_leader
    well = {
        place.name
        for place in places(scene.groups)
        if _serves(place.member) and not (judged and _lack(place, scene))
    }
    of_names = {names.instance_id(name) for name in known_names(scene.consul, scene.swarm) - well}
    of_groups = {place.instance_id for place in places(scene.groups) if place.name not in well}
    return {each for each in of_names | of_groups if INSTANCE_ID.fullmatch(each)}


def _serves(member: Member) -> bool:
    """Whether the instance serves. With launch before terminate, the replacement is in service before the
    old instance is removed."""
    return member.lifecycle == IN_SERVICE and member.health == "Healthy"


def decide(scene: Scene) -> Plan:
    """Return all steps to be taken now."""
    if cluster_ends(scene.groups):
        # Without an answer to its hooks a quorum group keeps its instances, and the stack could not be
        # deleted.
        return Plan(departures=tuple(_departures(scene)), retained=tuple(_retained(scene)))
    missing = tuple(_missing(scene)) if scene.consul.has_leader else ()
    absent = {each.place.name for each in missing}
    return Plan(
        ghosts=tuple(sorted(_ghosts(scene))) if scene.consul.has_leader else (),
        departures=tuple(_departures(scene)),
        retained=tuple(_retained(scene)),
        arrivals=tuple(_arrivals(scene)),
        noted=tuple(sorted(absent - scene.consul.missing.keys())),
        returned=tuple(sorted(_returned(scene, absent))),
        unhealthy=tuple(_unhealthy(scene, missing)),
        # Without a leader the markers of leaving nodes are unknown.
        promoted=swarm_drift.to_demote(scene.groups, scene.swarm, scene.consul.markers)
        if scene.consul.has_leader
        else (),
        leftovers=swarm_drift.leftovers(scene.groups, scene.swarm),
        open_breakers=tuple(group.asg for group in scene.groups if not group.launches),
        at_risk=tuple(_risks(scene, missing)),
        waits_for=_waits_for(scene),
    )


def _waits_for(scene: Scene) -> str:
    if not scene.consul.has_leader:
        return "Consul has no leader"
    # A node that is purged in this sweep keeps its row in Swarm.
    return "" if scene.swarm.has_quorum else "no Swarm manager with a quorum answers"


# -- ghosts -----------------------------------------------------------------------------------


def _ghosts(scene: Scene) -> Iterator[str]:
    living = {place.instance_id for place in places(scene.groups)}
    for name in known_names(scene.consul, scene.swarm):
        instance = scene.instances.get(names.instance_id(name))
        if instance is None:
            continue
        if instance.is_gone or (instance.id not in living and _has_vanished(name, instance, scene)):
            yield name


def _has_vanished(name: str, instance: Instance, scene: Scene) -> bool:
    """Whether EC2, Consul and Swarm all lack the instance. EC2 forgets a terminated instance after an
    hour."""
    ready = any(row.is_ready for row in scene.swarm.of(name))
    return instance.state == UNKNOWN and not scene.consul.is_alive(name) and not ready


# -- hooks that were missed ---------------------------------------------------------------------


def _departures(scene: Scene) -> Iterator[Place]:
    """Yield terminations. A machine that is gone counts at once; a working one if its marker is old or
    missing."""
    for place in places(scene.groups):
        if place.member.lifecycle not in DEPARTING:
            continue
        instance, marker = scene.instances.get(place.instance_id), scene.consul.markers.get(place.name)
        if (instance and instance.is_gone) or marker is None or scene.now_s - marker.since_s > HOOK_GRACE_S:
            yield place


def _retained(scene: Scene) -> Iterator[Place]:
    return (place for place in places(scene.groups) if place.member.lifecycle == RETAINED)


def _arrivals(scene: Scene) -> Iterator[Place]:
    for place in places(scene.groups):
        if place.member.lifecycle in ARRIVING:
            instance = scene.instances.get(place.instance_id)
            if instance and (instance.is_gone or scene.now_s - instance.launched_s > HOOK_GRACE_S):
                yield place


# -- nodes that run and are no members ------------------------------------------------------------


def _lack(place: Place, scene: Scene) -> str:
    """Return the reason why a node is no member, if a majority confirms it."""
    lack = arrival.lacks_in_consul(place.name, place.group.roles - {CONSUL_SERVER}, scene.consul)
    if not lack and scene.swarm.has_quorum:
        lack = arrival.lacks_in_swarm(place.name, place.group.roles - {SWARM_MANAGER}, scene.swarm)
    return lack


def _missing(scene: Scene) -> Iterator[Missing]:
    """Yield nodes in service that run in EC2 and are no members."""
    for place in places(scene.groups):
        instance = scene.instances.get(place.instance_id)
        if place.member.lifecycle != IN_SERVICE or instance is None or instance.state != "running":
            continue
        if lack := _lack(place, scene):
            since_s = scene.consul.missing.get(place.name, scene.now_s)
            yield Missing(place=place, lack=lack, since_s=since_s)


def _returned(scene: Scene, absent: set[str]) -> Iterator[str]:
    """Yield returned nodes in service. Records about other nodes are deleted with the node."""
    if scene.consul.has_leader:
        in_service = {each.name for each in places(scene.groups) if each.member.lifecycle == IN_SERVICE}
        yield from scene.consul.missing.keys() & in_service - absent


def _unhealthy(scene: Scene, missing: tuple[Missing, ...]) -> Iterator[Missing]:
    """Yield nodes to replace: workers at once, voting nodes one at a time and only while their groups are
    stable.

    A group with suspended launches is left out, because its nodes would get no replacement.
    """
    if _too_many(scene, missing):
        return
    changing = any(
        group.votes and any(_changes(member) for member in group.members.values()) for group in scene.groups
    )
    for each in missing:
        overdue = scene.now_s - each.since_s > scene.grace_s
        group, is_marked = each.place.group, each.place.member.health != "Healthy"
        if not overdue or is_marked or not group.launches or (group.votes and changing):
            continue
        yield each
        changing = changing or group.votes


def _changes(member: Member) -> bool:
    """Whether the group is about to lose or to gain this member.

    A retained member may stay for long, and must not block the repair of its group until then.
    """
    return member.lifecycle in ARRIVING | DEPARTING or member.health != "Healthy"


def _too_many(scene: Scene, missing: tuple[Missing, ...]) -> bool:
    in_service = sum(place.member.lifecycle == IN_SERVICE for place in places(scene.groups))
    return len(missing) > 1 and len(missing) * 2 > in_service


# -- alarm ------------------------------------------------------------------------------------------


def _risks(scene: Scene, missing: tuple[Missing, ...]) -> Iterator[str]:
    """Yield sentences about a lost quorum, or about one that a further loss would end."""
    if _too_many(scene, missing):
        what = f"{len(missing)} nodes in service are missing at the same time"
        yield f"{what}, so none is replaced: check the network"
    if not any(place.member.lifecycle == IN_SERVICE for place in places(scene.groups)):
        # A cluster that is still being created has no majority to lose.
        return
    if not scene.consul.has_leader:
        yield "Consul has no leader" if scene.consul.answers else "no Consul server answers"
    else:
        voters = [name for name, peer in scene.consul.peers.items() if peer.is_voter]
        alive = sum(map(scene.consul.is_alive, voters))
        yield from _thin("Consul servers", wanted(scene.groups, CONSUL_SERVER), len(voters), alive)
    if not scene.swarm.has_quorum:
        yield "no Swarm manager with a quorum answers"
    else:
        managers = scene.swarm.managers
        reachable = sum(row.reachability == "reachable" for row in managers)
        yield from _thin("Swarm managers", wanted(scene.groups, SWARM_MANAGER), len(managers), reachable)


def _thin(whom: str, meant: int, members: int, well: int) -> Iterator[str]:
    """Yield a sentence if members are lost and one more loss would end the majority."""
    if well < max(meant, members) and well - 1 < majority(members):
        yield f"{well} of {max(meant, members)} {whom} are healthy: one more failure loses the quorum"
