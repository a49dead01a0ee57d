"""Names of tasks in Swarm's own DNS, resolved by containers on every node.

The probe is outside the product. In a container of each node it asks Docker's embedded DNS server, and
compares the answer with the running tasks in the managers' list. It remembers no address.

A node that returns still suspects others. Their names are then lost on every node until the next exchange of
whole tables. It happens every 30 s (`PushPullInterval`, libnetwork/networkdb/cluster.go of moby's v28.5.2).
Docker 29 loses such names for good after a cut of 10 to 30 s (moby/moby#53141, 2026-07-22). 28.3 does not.
The fix, moby/moby#53142, is on moby's main branch since 2026-08-23 and in no release up to 29.7.2.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from chaos.actions import heal_network
from chaos.lab import Failure, Lab, Node, until

NETWORK: Final = "faults-names"
EVERYWHERE: Final = "faults-everywhere"
"""Service with a task on each node. Its containers ask the DNS."""
SPREAD: Final = "faults-spread"
"""Service with tasks on some nodes."""
PINNED: Final = "faults-pinned-"
"""Prefix of services whose only task is on one node, so that all of their addresses are lost with it."""
DNS_SERVER: Final = "127.0.0.11"
START_S: Final = 90.0
REMOVED_S: Final = 60.0
GOAL_S: Final = 10.0
"""Goal for the time from the network's return until every name is right, in seconds."""
LOOKS: Final = 2
"""Number of observations in a row that must find every name right."""
RUNNING: Final = "running"

Addresses = frozenset[str]
Names = Mapping[str, Addresses]
"""Addresses by service."""


# -- pure -----------------------------------------------------------------------------------------


def expected(services: Iterable[Mapping[str, Any]], tasks: Iterable[Mapping[str, Any]]) -> Names:
    """Addresses of each service's `tasks.NAME` by rows of `GET /services` and `GET /tasks`."""
    names = {row["ID"]: row["Spec"]["Name"] for row in services}
    found: dict[str, set[str]] = {name: set() for name in names.values()}
    for task in tasks:
        if task["ServiceID"] in names and {task["DesiredState"], task["Status"]["State"]} == {RUNNING}:
            found[names[task["ServiceID"]]] |= set(_own_addresses(task))
    return {name: frozenset(addresses) for name, addresses in found.items()}


def _own_addresses(task: Mapping[str, Any]) -> list[str]:
    attachments = task.get("NetworksAttachments") or ()
    own = [each for each in attachments if each["Network"]["Spec"]["Name"] == NETWORK]
    return [address.partition("/")[0] for each in own for address in each.get("Addresses") or ()]


def resolved(text: str) -> Names:
    """Addresses by service, from the output of ASK: a line `tasks.NAME`, then that of busybox's nslookup."""
    found: dict[str, frozenset[str]] = {}
    for block in re.split(r"^(?=tasks\.)", text, flags=re.MULTILINE)[1:]:
        head, *lines = block.splitlines()
        # The address before the first `Name:` is that of the server.
        _, _, answer = "\n".join(lines).partition("Name:")
        found[head.removeprefix("tasks.")] = frozenset(
            re.findall(r"^Address.*?: *\t*([\d.]+)$", answer, re.M)
        )
    return found


def differences(wanted: Names, answers: Mapping[str, Names]) -> list[str]:
    """Names with other addresses on a node than those of the running tasks, in words.

    `answers`: addresses by service, by node. A service without a running task differs on every node.
    """
    idle = [f"{name} has no running task" for name, addresses in wanted.items() if not addresses]
    return idle + [
        f"tasks.{name} is {_listed(seen)} on {node}, not {_listed(addresses)}"
        for node, names in answers.items()
        for name, addresses in wanted.items()
        if addresses and (seen := names.get(name, frozenset())) != addresses
    ]


def _listed(addresses: Addresses) -> str:
    return ", ".join(sorted(addresses)) or "nothing"


# -- the probe ------------------------------------------------------------------------------------

ASK: Final = f"""label=com.docker.swarm.service.name={EVERYWHERE}
id=$(docker ps -q -f "label=$label" -f status=running | head -n 1)
[ -n "$id" ] || {{ echo "no task of {EVERYWHERE} runs" >&2; exit 1; }}
docker exec "$id" sh -c 'for name in "$@"; do
    echo "tasks.$name"
    nslookup -type=a "tasks.$name" {DNS_SERVER}
done; true' sh "$@" 2>&1"""
"""Script that asks a node's DNS for the services in its arguments."""


@dataclass
class TaskNames:
    """Services on every node, and the names of their tasks before, during and after a cut."""

    lab: Lab | None = None
    were_lost: bool = False
    """Whether names were wrong at the end of the cut; otherwise the cut proves nothing."""
    reconnected_s: float = 0.0
    whole_s: float | None = None
    """Seconds from the network's return until every name was right; None before that."""
    _looks: int = field(default=0)
    """Number of observations in a row that found every name right."""

    def start(self, lab: Lab) -> None:
        """Start the services, and wait until every name is right on every node. Raises Failure."""
        self.lab, self.were_lost, self.whole_s = lab, False, None
        lab.look()
        manager = lab.managers[0]
        manager.on("docker", "network", "create", "-d", "overlay", "--attachable", NETWORK)
        create(manager, EVERYWHERE, "--mode", "global")
        create(manager, SPREAD, "--replicas", str(len(lab.nodes)))
        for node in lab.nodes:
            create(manager, f"{PINNED}{node.name}", "--constraint", f"node.hostname=={node.name}")
        until(
            lambda: not self.problems(), START_S, "not every name of a task resolves on every node", pause_s=1
        )

    def reconnect(self, nodes: list[Node]) -> None:
        """Record whether the cut took any name, then let packets pass again. Raises Failure."""
        try:
            self.were_lost = bool(self.problems())
        finally:
            heal_network(nodes)
            self.reconnected_s, self._looks = time.monotonic(), 0

    def are_whole(self, _: list[Node]) -> bool:
        """Whether the last LOOKS observations found every name right on every node."""
        began_s = time.monotonic()
        self._looks = 0 if self.problems() else self._looks + 1
        if self._looks == 1:
            self.whole_s = began_s - self.reconnected_s
        return self._looks >= LOOKS

    def problems(self) -> list[str]:
        """Names that are wrong now, in words; a silent node is one problem."""
        if self.lab is None:
            return ["no service was started"]
        try:
            wanted = self._expected()
            with ThreadPoolExecutor(len(self.lab.nodes)) as pool:
                answers = pool.map(
                    lambda node: resolved(node.on("sh", "-c", ASK, "sh", *wanted)), self.lab.nodes
                )
                found = dict(zip((node.name for node in self.lab.nodes), answers, strict=True))
            # A task may have moved during the queries.
            return differences(wanted, found) if wanted == self._expected() else ["tasks are moving"]
        except Failure as exc:
            return [str(exc)]

    def _expected(self) -> Names:
        lab = self.lab
        assert lab is not None
        filters = quote(json.dumps({"name": [EVERYWHERE, SPREAD, PINNED]}))
        return expected(lab.ask_swarm(f"/services?filters={filters}"), lab.ask_swarm("/tasks"))

    def lacks(self) -> list[str]:
        """Missing proofs: the cut took no name, or a name is still wrong."""
        return [*self.problems(), *([] if self.were_lost else ["the cut took no name of a task"])]

    def notes(self) -> list[str]:
        """Figures for the report."""
        if self.whole_s is None:
            return ["the names of tasks were not seen whole"]
        return [
            f"every name of a task was right on every node {self.whole_s:.1f} s after the cut "
            f"(the goal is {GOAL_S:.0f} s)"
        ]

    def end(self, lab: Lab) -> None:
        """Remove the services and their network. Raises Failure."""
        lab.look()
        manager = lab.managers[0]
        names = [*(f"{PINNED}{node.name}" for node in lab.nodes), EVERYWHERE, SPREAD]
        manager.on("sh", "-c", 'docker service rm "$@" || true', "sh", *names)
        until(lambda: is_removed(manager), REMOVED_S, f"the network {NETWORK} was not removed", pause_s=1)


def create(manager: Node, name: str, *options: str) -> None:
    """Create a service of the probe on its network. Raises Failure."""
    manager.on(
        *("docker", "service", "create", "-d", "--no-resolve-image", "--name", name, "--network", NETWORK),
        *("--endpoint-mode", "dnsrr", "--stop-grace-period", "1s", *options),
        *("swarmer/probe", "sleep", "86400"),
    )


def is_removed(manager: Node) -> bool:
    """Whether the network is gone. The Swarm keeps it until its last task is gone."""
    try:
        manager.on(
            "sh", "-c", f"docker network rm {NETWORK} >/dev/null 2>&1; ! docker network inspect {NETWORK}"
        )
    except Failure:
        return False
    return True
