"""Vagrant, as a person has it, with a home and machines of its own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmer.adapters import process
from swarmer.local import engine, environment, host, node_image
from swarmer.local.node_image import PROBE_IMAGE
from swarmer.providers.vagrant import plan

CORE = """\
  core:
    roles: [consul-server, swarm-manager, swarm-worker]
    size: 3
    memory: 1536
    cpus: 1
"""
COMMAND_S = 300
SWARMER = str(environment.ROOT / ".venv/bin/swarmer")
VALIDATED_S = 180
"""Patience of the tests, in seconds; no promise. A busy machine needs several times what an idle one does."""
SERVERS = """\
name: {name}
domain: {name}
network: {{cidr: 10.46.0.0/16, zones: 1}}
groups:
{groups}"""


@dataclass
class Laptop:
    """A computer with servers.yml and Vagrant."""

    name: str
    servers: Path
    env: dict[str, str]

    @property
    def kept(self) -> Path:
        """Folder that outlives its machines."""
        return plan.SHARED / self.name

    @property
    def image(self) -> str:
        """One in its registry."""
        return f"registry.service.{self.name}:5000/hello"

    @property
    def label(self) -> str:
        """Label of all its objects on this machine's engine."""
        return f"{environment.LABEL_CLUSTER}={self.name}"

    def run(self, *argv: str, stdin: str = "") -> str:
        """Output of a command that has to succeed."""
        done = self._run(argv, stdin)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def vagrant(self, *words: str) -> str:
        """`vagrant WORDS`."""
        return self.run("vagrant", *words)

    def swarmer(self, *words: str) -> str:
        """`swarmer WORDS` about this servers.yml."""
        return self.run(SWARMER, *words, "-f", str(self.servers))

    def validated(self, within_s: int = VALIDATED_S) -> dict[str, Any]:
        """Status of the cluster as JSON, after a wait until it is validated. A failure has the output of
        unhealthy machines."""
        argv = (SWARMER, "vagrant", "status", "--wait", str(within_s), "--json", "-f", str(self.servers))
        done = self._run(argv)
        found: dict[str, Any] = json.loads(done.stdout or "{}")
        assert done.returncode == 0, done.stderr + self._consoles(found)
        return found

    def on(self, name: str, *command: str) -> str:
        """Run a command on a machine."""
        return engine.docker("exec", f"{self.name}.{name}", *command)

    def types(self, line: str, answer: str = "") -> str:
        """Output of a line of docs/tutorial/vagrant.md, typed at a terminal; `answer` is typed next."""
        done = self._type(line, answer)
        assert done.returncode == 0, f"{line}\n{done.stdout}"
        return done.stdout

    def fails(self, line: str) -> str:
        """Output of a typed line that has to fail."""
        done = self._type(line, "")
        assert done.returncode != 0, f"{line}\n{done.stdout}"
        return done.stdout

    def _type(self, line: str, answer: str) -> subprocess.CompletedProcess[str]:
        """The page means the shipped servers.yml."""
        line = line.replace("swarmer.core", f"{self.name}.core").replace("10.42.", "10.46.")
        # Where DOCKER_HOST is not set: the page says `docker exec`.
        return self._run(["env", "-u", "DOCKER_HOST", "script", "-qefc", line, "/dev/null"], answer)

    def _consoles(self, status: dict[str, Any]) -> str:
        """Problems, and the end of the console and the journal of each machine that has one."""
        problems = status.get("problems", ["no status"])
        lines = [f"{len(problems)} problems: {'; '.join(problems)}"]
        for node in status.get("nodes", ()):
            if any(problem.startswith(f"{node['name']}: ") for problem in problems):
                container = f"{self.name}.{node['name']}"
                journal = ("exec", container, "journalctl", "-b", "-n", "60", "--no-pager")
                for command in (("logs", "--tail", "30", container), journal):
                    lines += [f"--- {' '.join(command)}", _output(*command)]
        return "\n".join(lines)

    def _run(self, argv: Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            env=self.env,
            cwd=environment.ROOT,
            check=False,
            input=stdin,
        )

    def alive(self) -> set[str]:
        """Names of the alive members in the list of the first machine's Consul."""
        rows = [line.split() for line in self.on("core-1", "consul", "members").splitlines()]
        return {row[0] for row in rows if row[2] == "alive"}

    def push(self, name: str) -> None:
        """Push an image from that machine."""
        self.on(name, "docker", "tag", PROBE_IMAGE, self.image)
        self.on(name, "docker", "push", "-q", self.image)

    def pulls(self, name: str) -> bool:
        """Whether the image is pulled there again, and runs."""
        try:
            self.on(
                name, "sh", "-c", f"docker image rm -f {self.image} >/dev/null; docker pull -q {self.image}"
            )
            return self.on(name, "docker", "run", "--rm", self.image, "echo", "hello") == "hello"
        except process.Failed:
            return False

    def states(self) -> dict[str, str]:
        """State of each machine from `vagrant status`."""
        rows = [line.split(",") for line in self.vagrant("status", "--machine-readable").splitlines()]
        return {row[1]: row[3] for row in rows if row[2] == "state"}


@contextmanager
def computer(folder: Path, name: str, groups: str = CORE) -> Iterator[Laptop]:
    """Vagrant is installed, nothing is up. `name` is the cluster's: what has it is gone at the end, whatever
    happened, so no two modules have the same, which may run side by side.
    """
    host.ensure_packages(("vagrant", "vagrant"))
    servers = folder / "servers.yml"
    servers.write_text(SERVERS.format(name=name, groups=groups))
    env = {
        **os.environ,
        "SWARMER_SERVERS": str(servers),
        "VAGRANT_HOME": str(folder / "home"),
        "VAGRANT_DOTFILE_PATH": str(folder / "dot"),
        # This is fixed, because the computer may have other providers, too.
        "VAGRANT_DEFAULT_PROVIDER": "docker",
        "DOCKER_HOST": "tcp://127.0.0.1:9",  # as after `setup.sh`: somewhere else
    }
    found = Laptop(name, servers, env)
    try:
        yield found
    finally:
        found.run("rm", "-rf", str(found.kept), str(plan.STATE / "seeds" / name))


@contextmanager
def computer_with_docker(folder: Path, name: str, groups: str = CORE) -> Iterator[Laptop]:
    """Computer whose machines can be containers."""
    host.ensure_engine()
    if not node_image.exists(node_image.tag()):
        host.ensure_packages(("mmdebstrap", "mmdebstrap"))
        node_image.ensure_image(environment.CACHE, lambda word: None)
    with computer(folder, name, groups) as found:
        try:
            yield found
        finally:
            _remove(found)


def _output(*command: str) -> str:
    """Output of a docker command, or why there is none: it explains another failure."""
    try:
        return engine.docker(*command)
    except process.Failed as exc:
        return str(exc)


def _remove(laptop: Laptop) -> None:
    """Remove the containers and networks that a test left."""
    ours = ("--filter", f"label={plan.LABEL}={environment.ROOT}", "--filter", f"label={laptop.label}")
    if left := engine.docker("ps", "-aq", *ours).split():
        engine.docker("rm", "-f", "-v", *left)
    if networks := engine.docker("network", "ls", "-q", *ours).split():
        engine.docker("network", "rm", *networks)


def until(promise: Callable[[], bool], within_s: float, what: str) -> float:
    """Seconds until the promise holds; fails where it does not in time."""
    began_s = time.monotonic()
    while not promise():
        assert time.monotonic() - began_s < within_s, what
        time.sleep(0.3)
    return time.monotonic() - began_s
