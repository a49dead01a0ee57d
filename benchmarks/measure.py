"""Observations from outside: the engine's events, Consul's catalogue and DNS, a process' CPU and memory."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import random
import signal
import socket
import statistics
import struct
import subprocess
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.node.conftest import ConsulServer, free_port
from tests.node.lab import tiny_image

LABEL: Final = "swarmer.bench-registrator"
IMAGE: Final = "swarmer/bench-registrator:1"
SOCKET: Final = "/run/docker.sock"
ENVIRONMENT: Final = {**os.environ, "DOCKER_HOST": f"unix://{SOCKET}"}
LONGEST_S: Final = 30.0
PORT: Final = 8080


class Consul:
    """Development agent: a whole Consul cluster in one process."""

    def __enter__(self) -> Consul:
        self.port, self.dns = free_port(), free_port()
        ports = {"http": self.port, "dns": self.dns, "server": free_port(), "serf-lan": free_port()}
        argv = [ConsulServer.binary(), "agent", "-dev", "-bind", "127.0.0.1", "-log-level", "err"]
        argv += [word for name, port in ports.items() for word in (f"-{name}-port", str(port))]
        argv += ["-grpc-port", "-1", "-serf-wan-port", "-1"]
        self._process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait(lambda: self.get("/v1/catalog/nodes")[0], 30)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def get(self, path: str) -> tuple[Any, int]:
        """Value and Consul's index; empty without an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=70)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return json.loads(response.read()), int(response.getheader("X-Consul-Index") or 0)
        except (OSError, ValueError):
            return {}, 0
        finally:
            connection.close()


def wait(promise: Callable[[], Any], within_s: float = LONGEST_S) -> bool:
    """Wait for the promise; return whether it came true in time."""
    deadline_s = time.time() + within_s
    while not promise():
        if time.time() > deadline_s:
            return False
        time.sleep(0.005)
    return True


def docker(*argv: str, check: bool = True) -> str:
    done = subprocess.run(
        ["docker", *argv], env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=300
    )
    if check and done.returncode:
        raise SystemExit(f"docker {' '.join(argv[:3])}: {done.stderr.strip()}")
    return done.stdout.strip()


class Events(threading.Thread):
    """Engine's times of the last start and end of each container of the benchmark."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.at: dict[tuple[str, str], float] = {}
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(SOCKET)
        filters = urllib.parse.quote(json.dumps({"label": [LABEL], "type": ["container"]}))
        self._socket.sendall(f"GET /events?filters={filters} HTTP/1.0\r\n\r\n".encode())
        self.start()

    def run(self) -> None:
        lines = self._socket.makefile("rb")
        for line in lines:
            if line.startswith(b"{"):
                event = json.loads(line)
                self.at[event["Actor"]["Attributes"]["name"], event["Action"]] = event["timeNano"] / 1e9


class Names(threading.Thread):
    """Times at which each name appeared in the catalogue and disappeared, from one blocking query."""

    def __init__(self, consul: Consul) -> None:
        super().__init__(daemon=True)
        self.now: set[str] = set()
        self.up: dict[str, float] = {}
        self.down: dict[str, float] = {}
        self._consul, self.is_over = consul, False
        self.start()

    def run(self) -> None:
        index = 0
        while not self.is_over:
            found, new = self._consul.get(f"/v1/catalog/services?wait=60s&index={index}")
            at_s = time.time()
            index = new if new >= index else 0
            self.up.update(dict.fromkeys(found.keys() - self.now, at_s))
            self.down.update(dict.fromkeys(self.now - found.keys(), at_s))
            self.now = set(found)


class Resolver(threading.Thread):
    """Times at which DNS answered each name, from SRV queries every few milliseconds."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.up: dict[str, float] = {}
        self.wanted: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(1)
        self._socket.connect(("127.0.0.1", port))
        self.start()

    def run(self) -> None:
        open_names: list[str] = []
        while True:
            with contextlib.suppress(queue.Empty):
                open_names.append(self.wanted.get(timeout=0.003 if open_names else 60))
            for name in list(open_names):
                if self._answers(name):
                    self.up[name] = time.time()
                    open_names.remove(name)

    def _answers(self, name: str) -> bool:
        number = random.randrange(65536)
        labels = b"".join(bytes([len(each)]) + each.encode() for each in (name, "service", "consul"))
        question = (
            struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 33, 1)
        )
        try:
            self._socket.send(question)
            while (answer := self._socket.recv(4096))[:2] != question[:2]:
                pass
        except OSError:
            return False
        return answer[6:8] != b"\0\0"


@dataclass
class Process:
    """Registrator under measurement."""

    argv: list[str]
    log: Path
    handle: subprocess.Popen[bytes] | None = None
    memory_mb: float = 0.0

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.handle = subprocess.Popen(self.argv, env=ENVIRONMENT, stdout=log, stderr=log)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.handle:
            self.usage()
            self.handle.send_signal(number)
            self.handle.wait(10)
            self.handle = None

    def usage(self) -> float:
        """Seconds of CPU so far. The call also records the maximum of the memory."""
        if self.handle is None:
            return 0.0
        folder = Path(f"/proc/{self.handle.pid}")
        lines = (folder / "status").read_text().splitlines()
        most = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
        self.memory_mb = round(max(self.memory_mb, most), 1)
        # The process' own clock is read, because the kernel's ticks of 10 ms are too coarse.
        spent_ns = sum(int((task / "schedstat").read_text().split()[0]) for task in folder.glob("task/*"))
        return spent_ns / 1e9


@dataclass
class Bench:
    """One registrator, from its start to its end."""

    consul: Consul
    command: list[str]
    containers: int
    many: int = 300
    idle_s: float = 30.0
    run_id: str = field(default_factory=lambda: f"b{random.randrange(16**5):05x}")
    names: list[str] = field(default_factory=list)
    """Names of the running containers."""
    wrong: int = 0

    def run(self, phases: Mapping[str, Callable[[Bench], dict[str, Any]]]) -> dict[str, Any]:
        """Figures by phase."""
        self.events, self.catalogue = Events(), Names(self.consul)
        self.resolver = Resolver(self.consul.dns)
        ensure_image()
        with tempfile.TemporaryDirectory() as folder:
            address = f"consul://127.0.0.1:{self.consul.port}"
            self.process = Process([*self.command, address], Path(folder) / "log")
            self.process.start()
            found: dict[str, Any] = {}
            try:
                for name, phase in phases.items():
                    found[name] = phase(self)
                self.process.usage()
            finally:
                self.remove(self.names)
                self.settle(set())
                self.process.stop()
                self.catalogue.is_over = True
        spent = [found[name]["cpu_s"] for name in ("seq", "rm") if name in found]
        found["cpu"] = {"up_and_down_s": round(sum(spent), 3)} if len(spent) == 2 else {}
        found["all"] = {"wrong": self.wrong, "memory_mb": self.process.memory_mb}
        return found

    def start(self, name: str, *options: str) -> None:
        """Start one container with its own name for a service."""
        words = [
            "-e",
            f"SERVICE_NAME={name}",
            "-e",
            "SERVICE_TAGS=bench",
            *options,
            IMAGE,
            "/bin/sleep",
            "3600",
        ]
        docker("run", "-d", "--name", name, "--label", LABEL, "-p", str(PORT), *words)

    def remove(self, names: Iterable[str]) -> None:
        if names := list(names):
            docker("rm", "-f", *names, check=False)
            self.names = [name for name in self.names if name not in names]

    def settle(self, wanted: set[str]) -> bool:
        """Wait until the catalogue has exactly these entries of the benchmark."""
        return wait(lambda: {each for each in self.catalogue.now if each.startswith(self.run_id)} == wanted)

    def check(self) -> int:
        """Number of missing, stale or double entries, and of entries with another port than the engine's."""
        ports = f'{{{{.Name}}}} {{{{(index (index .NetworkSettings.Ports "{PORT}/tcp") 0).HostPort}}}}'
        rows = docker("inspect", "-f", ports, *self.names).splitlines() if self.names else []
        wanted = {name.lstrip("/"): port for name, _, port in (row.partition(" ") for row in rows)}
        faults = sum(each.startswith(self.run_id) and each not in wanted for each in self.catalogue.now)
        for name, port in wanted.items():
            found = self.consul.get(f"/v1/catalog/service/{name}")[0]
            faults += [str(each["ServicePort"]) for each in found] != [port]
        self.wrong += faults
        return faults


def ensure_image() -> None:
    if not docker("images", "-q", IMAGE):
        subprocess.run(
            ["docker", "import", "-", IMAGE],
            input=tiny_image(),
            env=ENVIRONMENT,
            capture_output=True,
            check=True,
        )


def spread(seconds: Iterable[float]) -> dict[str, float] | None:
    """Quantiles in milliseconds: p50, p95, longest."""
    found = sorted(1000 * each for each in seconds)
    if not found:
        return None
    p95 = found[min(len(found) - 1, round(0.95 * (len(found) - 1)))]
    return {
        "n": len(found),
        "p50": round(statistics.median(found), 1),
        "p95": round(p95, 1),
        "max": round(found[-1], 1),
    }
