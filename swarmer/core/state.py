"""Facts about a running cluster, one type per fact: adapters make them, and everyone else reads them.

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
    """A node as another node's Consul remembers it."""

    name: str
    address: str
    status: MemberStatus
    is_server: bool

    @property
    def is_alive(self) -> bool:
        """It answers the other members."""
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
    """A service on one node, as Consul's catalogue has it."""

    node: str
    """Name of the node."""
    address: str
    """Address of the service; empty if it declared none and has its node's."""
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmNode:
    """One row of `docker node ls`. A host has two of them if it joined anew."""

    id: str
    name: str
    """Host name; empty while a node that has just joined has not described itself."""
    role: str
    """manager or worker, as its specification says."""
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
        """In its specification, or still in fact: a demotion takes a moment."""
        return self.role == "manager" or bool(self.reachability)

    @property
    def is_ready(self) -> bool:
        """The leader hears from it."""
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
    """Addresses of all managers that this node remembers, whether they answer or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupInstance:
    """EC2 instance of a group."""

    id: str
    state: str
    """State of the instance: pending, running, stopped, terminated …"""
    group: str
    roles: tuple[str, ...]
    address: str
    """Private address; empty if a terminated instance has none any more."""
    zone: str
    user_data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostContainer:
    """Container of an operator's machine that stands for a machine or a function."""

    id: str
    name: str
    labels: Mapping[str, str]
    is_running: bool
    started_at: str
    """Time of the last start (RFC 3339)."""
    chosen_addresses: Mapping[str, str]
    """Address that was chosen for it, by network; it stays while the container is stopped."""


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
    """A port that a service of the Swarm publishes."""

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
    """A service of the Swarm, as a manager lists it."""

    id: str
    name: str
    env: tuple[str, ...] = ()
    """Environment of its containers: `KEY=value`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of its containers, and of the service, which take precedence."""
    ports: tuple[ServicePort, ...] = ()
    running_tasks: int | None = None
    """Number of its running tasks; None from an engine before 20.10, which does not count them."""
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
    """An address and a port of the host that lead to a port of a container, as Docker writes them."""

    host_ip: str
    host_port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container as `docker inspect` shows it."""

    id: str
    name: str
    """Name without the slash that Docker puts before it."""
    image: str
    """Image that it was started from, as it was named: a name or an ID."""
    image_id: str
    document: Mapping[str, Any]
    """Everything that `docker inspect` prints, for templates."""
    env: tuple[str, ...] = ()
    """Environment: `KEY=value`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    not_text: tuple[str, ...] = ()
    """Labels and entries of the environment that were left out because they are no text."""
    exposed_ports: tuple[str, ...] = ()
    """Ports that the image or the command line names: `80/tcp`."""
    ports: Mapping[str, tuple[PortBinding, ...]] = field(default_factory=dict)
    """Bindings of each port that Docker lists, by `80/tcp`; empty if the port is not published."""
    network_mode: str = ""
    """bridge, host, `container:<id>`, the name of a network …"""
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Addresses on each network, by the network's name: IPv4, then IPv6."""
    address: str = ""
    """Address on the default bridge; empty if there is none."""
    is_running: bool = True
    """Whether it runs. A paused one does; between two attempts of a restart policy it does not."""
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
    """Consul's LockIndex: grows by one with each holder. It is the number of the lease."""
    holder: str = ""
    """Name of the holder's node; empty if the lock is free."""
    address: str = ""
    """Address of the holder; empty if the lock is free."""
    index: int = 0
    """Consul's index of this state: the higher of two is the newer."""
    handover_asked: bool = False
    """Somebody asked this holder to hand over."""
