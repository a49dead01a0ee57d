"""A real Consul agent, configured as on a node, on a loopback address of its own."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarmer.adapters.consul import Consul, Unavailable
from swarmer.core import configuration, names
from swarmer.core.configuration import Machine
from swarmer.core.identity import AwsEndpoints, MachineIdentity
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER, SWARM_WORKER, NodeDescription, Storage
from swarmer.local import consul_binary

ALL_ROLES = (CONSUL_SERVER, SWARM_MANAGER, SWARM_WORKER)


def machine(address: str, *, instance: str = "i-1", roles: tuple[str, ...] = ALL_ROLES) -> Machine:
    """A node of a cluster with one Consul server."""
    node = NodeDescription(
        cluster="tests",
        domain="tests",
        group="core",
        roles=roles,
        consul_servers=1,
        network_cidr="127.0.0.0/8",
        storage=Storage(bucket="blobs", region="us-east-1"),
        identity="/swarmer/tests/identity",
    )
    identity = MachineIdentity(
        instance_id=instance, address=address, zone="us-east-1a", region="us-east-1", endpoints=AwsEndpoints()
    )
    return Machine(node=node, identity=identity, address=address)


def eventually(is_so: Callable[[], Any], within_s: float = 20) -> Any:
    """The first true value that `is_so` gives; Consul may be unavailable meanwhile."""
    deadline_s = time.monotonic() + within_s
    last: object = None
    while time.monotonic() < deadline_s:
        try:
            if found := is_so():
                return found
        except Unavailable as exc:
            last = exc
        time.sleep(0.03)
    raise AssertionError(f"not within {within_s} s: {getattr(is_so, '__name__', is_so)} ({last})")


@dataclass
class Daemon:
    """One agent; `start` waits until it answers, `stop` until it is gone."""

    binary: Path
    folder: Path
    machine: Machine
    process: subprocess.Popen[bytes] | None = None
    api: Consul = field(init=False)

    def __post_init__(self) -> None:
        self.api = Consul(self.machine.address, timeout_s=10)
        self.folder.mkdir(parents=True)

    @property
    def address(self) -> str:
        return self.machine.address

    def start(self) -> None:
        """Start the daemon like on a node, but with another data folder and other addresses."""
        own = {
            "data_dir": str(self.folder / "data"),
            "client_addr": self.address,
            "addresses": {"dns": self.address},
        }
        config = self.folder / "consul.json"
        config.write_text(
            json.dumps(configuration.consul(self.machine, consul_binary.chosen().version) | own)
        )
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "agent", f"-config-file={config}"], stdout=log, stderr=log
            )
        eventually(lambda: self.api.members())

    def is_member(self) -> bool:
        """The leader has taken this agent into its catalogue; sessions can be made from then on."""
        return bool(self.api.leader()) and self.machine.name in {
            node["Node"] for node in self.request("GET", "catalog/nodes")
        }

    def stop(self) -> None:
        """Stop at once, like a power cut."""
        self.api._api.http.close()
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def forget(self) -> None:
        """Lose everything."""
        shutil.rmtree(self.folder / "data")

    @contextlib.contextmanager
    def that_cannot_write(self, part: str) -> Iterator[None]:
        """Where a part of its data belongs stands something else, as if the disk took nothing more."""
        place, aside = self.folder / "data" / part, self.folder / f"{part}.aside"
        if place.exists():
            place.rename(aside)
        place.write_text("")
        yield
        place.unlink()
        if aside.exists():
            aside.rename(place)

    def freeze(self) -> None:
        """Stand still."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)

    def request(self, method: str, path: str) -> Any:
        """Answer to a request that the adapter has no use for. Raises Unavailable if there is no leader."""
        url = f"http://{self.address}:{names.CONSUL_HTTP_PORT}/v1/{path}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as exc:
            with exc:
                raise Unavailable(f"{path}: {exc}") from exc

    def sweep(self) -> None:
        """Take away what a test left: services, keys, sessions."""
        for service in self.api.services():
            self.api.deregister(service.id)
        self.request("DELETE", "kv/?recurse=true")
        for session in self.request("GET", "session/list"):
            self.request("PUT", f"session/destroy/{session['ID']}")
