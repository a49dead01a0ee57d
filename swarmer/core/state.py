"""Facts about a running cluster, one type per fact. Adapters create them, all other modules read them.

Standard library only: it runs on nodes, and in functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class MemberStatus(StrEnum):
    """State of a Consul member, in Serf's words.

    Source: https://pkg.go.dev/github.com/hashicorp/serf/serf#MemberStatus
    """

    NONE = "none"
    ALIVE = "alive"
    LEAVING = "leaving"
    LEFT = "left"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsulMember:
    """Node in the memory of another node's Consul."""

    name: str
    address: str
    status: MemberStatus
    is_server: bool

    @property
    def is_alive(self) -> bool:
        """Whether it answers the other members."""
        return self.status is MemberStatus.ALIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class RaftServer:
    """A server in the raft configuration of Consul."""

    name: str
    address: str
    """`address:port`."""
    is_voter: bool
    is_leader: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceInstance:
    """Service on one node in Consul's catalogue."""

    node: str
    """Name of the node."""
    address: str
    """Address of the service; empty if it has its node's address."""
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmNode:
    """Row of `docker node ls`. A host has two rows if it joined again."""

    id: str
    name: str
    """Host name; empty for a node that has just joined."""
    role: str
    """Role in its specification: manager or worker."""
    state: str
    """ready, down, unknown, disconnected."""
    availability: str = "active"
    """active, pause or drain."""
    reachability: str = ""
    """reachable, unreachable or unknown; empty for a node outside the managers' raft."""
    is_leader: bool = False
    address: str = ""
    """Address at which other managers reach it; empty for a node outside the managers' raft."""

    @property
    def is_manager(self) -> bool:
        """Whether it is a manager in its specification, or still in fact: a demotion takes a moment."""
        return self.role == "manager" or bool(self.reachability)

    @property
    def is_ready(self) -> bool:
        """Whether the leader receives its heartbeats."""
        return self.state == "ready"


@dataclass(frozen=True, slots=True)
class SwarmStatus:
    """State of an engine's Swarm as `docker info` shows it."""

    state: str
    """Swarm.LocalNodeState: inactive, pending, active, error or locked."""
    is_manager: bool
    """Whether the engine controls the Swarm: it is a manager that sees a quorum."""
    error: str
    id: str
    """ID of the Swarm; only managers know it."""
    node: str
    """ID of this engine as a node of the Swarm; empty outside a Swarm."""
    managers: tuple[str, ...] = ()
    """Addresses of all managers in this node's memory, silent ones included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupInstance:
    """EC2 instance of a group."""

    id: str
    state: str
    """State of the instance: pending, running, stopped, terminated …"""
    group: str
    roles: tuple[str, ...]
    address: str
    """Private address; empty for some terminated instances."""
    zone: str
    user_data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostContainer:
    """Container on an operator's machine that serves as a machine or runs a function."""

    id: str
    name: str
    labels: Mapping[str, str]
    is_running: bool
    started_at: str
    """Time of the last start (RFC 3339)."""
    chosen_addresses: Mapping[str, str]
    """Chosen address by network; it stays while the container is stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """A Docker engine as `docker info` shows it."""

    id: str
    data_folder: str
    """Path of the folder in which the engine keeps its state."""
    swarm: SwarmStatus
    claims_control: bool
    """Swarm.ControlAvailable: the engine is a manager, with or without a quorum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """Published port of a service of the Swarm."""

    protocol: str
    """tcp, udp or sctp."""
    target: int
    """Port inside the container."""
    published: int
    """Port on the nodes; 0 if none is assigned yet."""
    is_ingress: bool
    """Whether the routing mesh publishes it, on every node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmService:
    """Service of the Swarm in a manager's list."""

    id: str
    name: str
    env: tuple[str, ...] = ()
    """Environment of its containers: `KEY=value`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of its containers and of the service; the latter take precedence."""
    ports: tuple[ServicePort, ...] = ()
    running_tasks: int | None = None
    """Number of its running tasks; None from an engine before 20.10, because it does not count them."""
    desired_tasks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSummary:
    """One row of `docker ps`."""

    id: str
    names: tuple[str, ...] = ()
    """Names, each with the slash that Docker puts before it."""
    state: str = ""
    """created, running, paused, restarting, removing, exited or dead."""
    status: str = ""
    """State in words: `Up 3 minutes (healthy)`, `Exited (1) 2 hours ago`."""
    ports: tuple[str, ...] = ()
    """`public:private` of each port."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """IPv4 address on each network, by the network's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortBinding:
    """Address and port of the host that lead to a port of a container, in Docker's words."""

    host_ip: str
    host_port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container as `docker inspect` shows it."""

    id: str
    name: str
    """Name without the slash that Docker puts before it."""
    image: str
    """Image of its start: a name or an ID, as it was given."""
    image_id: str
    document: Mapping[str, Any]
    """Everything that `docker inspect` prints, for templates."""
    env: tuple[str, ...] = ()
    """Environment: `KEY=value`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    not_text: tuple[str, ...] = ()
    """Labels and entries of the environment that are no text, and so were left out."""
    exposed_ports: tuple[str, ...] = ()
    """Ports from the image or the command line: `80/tcp`."""
    ports: Mapping[str, tuple[PortBinding, ...]] = field(default_factory=dict)
    """Bindings of each port that Docker lists, by `80/tcp`; empty if the port is not published."""
    network_mode: str = ""
    """bridge, host, `container:<id>`, the name of a network …"""
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Addresses on each network, by the network's name: IPv4, then IPv6."""
    address: str = ""
    """Address on the default bridge; empty if there is none."""
    is_running: bool = True
    """Whether it runs. True for a paused container; False between two attempts of a restart policy."""
    has_exited: bool = False
    exit_status: int = 0
    health: str = ""
    """State of its HEALTHCHECK: starting, healthy or unhealthy; empty if it has none."""
    health_output: str = ""
    """Last output of its HEALTHCHECK."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryLock:
    """The lock in Consul whose holder serves the registry."""

    session: str | None
    """Session of the holder; None if the lock is free."""
    number: int
    """Number of the lease: Consul's LockIndex, which grows by one with each holder."""
    holder: str = ""
    """Name of the holder's node; empty if the lock is free."""
    address: str = ""
    """Address of the holder; empty if the lock is free."""
    index: int = 0
    """Consul's index of this state: a newer state has a higher index."""
    handover_asked: bool = False
    """Whether an operator or a function asked this holder to hand over."""
