"""A real dockerd of our own, in a network of its own, and a registrator as people run it."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarmer.local import environment, host
from tests.node.conftest import ConsulServer

SWARMER = environment.ROOT / ".venv/bin/swarmer"
IMAGE = "team/tiny:1"
ADDRESS = "10.0.0.4"
"""Address of the host, as the registrator is told."""
ENGINE_ADDRESS = "10.99.0.1"


def until(promise: Callable[[], Any], within_s: float = 10.0) -> Any:
    """Value of the promise, once it is true; the test fails if it is not in time."""
    deadline_s = time.monotonic() + within_s
    while not (found := promise()):
        assert time.monotonic() < deadline_s, "it never came true"
        time.sleep(0.02)
    return found


@dataclass
class Dockerd:
    """Restartable dockerd: containers and ports are nobody else's."""

    folder: Path
    network: str = field(default_factory=lambda: f"swarmer-test-{os.getpid()}")
    log_level: str = "fatal"
    process: subprocess.Popen[bytes] | None = None
    containerd: subprocess.Popen[bytes] | None = None
    """Process of containerd; it outlives each dockerd, as on a node."""

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    @property
    def log(self) -> Path:
        """Path of its log; it runs below nsenter."""
        return self.folder / "nsenter.log"

    def prepare(self) -> None:
        """Create the network, which outlives each dockerd."""
        host.ensure_engine_commands()
        host.ensure_packages(("busybox", "busybox-static"), ("ip", "iproute2"))
        run("ip", "netns", "add", self.network)
        inside = ("ip", "-n", self.network)
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "link", "add", "br-test", "type", "bridge")
        run(*inside, "addr", "add", f"{ENGINE_ADDRESS}/24", "dev", "br-test")
        run(*inside, "link", "set", "br-test", "up")
        paths = [f"--{name}={self.folder}/containerd/{name}" for name in ("root", "state", "address")]
        self.containerd = self._spawn("containerd", "--log-level", "fatal", *paths)

    def start(self) -> None:
        # Not `ip netns exec`, which hides the cgroups.
        argv = [
            "nsenter",
            f"--net=/run/netns/{self.network}",
            "dockerd",
            "--log-level",
            self.log_level,
            "-H",
            self.host,
        ]
        argv += ["--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "exec")]
        argv += ["--pidfile", str(self.folder / "docker.pid"), "--containerd-namespace", self.network]
        argv += ["--containerd", str(self.folder / "containerd/address")]
        self.process = self._spawn(*argv)
        until(lambda: self.docker("version", check=False), 60)

    def stop(self, *, kill: bool = False) -> None:
        if self.process:
            (self.process.kill if kill else self.process.terminate)()
            self.process.wait(60)
            self.process = None

    def remove(self) -> None:
        """Remove all of it."""
        with contextlib.suppress(AssertionError):
            self.clear()
        self.stop()
        if self.containerd:
            self.containerd.terminate()
            self.containerd.wait(30)
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in reversed([each for each in mounts if each.startswith(f"{self.folder}/")]):
            run("umount", "-l", mount)
        run("ip", "netns", "del", self.network)

    def _spawn(self, *argv: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{Path(argv[0]).name}.log").open("ab") as log:
            return subprocess.Popen(argv, stdout=log, stderr=log)

    def clear(self) -> None:
        """Remove every container."""
        if found := self.docker("ps", "-aq").split():
            self.docker("rm", "-f", *found)

    def docker(self, *argv: str, check: bool = True) -> str:
        done = subprocess.run(
            ["docker", "-H", self.host, *argv], capture_output=True, text=True, check=False, timeout=120
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip() if done.returncode == 0 else ""

    def run(self, name: str, *options: str) -> str:
        """Start a container that sleeps and publishes port 80. Returns its host port."""
        self.docker(
            "run",
            "-d",
            "--name",
            name,
            "--stop-signal",
            "KILL",
            "-p",
            "80",
            *options,
            IMAGE,
            "/bin/sleep",
            "3600",
        )
        return self.port(name)

    def port(self, name: str) -> str:
        return self.docker("port", name, "80/tcp").splitlines()[0].rpartition(":")[2]


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


def tiny_image() -> bytes:
    """Archive of an image with a static busybox."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.add("/bin/busybox", "bin/busybox")
        for applet in ("sh", "sleep", "test", "touch", "rm", "false"):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(folder)
    return data.getvalue()


@contextmanager
def engine(log_level: str = "fatal") -> Iterator[Dockerd]:
    """Run one dockerd with the tiny image."""
    # A unix socket's path is short; pytest's folders are not.
    with tempfile.TemporaryDirectory(prefix="swarmer-", ignore_cleanup_errors=True) as folder:
        found = Dockerd(Path(folder), log_level=log_level)
        found.prepare()
        try:
            found.start()
            subprocess.run(
                ["docker", "-H", found.host, "import", "-", IMAGE],
                input=tiny_image(),
                check=True,
                capture_output=True,
            )
            yield found
        finally:
            found.remove()


@dataclass
class Agent:
    """Process of `swarmer registrator run`, and Consul's view of it."""

    docker_host: str
    consul: ConsulServer
    log: Path
    options: tuple[str, ...] = ("-hostname", "n1", "-ip", ADDRESS)
    process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        argv = [str(SWARMER), "registrator", "run", *self.options, *options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*argv, f"consul://127.0.0.1:{self.consul.port}"],
                env={**os.environ, "DOCKER_HOST": self.docker_host},
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """Send SIGKILL."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def said(self, text: str) -> bool:
        return text in self.log.read_text()

    def ports(self) -> dict[str, str]:
        """Port by service ID, as the agent has them."""
        return {each.id: str(each.port) for each in self.consul.client().services()}

    def has(self, **ports: str) -> Callable[[], bool]:
        """Whether exactly these containers are declared, each with its port of the host."""
        wanted = {f"n1:{name.replace('_', '-')}:80": port for name, port in ports.items()}
        return lambda: self.ports() == wanted

    def is_passing(self, service: str) -> bool:
        return bool(self.consul.client().healthy(service))
