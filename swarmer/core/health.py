"""Health of a cluster: compares its description with what was observed. Pure.

Gather (an observer outside the nodes) → `judge` → show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from swarmer.core.healing.world import RETAINED
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER, SWARM_WORKER
from swarmer.core.state import MemberStatus, SwarmNode

SPREAD_ZONES: Final = 3
"""Smallest number of zones over which a majority can be spread."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Node that should exist: an instance of a group."""

    name: str
    instance_id: str
    group: str
    roles: tuple[str, ...]
    address: str
    zone: str
    runs: bool = True
    """Whether the machine itself runs, with or without working software."""
    is_retained: bool = False
    """Whether Auto Scaling keeps it after an abandoned termination (Terminating:Retained)."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Findings of an observer. Empty fields: no node answered."""

    members: Mapping[str, MemberStatus] = field(default_factory=dict)
    """Consul's members, by node name."""
    leader: str = ""
    """Consul's leader as `address:port`."""
    voters: frozenset[str] = frozenset()
    """Names of raft's voters."""
    swarm: Mapping[str, SwarmNode] = field(default_factory=dict)
    """Nodes of the Swarm by host name."""
    holder: str = ""
    """Name of the node that serves the registry by Consul's catalogue."""
    registry_address: str = ""
    """Address of the registry as `address:port`."""
    unhealthy: Mapping[str, str] = field(default_factory=dict)
    """Problems that a node itself reports, by node name."""
    idle_managers: Mapping[str, str] = field(default_factory=dict)
    """Reason why a manager controls no Swarm, by its name. Such a manager is in no DNS name."""
    maintained: Mapping[str, str] = field(default_factory=dict)
    """Reason for which an operator put a node into Consul's maintenance mode, by node name."""
    answers: Mapping[str, bool] = field(default_factory=dict)
    """Whether the registry answered under its name inside a container, by node name."""
    silent: Mapping[str, str] = field(default_factory=dict)
    """Reason why a running node sent no report, by node name."""


@dataclass(frozen=True, kw_only=True)
class NodeStatus:
    """One node, as `swarmer status --json` shows it."""

    name: str
    instance_id: str
    group: str
    roles: tuple[str, ...]
    address: str
    zone: str
    consul: str
    """State in Consul: alive, failed, leaving, left, absent, or down if the machine does not run."""
    swarm: str
    """State in Swarm: ready, down, absent …"""
    swarm_role: str
    """Role in Swarm: leader, manager, worker, or empty."""
    availability: str
    """Availability in Swarm: active, pause, drain, or empty."""


@dataclass(frozen=True, kw_only=True)
class RegistryStatus:
    """Registry from the nodes' point of view."""

    holder: str
    address: str
    healthy: bool
    """Whether it answers inside a container on every node that was asked."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """Status of the whole cluster; `to_json` makes it an interface."""

    cluster: str
    validated: bool
    problems: tuple[str, ...]
    nodes: tuple[NodeStatus, ...]
    registry: RegistryStatus
    version: str = ""
    """Release that deployed the cluster; empty without a record."""
    notes: tuple[str, ...] = ()
    """Risks and an operator's changes. They do not make the cluster unhealthy."""

    def to_json(self) -> dict[str, Any]:
        """Return the value that `swarmer status --json` prints."""
        return asdict(self)


def judge(cluster: str, expected: tuple[Expected, ...], observed: Observation) -> Status:
    """Compare the expected nodes with the findings; every problem is one sentence."""
    problems = [
        *([] if expected else ["the cluster has no node"]),
        *_retained_problems(expected),
        *_report_problems(expected, observed),
        *_consul_problems(expected, observed),
        *_swarm_problems(expected, observed),
        *_registry_problems(expected, observed),
    ]
    return Status(
        cluster=cluster,
        validated=not problems,
        problems=tuple(problems),
        nodes=tuple(_node_status(node, observed) for node in expected),
        registry=RegistryStatus(
            holder=observed.holder,
            address=observed.registry_address,
            healthy=bool(expected) and all(observed.answers.get(node.name, False) for node in expected),
        ),
        notes=(*_zone_notes(expected), *_availability_notes(expected, observed)),
    )


def _retained_problems(expected: tuple[Expected, ...]) -> list[str]:
    return [
        f"{node.name}: Auto Scaling keeps it ({RETAINED}), because no function answered or its vote was "
        "needed; the sweep ends it once the others are a majority"
        for node in expected
        if node.is_retained
    ]


def _report_problems(expected: tuple[Expected, ...], observed: Observation) -> list[str]:
    return [
        f"{node.name}: it sent no report: {observed.silent[node.name]}"
        for node in expected
        if node.name in observed.silent
    ]


def _consul_problems(expected: tuple[Expected, ...], observed: Observation) -> list[str]:
    if not observed.members:
        return ["Consul answers on no node"]
    names = {node.name for node in expected}
    found = [] if observed.leader else ["Consul has no leader"]
    found += [
        f"{node.name}: Consul sees it {observed.members.get(node.name, 'nowhere')}"
        for node in expected
        if observed.members.get(node.name) != MemberStatus.ALIVE
    ]
    found += [
        f"{node.name}: a Consul server without a vote"
        for node in expected
        if CONSUL_SERVER in node.roles and node.name not in observed.voters
    ]
    found += [
        f"{node.name}: {observed.unhealthy[node.name]}"
        for node in expected
        if node.name in observed.unhealthy and observed.members.get(node.name) == MemberStatus.ALIVE
    ]
    found += [
        f"{node.name}: in Consul's maintenance mode, so in no DNS name ({observed.maintained[node.name]})"
        for node in expected
        if node.name in observed.maintained
    ]
    found += [
        f"{name}: Consul remembers it ({state}), but no instance has that name"
        for name, state in observed.members.items()
        if name not in names and state != MemberStatus.LEFT
    ]
    return found


def _swarm_problems(expected: tuple[Expected, ...], observed: Observation) -> list[str]:
    if not observed.swarm:
        return ["Swarm answers on no manager"]
    found = []
    for node in expected:
        row = observed.swarm.get(node.name)
        if row is None:
            found.append(f"{node.name}: not in the Swarm")
        elif not row.is_ready:
            found.append(f"{node.name}: Swarm sees it {row.state}")
        elif SWARM_MANAGER in node.roles and row.role != "manager":
            found.append(f"{node.name}: should be a Swarm manager, is a {row.role}")
        elif SWARM_MANAGER in node.roles and row.reachability != "reachable":
            found.append(f"{node.name}: a Swarm manager that is {row.reachability or 'unknown'}")
        elif SWARM_MANAGER not in node.roles and row.role == "manager":
            found.append(f"{node.name}: should be a Swarm worker, is a manager")
        elif node.name in observed.idle_managers:
            found.append(f"{node.name}: a manager in no DNS name: {observed.idle_managers[node.name]}")
    names = {node.name for node in expected}
    found += [
        f"{name}: Swarm remembers it, but no instance has that name" for name in observed.swarm.keys() - names
    ]
    return found


def _registry_problems(expected: tuple[Expected, ...], observed: Observation) -> list[str]:
    found = [] if observed.holder else ["no node serves the registry"]
    return found + [
        f"{node.name}: the registry does not answer inside a container"
        for node in expected
        if not observed.answers.get(node.name, False) and node.name not in observed.silent
    ]


def _zone_notes(expected: tuple[Expected, ...]) -> Iterator[str]:
    """Notes about zones whose loss ends a majority that could be spread over three zones."""
    if len({node.zone for node in expected}) < SPREAD_ZONES:
        return
    for role, plural in ((CONSUL_SERVER, "Consul servers"), (SWARM_MANAGER, "Swarm managers")):
        zones = Counter(node.zone for node in expected if role in node.roles)
        total = zones.total()
        for zone, held in zones.items():
            if total >= SPREAD_ZONES and total - held <= total // 2:
                yield (
                    f"{held} of {total} {plural} are in {zone}, and its loss would end their majority: "
                    "terminate one of them, and its successor starts in another zone"
                )


def _availability_notes(expected: tuple[Expected, ...], observed: Observation) -> Iterator[str]:
    """Notes about nodes that should run tasks, and that an operator or a removal took out of service."""
    for node in expected:
        row = observed.swarm.get(node.name)
        if row and SWARM_WORKER in node.roles and row.availability != "active":
            yield (
                f"{node.name}: its availability is {row.availability}, so it gets no tasks: "
                "`docker node update --availability active` ends that"
            )


def _node_status(node: Expected, observed: Observation) -> NodeStatus:
    row = observed.swarm.get(node.name)
    return NodeStatus(
        name=node.name,
        instance_id=node.instance_id,
        group=node.group,
        roles=node.roles,
        address=node.address,
        zone=node.zone,
        consul=observed.members.get(node.name, "absent") if node.runs else "down",
        swarm=row.state if row else "absent",
        swarm_role=("leader" if row.is_leader else row.role) if row else "",
        availability=row.availability if row else "",
    )
