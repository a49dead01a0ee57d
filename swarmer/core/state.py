"""Facts about a running cluster, one type per fact: adapters make them, and everyone else reads them.

Standard library only: it runs on nodes, and in functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
