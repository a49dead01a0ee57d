"""Chooses the Consul agent that a program asks: this node's own, or another server on a detour.

The network between two nodes can fail while all other nodes reach both. An agent that is cut off from
Consul's leader answers no consistent query, but other servers still do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from node.machine import log
from swarmer.adapters.consul import Consul, Unavailable
from swarmer.core.state import ConsulMember


def detours(members: Iterable[ConsulMember], *, own: str, leader: str) -> tuple[str, ...]:
    """Addresses of the servers that may reach the leader: alive, not this node, not the leader itself.

    `own`: name of this node. `leader`: address of the leader; empty if it is unknown.
    """
    return tuple(
        sorted(
            each.address
            for each in members
            if each.is_server and each.is_alive and each.name != own and each.address != leader
        )
    )


@dataclass
class LeaderRoute:
    """Route to Consul's leader. The own agent and the other servers take turns until one answers."""

    local: Consul
    own: str
    """Name of this node."""
    connect: Callable[[str], Consul]
    """Function that returns a client for the agent at an address."""
    agent: Consul = field(init=False)
    """Agent to ask now."""
    _detour: str = ""
    """Address of the server asked last on a detour."""
    _tried: int = 0
    """Number of detours so far; it picks the next one."""
    _is_announced: bool = False
    """Whether the detour has been logged."""

    def __post_init__(self) -> None:
        self.agent = self.local

    def on_failure(self) -> None:
        """Take another route, because the agent did not answer."""
        if self.agent is not self.local:
            self.agent = self.local
            return
        with contextlib.suppress(Unavailable):
            leader = self.local.leader().rpartition(":")[0]
            if found := detours(self.local.members(), own=self.own, leader=leader):
                self._detour = found[self._tried % len(found)]
                self._tried += 1
                self.agent = self.connect(self._detour)

    def on_answer(self) -> None:
        """Stay on this route, because the agent answered."""
        if self.agent is not self.local and not self._is_announced:
            self._is_announced = True
            log(f"asks Consul at {self._detour}: the own agent does not reach Consul's leader")

    def return_after(self, question: Callable[[], object]) -> None:
        """Return to the own agent if it answers `question`. Raises Unavailable."""
        if self.agent is not self.local:
            question()
            self.agent = self.local
            if self._is_announced:
                self._is_announced = False
                log("asks Consul at the own agent again")
