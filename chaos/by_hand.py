"""Changes that an operator makes by hand in Swarm and Consul, and the proof that the cluster reverts them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from chaos.catalogue import Fault
from chaos.lab import Failure, Lab, Node, say, until
from chaos.victims import follower, swarm_leader

CONTROLS: Final = "{{.Swarm.ControlAvailable}}"
NODE_ID: Final = "{{.Swarm.NodeID}}"
STATE: Final = "{{.Swarm.LocalNodeState}}"
CHANGED_S: Final = 30.0
"""Timeout for a change of a role: Swarm counts the node's vote and gives it another certificate."""
RESTORED_S: Final = 30.0
"""Timeout for the promotion of a demoted manager: two passes of agents, 3 s apart, and Swarm's own steps."""
REPLACED_S: Final = 600.0
"""Timeout for the replacement of a promoted worker: `healing.grace`, the next sweep, and a boot."""
RPC_PORT: Final = 8300


@dataclass
class Demotion:
    """Demotion of managers."""

    demoted_s: dict[str, float] = field(default_factory=dict)
    """Monotonic time at which a node was found as a worker, by its name."""

    def begin(self, nodes: list[Node]) -> None:
        """Demote, and wait until Swarm has done it. Raises Failure."""
        self.demoted_s = {}
        for node in nodes:
            node.on("docker", "node", "demote", node.name)
            until(partial(is_worker, node), CHANGED_S, f"{node.name} did not become a worker")
            self.demoted_s[node.name] = time.monotonic()

    def is_over(self, nodes: list[Node]) -> bool:
        """Whether every victim was a worker, and is a manager again."""
        if not all(node.name in self.demoted_s and is_manager(node) for node in nodes):
            return False
        for node in nodes:
            say(f"  {node.name} was a worker for {time.monotonic() - self.demoted_s[node.name]:.1f} s")
        return True


@dataclass
class Leave:
    """Leave of nodes from the Swarm; with `also` from Consul, too."""

    also: Callable[[Node], Any] = lambda _: None
    former: dict[str, str] = field(default_factory=dict)
    """Swarm's ID of each node before it left, by its name."""

    def begin(self, nodes: list[Node]) -> None:
        """Leave. Raises Failure."""
        self.former = {node.name: _asked(node, NODE_ID) for node in nodes}
        for node in nodes:
            node.on("docker", "swarm", "leave", "--force")
            self.also(node)

    def is_over(self, nodes: list[Node]) -> bool:
        """Whether each node joined again, as another node for Swarm."""
        return bool(self.former) and all(
            _asked(node, NODE_ID) not in ("", self.former.get(node.name, "")) for node in nodes
        )


def leave_consul(node: Node) -> None:
    """Run `consul leave`. Raises Failure."""
    node.on("consul", "leave")


@dataclass
class ManyChanges:
    """Changes at the same time: a worker is promoted, another one leaves, a server is removed from raft.

    No security group opens port 2377 of a worker, so the promoted one cannot join raft, and its engine fails.
    Victims: a Consul server, then two workers.
    """

    left: Leave = field(default_factory=Leave)
    managers: list[Node] = field(default_factory=list)

    def victims(self, lab: Lab) -> list[Node]:
        server = lab.follower()
        self.managers = [node for node in lab.managers if node != server]
        return [server, *lab.workers[:2]]

    def begin(self, nodes: list[Node]) -> None:
        """Make all changes. Raises Failure."""
        server, promoted, leaving = nodes
        self.managers[0].on("docker", "node", "promote", promoted.name)
        until(partial(has_failed, promoted), CHANGED_S, f"the engine of {promoted.name} did not fail")
        self.left.begin([leaving])
        address = f"-address={server.address}:{RPC_PORT}"
        self.managers[0].on("consul", "operator", "raft", "remove-peer", address)

    def is_over(self, nodes: list[Node]) -> bool:
        """Whether the cluster reverted all changes, and Swarm lists no old row of a node."""
        server, promoted, leaving = nodes
        with contextlib.suppress(Failure):
            rows = self.managers[0].on("docker", "node", "ls", "-q", "-f", f"name={leaving.name}").split()
            is_back = self.left.is_over([leaving]) and len(rows) == 1
            return is_gone(promoted) and is_back and votes(server, self.managers[0])
        return False


def votes(server: Node, asked: Node) -> bool:
    """Whether a Consul server has a vote, in the answer of another one. Raises Failure."""
    known = asked.consul("operator/raft/configuration")["Servers"]
    return any(each["Voter"] and each["Address"] == f"{server.address}:{RPC_PORT}" for each in known)


def has_failed(node: Node) -> bool:
    return _asked(node, STATE) == "error"


def is_gone(node: Node) -> bool:
    return not _asked(node, STATE)


def is_worker(node: Node) -> bool:
    return _asked(node, CONTROLS) == "false"


def is_manager(node: Node) -> bool:
    return _asked(node, CONTROLS) == "true"


def _asked(node: Node, form: str) -> str:
    """Answer of a node's engine by `docker info`; empty if it does not answer."""
    with contextlib.suppress(Failure):
        return node.on("docker", "info", "-f", form).strip()
    return ""


def demoted(name: str, what: str, victims: Callable[[Lab], list[Node]]) -> Fault:
    """Fault that only the Swarm's managers may notice."""
    demotion = Demotion()
    return Fault(
        name=name,
        what=what,
        victims=victims,
        inflict=demotion.begin,
        hold_s=0,
        heals=demotion.is_over,
        heal_s=RESTORED_S,
        is_nothing=True,
    )


LEAVE: Final = Leave(also=leave_consul)
MANY: Final = ManyChanges()
BY_HAND: Final = (
    demoted("manager-demoted", "an operator demotes a manager that leads nothing", follower),
    demoted("leader-demoted", "an operator demotes the Swarm's leader", swarm_leader),
    Fault(
        name="manager-left",
        what="a manager is made to leave the Swarm and Consul",
        victims=follower,
        inflict=LEAVE.begin,
        hold_s=0,
        heals=LEAVE.is_over,
        heal_s=120,
    ),
    Fault(
        name="by-hand",
        what="a worker is promoted, another one leaves, raft loses a server",
        victims=MANY.victims,
        inflict=MANY.begin,
        hold_s=0,
        heals=MANY.is_over,
        heal_s=REPLACED_S,
    ),
)
