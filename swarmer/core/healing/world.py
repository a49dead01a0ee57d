"""State of a cluster for the functions, as values: AWS, Consul, Swarm."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from swarmer.core import names
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER
from swarmer.core.state import MemberStatus, RaftServer, RegistryLock, SwarmNode

GONE_STATES: Final = frozenset(("shutting-down", "terminated"))
"""EC2 states from which an instance never returns."""
UNKNOWN: Final = "unknown"
"""State of an instance whose ID EC2 does not know."""
ARRIVING: Final = frozenset(("Pending", "Pending:Wait"))
"""Lifecycle states of a launch that waits for its hook."""
DEPARTING: Final = frozenset(("Terminating", "Terminating:Wait"))
"""Lifecycle states of a termination that waits for its hook."""
RETAINED: Final = "Terminating:Retained"
"""Lifecycle state of an instance whose termination was abandoned. It runs, but its group does not count it.

EC2 Auto Scaling User Guide, "Manage retained instances": it stays until TerminateInstanceInAutoScalingGroup.
"""
QUORUM_ROLES: Final = frozenset((CONSUL_SERVER, SWARM_MANAGER))
"""Roles whose nodes belong to a quorum."""

STAY_OUT: Final = names.LEAVING_STAY_OUT
STOP: Final = names.LEAVING_STOP


# -- AWS ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Member:
    """Instance in the list of its Auto Scaling group."""

    lifecycle: str
    """State in Auto Scaling, LifecycleState: Pending:Wait, InService, Terminating:Wait …"""
    health: str = "Healthy"


@dataclass(frozen=True, kw_only=True)
class Group:
    """Auto Scaling group of the cluster."""

    asg: str
    """Name in Auto Scaling."""
    name: str
    """Name in servers.yml."""
    roles: frozenset[str]
    desired: int
    members: Mapping[str, Member] = field(default_factory=dict)
    """Members by instance ID."""
    launches: bool = True
    """Whether it may launch; False if its process Launch is suspended."""
    is_deleting: bool = False

    @property
    def ends(self) -> bool:
        """Whether the group is set to have no instances."""
        return self.is_deleting or self.desired == 0

    @property
    def votes(self) -> bool:
        """Whether its nodes count for a quorum."""
        return bool(self.roles & QUORUM_ROLES)


@dataclass(frozen=True, kw_only=True)
class Instance:
    """Machine in EC2."""

    id: str
    state: str
    """State in EC2: pending, running, stopping, stopped, shutting-down, terminated; or `UNKNOWN`."""
    group: str = ""
    """Name of its group in servers.yml, from its tag."""
    roles: frozenset[str] = frozenset()
    address: str = ""
    launched_s: float = 0.0
    """Time of the launch in seconds since the epoch."""

    @property
    def is_gone(self) -> bool:
        """Whether EC2 itself reports that the machine is gone: the proof."""
        return self.state in GONE_STATES

    @property
    def name(self) -> str:
        return names.node_name(self.group, self.id)


def group_of(groups: Iterable[Group], instance_id: str) -> Group | None:
    """Return the group that lists the instance."""
    return next((group for group in groups if instance_id in group.members), None)


def wanted(groups: Iterable[Group], role: str) -> int:
    """Return the desired number of nodes with that role."""
    return sum(group.desired for group in groups if role in group.roles and not group.is_deleting)


def is_initialized(groups: Iterable[Group]) -> bool:
    """Whether a voting node was admitted, so that the cluster had a majority once."""
    voting = (group for group in groups if group.votes)
    return any(member.lifecycle == "InService" for group in voting for member in group.members.values())


def cluster_ends(groups: Iterable[Group]) -> bool:
    """Whether the stack is being deleted: every quorum group ends. A single one of several may end because it
    is replaced."""
    return all(group.ends for group in groups if group.votes)


def cluster_closes(groups: Iterable[Group]) -> bool:
    """Whether a launch meets a cluster that is being deleted.

    A cluster without a quorum group is still being created. `cluster_ends` is True for it, this is not.
    """
    known = tuple(groups)
    return any(group.votes for group in known) and cluster_ends(known)


# -- Consul ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Marker:
    """Marker of a node that is being removed; times are in seconds since the epoch."""

    since_s: float
    stop_s: float | None = None
    """Time at which the phase became stop; None before that."""

    @property
    def phase(self) -> str:
        return STAY_OUT if self.stop_s is None else STOP

    def to_json(self) -> str:
        """Return the text in Consul. The node's agent reads its `phase`."""
        return json.dumps({"phase": self.phase, "since": self.since_s, "stop": self.stop_s})

    @classmethod
    def from_json(cls, text: str) -> Marker | None:
        """Parse the text; None if it is no marker."""
        try:
            raw = json.loads(text)
            stop_s = None if raw["stop"] is None else float(raw["stop"])
            return cls(since_s=float(raw["since"]), stop_s=stop_s)
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True, kw_only=True)
class Consul:
    """State that a Consul server reports. `Consul()`: no server answers, or none knows a leader."""

    has_leader: bool = False
    answers: bool = False
    """Whether a server answers, with or without a leader."""
    members: Mapping[str, MemberStatus] = field(default_factory=dict)
    """Status of each node in Consul, by its name."""
    catalogued: frozenset[str] = frozenset()
    peers: Mapping[str, RaftServer] = field(default_factory=dict)
    """Raft servers by node name."""
    markers: Mapping[str, Marker] = field(default_factory=dict)
    recorded: frozenset[str] = frozenset()
    """Names of admitted nodes."""
    missing: Mapping[str, float] = field(default_factory=dict)
    """Node name to the time, in seconds since the epoch, since which it has been missing."""
    lease: RegistryLock | None = None
    """Lock of the registry; None if it never had a holder."""

    def is_alive(self, name: str) -> bool:
        return self.members.get(name) == MemberStatus.ALIVE


# -- Swarm ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Swarm:
    """State that a manager with a quorum reports. `Swarm()`: no manager answers, or there is no quorum."""

    has_quorum: bool = False
    rows: tuple[SwarmNode, ...] = ()
    tasks: Mapping[str, int] = field(default_factory=dict)
    """Number of tasks that still have to end on a node or to run elsewhere, by row ID."""

    def of(self, name: str) -> tuple[SwarmNode, ...]:
        """Return the rows of one node; a node that joined again has more than one."""
        return self._by_name.get(name, ())

    @cached_property
    def _by_name(self) -> dict[str, tuple[SwarmNode, ...]]:
        """Rows by node name, as an index, because the sweep looks up thousands of names."""
        found: dict[str, tuple[SwarmNode, ...]] = {}
        for row in self.rows:
            found[row.name] = (*found.get(row.name, ()), row)
        return found

    @property
    def managers(self) -> tuple[SwarmNode, ...]:
        return tuple(row for row in self.rows if row.is_manager)
