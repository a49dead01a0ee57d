"""Actions on nodes: those of a fault, and later those of an operator or the power company."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from chaos.lab import Failure, Lab, Node, docker, say

Action = Callable[[list[Node]], None]
REBOOT_S: Final = 300.0
BUSY_S: Final = 300.0
PERIOD_US: Final = 100_000
"""Period of the kernel's accounts for a share of a core, in microseconds."""
LINKS: Final = (("INPUT", "-i"), ("OUTPUT", "-o"), ("FORWARD", "-i"), ("FORWARD", "-o"))


def nothing(_: list[Node]) -> None:
    """Do nothing as recovery: the cluster must recover by itself."""


def cut_power(nodes: list[Node]) -> None:
    docker("kill", *(node.container for node in nodes))


def give_power(nodes: list[Node]) -> None:
    docker("start", *(node.container for node in nodes))


def reboot(nodes: list[Node]) -> None:
    """Reboot nodes at the same time. A single `docker restart` would restart many containers one after the
    other."""
    with ThreadPoolExecutor(len(nodes)) as pool:
        restart = partial(docker, "restart", "-t", "30", timeout_s=REBOOT_S)
        list(pool.map(restart, [node.container for node in nodes]))


def drop_packets(nodes: list[Node]) -> None:
    for node in nodes:
        node.on("sh", "-c", " && ".join(f"iptables -I {chain} {way} eth0 -j DROP" for chain, way in LINKS))


def heal_network(nodes: list[Node]) -> None:
    for node in nodes:
        node.on("sh", "-c", "; ".join(f"iptables -D {chain} {way} eth0 -j DROP" for chain, way in LINKS))


def cut_pair(nodes: list[Node]) -> None:
    """Drop every packet between the first two nodes, on the first one."""
    one, other = nodes[:2]
    one.on("sh", "-c", " && ".join(f"iptables -I {rule} -j DROP" for rule in _pair_rules(other)))


def join_pair(nodes: list[Node]) -> None:
    one, other = nodes[:2]
    one.on("sh", "-c", "; ".join(f"iptables -D {rule} -j DROP" for rule in _pair_rules(other)))


def _pair_rules(other: Node) -> list[str]:
    """Chains and matches of all packets from and to the other node."""
    return [
        f"{chain} {way} {other.address}"
        for chain, way in (("INPUT", "-s"), ("OUTPUT", "-d"), ("FORWARD", "-s"), ("FORWARD", "-d"))
    ]


def starve(nodes: list[Node]) -> None:
    """Leave each node a twelfth of a core."""
    docker("update", "--cpu-period", f"{PERIOD_US}", "--cpu-quota", f"{PERIOD_US // 12}", *_containers(nodes))


def feed(nodes: list[Node]) -> None:
    docker("update", "--cpu-quota", "-1", *_containers(nodes))


def _containers(nodes: list[Node]) -> list[str]:
    return [node.container for node in nodes]


def freeze(nodes: list[Node]) -> None:
    docker("pause", *(node.container for node in nodes))


def thaw(nodes: list[Node]) -> None:
    docker("unpause", *(node.container for node in nodes))


def kill(program: str) -> Action:
    """Send SIGKILL to one process; its supervisor may start it again."""

    def act(nodes: list[Node]) -> None:
        for node in nodes:
            node.signal("KILL", node.pid(program))

    return act


def runs(program: str) -> Callable[[list[Node]], bool]:
    """Whether a program runs on all nodes: a unit with a killed process has none until its restart."""

    def look(nodes: list[Node]) -> bool:
        with contextlib.suppress(Failure):
            return all(node.pid(program) > 0 for node in nodes)
        return False

    return look


@dataclass
class Standstill:
    """SIGSTOP to one process: it stays, and does nothing. Only the node itself can end that."""

    program: str
    comes_back: bool = True
    """Whether the node starts the program again. The registry's program is started by another manager."""
    pids: Sequence[tuple[Node, int]] = ()

    def begin(self, nodes: list[Node]) -> None:
        self.pids = [(node, node.pid(self.program)) for node in nodes]
        for node, pid in self.pids:
            node.signal("STOP", pid)

    def is_over(self, _: list[Node]) -> bool:
        """Whether the stopped processes are gone, and the program runs again if the node restarts it."""
        if any(node.is_stopped(pid) for node, pid in self.pids):
            return False
        return not self.comes_back or runs(self.program)([node for node, _ in self.pids])

    def clean_up(self, _: Lab) -> None:
        """Wake processes on a node that did not heal itself, because the next fault needs a whole node."""
        for node, pid in self.pids:
            if node.is_stopped(pid):
                say(f"  wakes {self.program} on {node.name}, which nobody did")
                node.signal("CONT", pid)


def keep_busy(nodes: list[Node]) -> None:
    """Run two endless loops on each node for BUSY_S, so that every core is overloaded."""
    for node in nodes:
        for _ in range(2):
            node.on("sh", "-c", f"timeout {BUSY_S:.0f} sh -c 'while :; do :; done' >/dev/null 2>&1 &")


def stop_unit(unit: str) -> Action:
    def act(nodes: list[Node]) -> None:
        for node in nodes:
            node.on("systemctl", "stop", unit)

    return act


def start_unit(unit: str) -> Action:
    def act(nodes: list[Node]) -> None:
        for node in nodes:
            node.on("systemctl", "start", unit)

    return act
