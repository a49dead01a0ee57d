"""What the functions see of a cluster, as values: AWS, Consul, Swarm."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from swarmer.core import names
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER

ALIVE: Final = "alive"
GONE_STATES: Final = frozenset(("shutting-down", "terminated"))
"""EC2: no way leads back from either."""
UNKNOWN: Final = "unknown"
"""EC2 was asked for the instance by its id and knows none."""
ARRIVING: Final = frozenset(("Pending", "Pending:Wait"))
DEPARTING: Final = frozenset(("Terminating", "Terminating:Wait"))
QUORUM_ROLES: Final = frozenset((CONSUL_SERVER, SWARM_MANAGER))

STAY_OUT: Final = names.LEAVING_STAY_OUT
STOP: Final = names.LEAVING_STOP


# -- AWS ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Member:
    """An instance as its Auto Scaling group lists it."""

    lifecycle: str
    """LifecycleState: Pending:Wait, InService, Terminating:Wait …"""
    health: str = "Healthy"


@dataclass(frozen=True, kw_only=True)
class Group:
    """One Auto Scaling group of the cluster."""

    asg: str
    """Its name in Auto Scaling."""
    name: str
    """Its name in servers.yml."""
    roles: frozenset[str]
    desired: int
    members: Mapping[str, Member] = field(default_factory=dict)
    """By instance id."""
    launches: bool = True
    """False: its process Launch is suspended."""
    is_deleting: bool = False

    @property
    def ends(self) -> bool:
        """It is to have no instance any more."""
        return self.is_deleting or self.desired == 0

    @property
    def votes(self) -> bool:
        """Its nodes count for a quorum."""
        return bool(self.roles & QUORUM_ROLES)


@dataclass(frozen=True, kw_only=True)
class Instance:
    """A machine as EC2 knows it."""

    id: str
    state: str
    """pending, running, stopping, stopped, shutting-down, terminated; `UNKNOWN`."""
    group: str = ""
    """Of servers.yml, by its tag."""
    roles: frozenset[str] = frozenset()
    address: str = ""
    launched_s: float = 0.0
    """Seconds since the epoch."""

    @property
    def is_gone(self) -> bool:
        """Proof: EC2 says so itself."""
        return self.state in GONE_STATES

    @property
    def name(self) -> str:
        return names.node_name(self.group, self.id)


def group_of(groups: Iterable[Group], instance_id: str) -> Group | None:
    """The group that lists the instance."""
    return next((group for group in groups if instance_id in group.members), None)


def wanted(groups: Iterable[Group], role: str) -> int:
    """How many nodes with that role the cluster is meant to have."""
    return sum(group.desired for group in groups if role in group.roles and not group.is_deleting)


def is_founded(groups: Iterable[Group]) -> bool:
    """Some node that votes was let in: the cluster had a majority once."""
    voting = (group for group in groups if group.votes)
    return any(member.lifecycle == "InService" for group in voting for member in group.members.values())


def cluster_ends(groups: Iterable[Group]) -> bool:
    """Its stack is being deleted: every group that holds a quorum goes. One of several may just move."""
    return all(group.ends for group in groups if group.votes)


def cluster_closes(groups: Iterable[Group]) -> bool:
    """As `cluster_ends`, for launches: where no group holds a quorum yet the cluster is only being made."""
    known = tuple(groups)
    return any(group.votes for group in known) and cluster_ends(known)


# -- Consul ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What is noted about a node that leaves; times in seconds since the epoch."""

    since_s: float
    stop_s: float | None = None
    """When it was told to stop its Consul, too."""

    @property
    def phase(self) -> str:
        return STAY_OUT if self.stop_s is None else STOP

    def to_json(self) -> str:
        """What stands in Consul, for the node's agent too: its `phase`."""
        return json.dumps({"phase": self.phase, "since": self.since_s, "stop": self.stop_s})

    @classmethod
    def from_json(cls, text: str) -> Mark | None:
        """None where the text is no mark."""
        try:
            raw = json.loads(text)
            stop_s = None if raw["stop"] is None else float(raw["stop"])
            return cls(since_s=float(raw["since"]), stop_s=stop_s)
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A server in raft's configuration."""

    address: str
    """`address:port`."""
    votes: bool


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The registry's lock."""

    session: str | None
    number: int
    holder: str
    """Node's name; empty where nobody holds it."""
    handover_asked: bool = False


@dataclass(frozen=True, kw_only=True)
class Consul:
    """What a Consul server says. `Consul()`: none answers, or none knows a leader."""

    has_leader: bool = False
    answers: bool = False
    """Some server answers, with a leader or without."""
    members: Mapping[str, str] = field(default_factory=dict)
    """Node name to alive, leaving, left or failed."""
    catalogued: frozenset[str] = frozenset()
    peers: Mapping[str, Peer] = field(default_factory=dict)
    marks: Mapping[str, Mark] = field(default_factory=dict)
    recorded: frozenset[str] = frozenset()
    """Nodes that were let in."""
    missing: Mapping[str, float] = field(default_factory=dict)
    """Node name to the second since which it has been missed."""
    lease: Lease | None = None

    def is_alive(self, name: str) -> bool:
        return self.members.get(name) == ALIVE


# -- Swarm ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of `docker node ls`."""

    id: str
    name: str
    role: str
    """manager or worker."""
    state: str
    """ready, down, unknown, disconnected."""
    availability: str = "active"
    """active, pause or drain."""
    reachability: str = ""
    """reachable or unreachable; empty for a worker."""

    @property
    def is_manager(self) -> bool:
        """In its specification, or still in fact: a demotion takes a moment."""
        return self.role == "manager" or bool(self.reachability)


@dataclass(frozen=True, kw_only=True)
class Swarm:
    """What a manager with a quorum says. `Swarm()`: none answers, or there is no quorum."""

    has_quorum: bool = False
    rows: tuple[Row, ...] = ()
    tasks: Mapping[str, int] = field(default_factory=dict)
    """Row id to the tasks that still have to end there or to run elsewhere."""

    def of(self, name: str) -> tuple[Row, ...]:
        """Rows of one node: more than one where it joined anew."""
        return self._by_name.get(name, ())

    @cached_property
    def _by_name(self) -> dict[str, tuple[Row, ...]]:
        """The sweep asks for thousands."""
        found: dict[str, tuple[Row, ...]] = {}
        for row in self.rows:
            found[row.name] = (*found.get(row.name, ()), row)
        return found

    @property
    def managers(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.is_manager)
