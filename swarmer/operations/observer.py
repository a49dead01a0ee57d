"""Observation of a cluster from outside its nodes' software, and from a container on each node."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Final, Self

from swarmer.adapters.consul import Consul
from swarmer.adapters.consul import Unavailable as ConsulUnavailable
from swarmer.adapters.docker import Engine, Unavailable
from swarmer.core import names, swarm_roles
from swarmer.core.health import Expected, Observation
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER
from swarmer.core.state import SwarmNode

ANSWER_TIMEOUT_S: Final = 6.0
"""Timeout for the answers of all probes together, in seconds."""

# PROBE imports the image that every node carries, then runs a container that tries each URL it receives.
PROBE: Final = f"""{names.IMPORT_PROBE}
exec docker run --rm -i --label swarmer.probe swarmer/probe sh -c '
    while read -r url; do
        wget -q -T 4 -O /dev/null "$url" && echo yes || echo no
    done'
"""


StartProbe = Callable[[str], "subprocess.Popen[str]"]
"""Function that starts PROBE in a shell on a node, by its name. Input and output are lines of text."""


class Probe:
    """Container inside a node that reports whether a URL answers there."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Take over `process`: PROBE, run by a shell on the node."""
        self._process = process
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        if self._process.stdout:
            with self._process.stdout as lines:
                for line in lines:
                    self._lines.put(line.strip())

    def ask(self, url: str) -> None:
        """Send one URL."""
        while not self._lines.empty():
            self._lines.get_nowait()  # a late answer to an older URL
        with contextlib.suppress(OSError):
            if self._process.stdin:
                self._process.stdin.write(url + "\n")
                self._process.stdin.flush()

    def answer(self, deadline_s: float) -> bool:
        """Wait for yes until `deadline_s` (monotonic clock); a missing answer is a no."""
        try:
            return self._lines.get(timeout=max(0.0, deadline_s - time.monotonic())) == "yes"
        except queue.Empty:
            return False

    @property
    def is_over(self) -> bool:
        """Whether the process ended or did not start."""
        return self._process.poll() is not None

    def end(self) -> None:
        """Close the input: the loop ends and the container removes itself."""
        with contextlib.suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()

    def close(self) -> None:
        """End, and wait until the process is gone."""
        self.end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class Observer:
    """Context that observes nodes. `start` runs PROBE on the named node; the probes end with the context."""

    def __init__(self, domain: str, start: StartProbe) -> None:
        self._domain = domain
        self._start = start
        self._probes: dict[str, Probe] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        for probe in self._probes.values():
            probe.end()  # all end at the same time, because each takes a tenth of a second
        for probe in self._probes.values():
            probe.close()

    def observe(self, nodes: Sequence[Expected]) -> Observation:
        """Ask only running machines, because other machines have no valid address."""
        up = [node for node in nodes if node.runs]
        consul = ask_consul(_addresses(up, CONSUL_SERVER, first=True))
        swarm = ask_swarm(_addresses(up, SWARM_MANAGER))
        return Observation(**consul, swarm=swarm, answers=self._ask_probes(up))

    def _ask_probes(self, nodes: Iterable[Expected]) -> dict[str, bool]:
        url = f"http://{names.registry_name(self._domain)}/v2/"
        wanted = [node.name for node in nodes]
        for name in wanted:
            if name not in self._probes or self._probes[name].is_over:
                self._probes[name] = Probe(self._start(name))
            self._probes[name].ask(url)
        deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
        return {name: self._probes[name].answer(deadline_s) for name in wanted}


def _addresses(nodes: Iterable[Expected], role: str, *, first: bool = False) -> list[str]:
    """Addresses of the nodes with the role; `first` adds the others after them."""
    having = [node.address for node in nodes if role in node.roles]
    others = [node.address for node in nodes if role not in node.roles]
    return having + (others if first else [])


def ask_consul(addresses: Iterable[str]) -> dict[str, Any]:
    """Fields of Observation from the first Consul that answers; empty if none does."""
    for address in addresses:
        with contextlib.suppress(ConsulUnavailable):
            consul = Consul(address, names.CONSUL_HTTP_PORT, timeout_s=3)
            members = {each.name: each.status for each in consul.members()}
            found: dict[str, Any] = {"members": members, "leader": consul.leader()}
            # Without a leader Consul answers neither of these two queries. The earlier facts stay valid.
            with contextlib.suppress(ConsulUnavailable):
                found["voters"] = frozenset(each.name for each in consul.raft_servers() if each.is_voter)
                found["unhealthy"] = consul.unhealthy(names.SERVICE_NODE)
                found["idle_managers"] = consul.unhealthy(names.SERVICE_MANAGER)
                found["maintained"] = consul.maintained()
                for each in consul.healthy(names.SERVICE_REGISTRY):
                    found["holder"] = each.node
                    found["registry_address"] = f"{each.address}:{each.port}"
            return found
    return {}


def ask_swarm(addresses: Iterable[str]) -> dict[str, SwarmNode]:
    """Nodes of the Swarm by host name, from the first manager that answers; empty if none does."""
    for address in addresses:
        with contextlib.suppress(Unavailable):
            return swarm_roles.by_name(Engine(f"tcp://{address}:{names.DOCKER_PORT}", timeout_s=3).nodes())
    return {}
