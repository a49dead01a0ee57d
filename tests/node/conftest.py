"""A real Consul on loopback, from the binary that the node image carries."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from swarmer.adapters import process
from swarmer.adapters.consul import Consul, Unavailable
from swarmer.core import configuration
from swarmer.core.node import ProviderView
from swarmer.local import consul_binary, environment, host, node_image

PORTS_OF_WORKER = 3000
"""Number of ports for each process of tests."""
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
PORTS = itertools.cycle(range(20000 + WORKER * PORTS_OF_WORKER, 20000 + (WORKER + 1) * PORTS_OF_WORKER))
"""Ports of this process, below the range from which the kernel gives ports to clients."""


def free_port() -> int:
    """Port that no other process of tests takes: each has its own range."""
    return next(port for port in PORTS if is_free(port))


def is_free(port: int) -> bool:
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        try:
            stream.bind(("127.0.0.1", port))
            datagrams.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass
class ConsulServer:
    """One server that is its own cluster."""

    folder: Path
    port: int
    settings: dict[str, Any] = field(default_factory=dict)
    """Beside what every test needs."""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        ports = {"http": self.port, "dns": -1, "server": free_port(), "serf_lan": free_port(), "serf_wan": -1}
        release = configuration.of_release(consul_binary.chosen().version)
        config = {
            **release,
            "server": True,
            "bootstrap_expect": 1,
            "bind_addr": "127.0.0.1",
            "data_dir": str(self.folder / "data"),
            "ports": release.get("ports", {}) | ports,
            "performance": {"raft_multiplier": 1},
            "log_level": "ERR",
            **self.settings,
        }
        (self.folder / "consul.json").write_text(json.dumps(config))
        self.process = subprocess.Popen(
            [self.binary(), "agent", "-config-file", str(self.folder / "consul.json")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline_s = time.monotonic() + 30
        while not self.is_ready():
            assert self.process.poll() is None, f"Consul ended: {ports}"
            assert time.monotonic() < deadline_s, "Consul is not ready"
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def is_ready(self) -> bool:
        """Whether it leads and its node is registered: only then it grants sessions."""
        try:
            client = self.client()
            client.destroy_session(client.create_session("probe", ttl_s=10, lock_delay_s=1))
        except Unavailable:
            return False
        return True

    def client(self, timeout_s: float = 2) -> Consul:
        return Consul("127.0.0.1", self.port, timeout_s=timeout_s)

    @staticmethod
    def binary() -> str:
        host.ensure_packages(("mmdebstrap", "mmdebstrap"))
        environment.CACHE.mkdir(parents=True, exist_ok=True)
        return str(node_image.ensure_consul(environment.CACHE, lambda _: None))


@pytest.fixture
def consul(tmp_path: Path) -> Iterator[ConsulServer]:
    server = ConsulServer(tmp_path, free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Commands that were run, without the interpreter."""
    found: list[tuple[str, ...]] = []

    def run(argv: list[str], **_: object) -> str:
        found.append(tuple(argv[1:]))
        return ProviderView().to_json() if argv[-1] == "describe" else ""

    monkeypatch.setattr(process, "run", run)
    return found
