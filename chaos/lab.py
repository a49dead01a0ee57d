"""Cluster of the faults, through `swarmer`, docker and the answers of its nodes.

From the product it imports only the labels of the rehearsal's containers. It never touches other containers.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from chaos import probe
from chaos.probe import Target, survivors
from swarmer.adapters import process
from swarmer.local import engine, environment

SWARMER: Final = str(environment.ROOT / ".venv/bin/swarmer")
AWS_PORT: Final = os.environ.get("SWARMER_AWS_PORT", str(environment.AWS_PORT))
"""Port of the simulated AWS. It is fixed: if it is taken, the lab fails, so it never asks a foreign AWS."""
UP_S: Final = 600.0
STATUS_S: Final = 60.0
DOCKER_PORT: Final = 4000
PAUSE_S: Final = 1.0
DEFAULT_CIDR: Final = "10.42.0.0/16"


class Failure(Exception):
    """A step failed, or was late; the text has its name."""


def say(text: str) -> None:
    """Print a text for the watching person."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def until(promise: Callable[[], bool], within_s: float, what: str, *, pause_s: float = 0.2) -> float:
    """Seconds until the promise holds. Raises Failure."""
    began_s = time.monotonic()
    while not promise():
        if time.monotonic() - began_s > within_s:
            raise Failure(f"{what} within {within_s:.0f} s")
        time.sleep(pause_s)
    return time.monotonic() - began_s


def swarmer(servers: Path, *argv: str, timeout_s: float = STATUS_S) -> subprocess.CompletedProcess[str]:
    """Run `swarmer ARGV -f SERVERS`, like an operator. Raises Failure if it takes too long."""
    command = [SWARMER, argv[0], "-f", str(servers), *argv[1:]]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as exc:
        raise Failure(f"swarmer {argv[0]} did not end within {timeout_s:.0f} s") from exc


@dataclass
class Node:
    """Node, with the container that serves as its machine."""

    name: str
    address: str
    group: str
    roles: tuple[str, ...]
    container: str
    servers: Path

    def terminate(self) -> None:
        """Terminate it like AWS's console, without a warning. Raises Failure."""
        done = swarmer(self.servers, "terminate", self.name)
        if done.returncode:
            raise Failure(f"swarmer terminate: {done.stderr.strip()}")

    def scale_group(self, number: int) -> None:
        """Set the number of nodes of its group. Raises Failure."""
        done = swarmer(self.servers, "scale", self.group, str(number))
        if done.returncode:
            raise Failure(f"swarmer scale: {done.stderr.strip()}")

    def on(self, *command: str, timeout_s: float = 60) -> str:
        """Run a command on it. Raises Failure."""
        return docker("exec", self.container, *command, timeout_s=timeout_s)

    def consul(self, path: str) -> Any:
        """Answer of its Consul to `GET /v1/PATH`. Raises Failure."""
        try:
            reply = probe.ask(self.address, "GET", f"/v1/{path}", port=probe.CONSUL_PORT, timeout_s=3)
            return json.loads(probe.expect(reply, 200, path).body)
        except probe.ERRORS as exc:
            raise Failure(f"{self.name}: {path}: {exc}") from exc

    def pid(self, program: str) -> int:
        """PID of a program by its exact name, or of a unit's (`….service`) main process. Raises Failure."""
        if program.endswith(".service"):
            found = self.on("systemctl", "show", "-p", "MainPID", "--value", program)
        else:
            found = self.on("pgrep", "-o", "-x", program)
        if not int(found):
            raise Failure(f"{program} does not run on {self.name}")
        return int(found)

    def signal(self, name: str, pid: int) -> None:
        """Send a signal to one process."""
        self.on("kill", f"-{name}", str(pid))

    def is_stopped(self, pid: int) -> bool:
        """Whether process `pid` exists and is stopped."""
        try:
            return self.on("ps", "-o", "stat=", "-p", str(pid)).startswith("T")
        except Failure:
            return False


def docker(*argv: str, timeout_s: float = 60) -> str:
    """Run `docker ARGV` on this machine's engine. Raises Failure."""
    try:
        return engine.docker(*argv, timeout_s=timeout_s)
    except process.Failed as exc:
        raise Failure(str(exc)) from exc


@dataclass
class Lab:
    """Cluster that is brought up if it does not run."""

    servers: Path
    nodes: list[Node] = field(default_factory=list)

    @property
    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load(self.servers.read_text())
        return found

    def swarmer(self, *argv: str, timeout_s: float = STATUS_S) -> subprocess.CompletedProcess[str]:
        """Run `swarmer` on this cluster. Raises Failure if it takes too long."""
        return swarmer(self.servers, *argv, timeout_s=timeout_s)

    def up(self) -> None:
        """Bring up a validated cluster, and power on nodes that are off. Raises Failure."""
        done = self.swarmer("up", "--aws-port", AWS_PORT, timeout_s=UP_S)
        if done.returncode:
            raise Failure(f"swarmer up: {done.stderr.strip()[-2000:]}")
        self.look()

    def down(self) -> None:
        """Remove all of the cluster."""
        self.swarmer("down", timeout_s=UP_S)

    def anew(self) -> None:
        """Replace a broken cluster by a new one."""
        self.down()
        self.up()

    def look(self) -> None:
        """Read the list of nodes."""
        by_name = {
            each.labels[environment.LABEL_NODE]: each.name
            for each in engine.containers(
                environment.LABEL_NODE, **{environment.LABEL_CLUSTER: self.described["name"]}
            )
        }
        self.nodes = [
            Node(
                name=each["name"],
                address=each["address"],
                group=each["group"],
                roles=tuple(each["roles"]),
                container=by_name[each["name"]],
                servers=self.servers,
            )
            for each in self.status()["nodes"]
            if each["name"] in by_name
        ]

    def status(self) -> dict[str, Any]:
        """Result of `swarmer status --json`."""
        found: dict[str, Any] = json.loads(self.swarmer("status", "--json").stdout)
        return found

    def problems(self) -> list[str]:
        """Problems of the cluster; empty if it is validated."""
        done = self.swarmer("status", "--json")
        if not done.returncode:
            return []
        try:
            return list(json.loads(done.stdout)["problems"])
        except (ValueError, KeyError):
            return [done.stderr.strip() or "swarmer status says nothing"]

    def wait_validated(self, within_s: float) -> float:
        """Seconds until it is validated. Raises Failure with the problems."""
        began_s, problems = time.monotonic(), ["never asked"]
        while time.monotonic() - began_s < within_s:
            if not (problems := self.problems()):
                return time.monotonic() - began_s
            # Each status is work for every node, and it must not disturb the measurement.
            time.sleep(PAUSE_S)
        raise Failure(f"not validated within {within_s:.0f} s: {'; '.join(problems)}")

    def keep_journals(self, folder: Path) -> None:
        """Save every node's journal, for the search for a cause."""
        folder.mkdir(parents=True, exist_ok=True)
        for node in self.nodes:
            with contextlib.suppress(Failure, OSError):
                (folder / f"{node.name}.log").write_text(
                    node.on("journalctl", "-b", "-n", "5000", "--no-pager")
                )

    # -- roles ------------------------------------------------------------------------------------

    @property
    def managers(self) -> list[Node]:
        return [node for node in self.nodes if "swarm-manager" in node.roles]

    @property
    def consul_servers(self) -> list[Node]:
        return [node for node in self.nodes if "consul-server" in node.roles]

    @property
    def workers(self) -> list[Node]:
        """Nodes that are only workers."""
        return [node for node in self.nodes if node.roles == ("swarm-worker",)]

    def _get(self, nodes: list[Node], port: int, path: str) -> Any:
        """Answer of the first node that answers. Raises Failure."""
        said = "nobody was asked"
        for node in nodes:
            try:
                reply = probe.ask(node.address, "GET", path, port=port, timeout_s=3)
                return json.loads(probe.expect(reply, 200, path).body)
            except probe.ERRORS as exc:
                said = f"{node.name}: {exc}"
        raise Failure(f"{path}: {said}")

    def _named(self, name: str) -> Node:
        for node in self.nodes:
            if name in (node.name, node.address):
                return node
        raise Failure(f"{name or 'nobody'} is no node of the cluster")

    def holder(self) -> Node:
        """Holder of the registry's lock, because the catalogue may list others, too. Raises Failure."""
        (lock,) = self._get(self.consul_servers, probe.CONSUL_PORT, f"/v1/kv/{probe.LOCK}")
        if not lock.get("Session"):
            raise Failure("nobody holds the registry")
        return self._named(json.loads(base64.b64decode(lock["Value"]))["node"])

    def consul_leader(self) -> Node:
        """Node that leads Consul. Raises Failure."""
        leader: str = self._get(self.consul_servers, probe.CONSUL_PORT, "/v1/status/leader")
        return self._named(leader.partition(":")[0])

    def ask_swarm(self, path: str) -> Any:
        """Answer of a manager's Docker to `GET PATH`. Raises Failure."""
        return self._get(self.managers, DOCKER_PORT, path)

    def engines(self) -> dict[str, str]:
        """Version of Docker Engine by node. Raises Failure."""
        rows = self.ask_swarm("/nodes")
        return {row["Description"]["Hostname"]: row["Description"]["Engine"]["EngineVersion"] for row in rows}

    def swarm_leader(self) -> Node:
        """Node that leads the Swarm. Raises Failure."""
        for row in self.ask_swarm("/nodes"):
            if (row.get("ManagerStatus") or {}).get("Leader"):
                return self._named(row["Description"]["Hostname"])
        raise Failure("the Swarm has no leader")

    def follower(self) -> Node:
        """Manager with as few leading roles as possible, and not the registry's holder."""
        holder, leads = self.holder(), (self.swarm_leader(), self.consul_leader())
        others = [node for node in self.managers if node != holder]
        return min(others, key=lambda node: sum(node == leader for leader in leads))

    def target(self, victims: list[Node]) -> Target:
        """Target for the probe. It resolves names by a worker and a manager that outlive the fault."""
        gone = [node.address for node in victims]
        order = [*self.workers[:1], *self.managers, *self.workers[1:]]
        servers = [node.address for node in self.consul_servers]
        return Target(
            domain=self.described.get("domain", "swarmer"),
            resolvers=survivors(list(dict.fromkeys(node.address for node in order)), gone)[:2],
            doors=tuple(node.address for node in self.managers),
            walls=tuple(node.address for node in self.nodes if node not in self.managers),
            servers=survivors(servers, gone),
            network=self.described.get("network", {}).get("cidr", DEFAULT_CIDR),
        )
