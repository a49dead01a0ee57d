"""A real cluster for the tests that need one, brought up and taken down by the command itself."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from swarmer.cli.common import DEFAULT, load
from swarmer.local import engine, environment, node_containers, node_image
from tests.fakeaws.client import aws, aws_server

__all__ = ["aws", "aws_server"]

SWARMER = str(environment.ROOT / ".venv/bin/swarmer")


def swarmer(
    *argv: str, env: dict[str, str] | None = None, timeout_s: float = 420
) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would; both outputs as text."""
    return subprocess.run(
        [SWARMER, *argv],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env={**os.environ, **(env or {})},
        check=False,
        stdin=subprocess.DEVNULL,
    )


def inside(env: environment.Environment, node: str, *command: str) -> str:
    """Run a command inside a node's container; return its output. Raises process.Failed.

    It needs no agent on the node.
    """
    return engine.docker("exec", node_containers.container_name(env, node), *command)


@dataclass
class Cluster:
    """A validated cluster, asked from outside."""

    up: subprocess.CompletedProcess[str]
    env: environment.Environment
    _nodes: list[dict[str, Any]] = field(default_factory=list)

    def status(self) -> dict[str, Any]:
        """`status --json`, whatever its exit status."""
        found: dict[str, Any] = json.loads(swarmer("status", "--json").stdout)
        self._nodes = found["nodes"]
        return found

    def nodes(self, role: str | None = None) -> list[dict[str, Any]]:
        """Nodes, or those with a role, as the last look at the cluster saw them: each takes seconds."""
        seen = self._nodes or self.status()["nodes"]
        return [node for node in seen if role is None or role in node["roles"]]

    def docker(
        self, *argv: str, address: str | None = None, stdin: bytes = b"", timeout_s: float = 120
    ) -> str:
        """`docker ARGV` against a manager on port 4000."""
        where = address or self.nodes("swarm-manager")[0]["address"]
        done = subprocess.run(
            ["docker", "-H", f"tcp://{where}:4000", *argv],
            input=stdin,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def on(self, node: str, *command: str) -> str:
        """Run a command on a node."""
        return inside(self.env, node, *command)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster of the shipped servers.yml, or of $SWARMER_SERVERS, for all modules."""
    servers = os.environ.get("SWARMER_SERVERS", DEFAULT)
    done = swarmer("up")
    assert done.returncode == 0, done.stdout + done.stderr
    yield Cluster(done, load(servers))
    swarmer("down", "-f", servers)


def until(promise: Callable[[], bool], within_s: float, what: str) -> float:
    """Seconds until the promise holds; fails where it does not in time. For a status use `watched`."""
    began_s = time.monotonic()
    while not promise():
        assert time.monotonic() - began_s < within_s, what
        time.sleep(0.3)
    return time.monotonic() - began_s


def watched(promise: Callable[[dict[str, Any]], bool], within_s: float, what: str, *argv: str) -> None:
    """Watch the status until it keeps the promise, or fail. `argv`: more words of the command.

    One `swarmer status --watch` costs the nodes less than a status for each look, which takes two seconds of
    a core.
    """
    command = [SWARMER, "status", "--watch", "--json", *argv]
    deadline_s = time.monotonic() + within_s
    while (left_s := deadline_s - time.monotonic()) > 0:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as watching:
            timer = threading.Timer(left_s, watching.terminate)
            timer.start()
            try:
                # The last line may be cut.
                whole = (line for line in watching.stdout or () if line.endswith("\n"))
                if any(promise(json.loads(line)) for line in whole):
                    return
            finally:
                timer.cancel()
                watching.terminate()
        time.sleep(0.3)  # it ended, because AWS did not answer on a busy machine
    raise AssertionError(what)


def containers(g: environment.Environment) -> dict[str, str]:
    """Name to start time of every node container of a cluster."""
    return {each.name: each.started_at for each in node_containers.containers(g)}


def names_with(text: str) -> list[str]:
    """Names of the node containers of this checkout that have `text` in them."""
    found = [each.name for each in engine.containers(environment.LABEL_NODE)]
    return [name for name in found if text in name]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A servers.yml of one node, apart from the shipped one."""
    path = tmp_path / "servers.yml"
    path.write_text(
        "name: small\ndomain: small\nnetwork: {cidr: 10.44.0.0/16, zones: 1}\n"
        "groups:\n  all:\n    roles: [consul-server, swarm-manager, swarm-worker]\n    size: 1\n"
    )
    return path


@pytest.fixture
def broken_image(tmp_path: Path) -> Iterator[str]:
    """Image of nodes that cannot boot, because they have no Consul."""
    name = "swarmer/broken"
    (tmp_path / "Dockerfile").write_text(f"FROM {node_image.tag()}\nRUN rm /usr/local/bin/consul\n")
    engine.docker("build", "-q", "-t", name, str(tmp_path))
    yield name
    engine.docker("image", "rm", name)
