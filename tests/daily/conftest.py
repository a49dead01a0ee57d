"""A running cluster of the shipped servers.yml (or of $SWARMER_SERVERS), and machines of people beside it.

One that runs already is used, and left as it is; else one is made, and removed.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from swarmer.cli.common import DEFAULT, load
from swarmer.local import debian, engine, environment, host, node_containers, node_image
from tests.rehearsal.conftest import broken_image, swarmer

__all__ = ["broken_image"]

HERE = Path(__file__).parent
IMAGE = "swarmer/setup-test"


@dataclass(frozen=True)
class Lab:
    """A validated cluster."""

    servers: Path

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(swarmer("status", "--json").stdout)
        return found

    @property
    def addresses(self) -> list[str]:
        return [node["address"] for node in self.status()["nodes"]]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    is_ours = swarmer("status").returncode != 0
    if is_ours:
        done = swarmer("up")
        assert done.returncode == 0, done.stdout + done.stderr
    yield Lab(Path(os.environ.get("SWARMER_SERVERS", DEFAULT)))
    if is_ours:
        swarmer("down")


@dataclass(frozen=True)
class Machine:
    """A person's machine, in a container: systemd, dockerd, systemd-resolved and dnsmasq of Debian."""

    container: str

    def run(self, script: str) -> str:
        """Both outputs of a shell script; its failure is the test's."""
        return engine.docker("exec", self.container, "sh", "-ec", f"exec 2>&1; {script}")

    def state(self) -> str:
        """Every file of it that setup.sh may touch, and what systemd-resolved was told."""
        return self.run(
            "find /etc /var/lib/swarmer-setup -type f -exec sha256sum {} + 2>/dev/null | sort -k2; "
            "find /etc /var/lib/swarmer-setup -printf '%M %u %p %l\\n' 2>/dev/null | sort; "
            "if systemctl is-active -q systemd-resolved; then resolvectl dns; resolvectl domain; fi"
        )


@pytest.fixture(scope="session")
def machine_image() -> str:
    """Made from the node image, once."""
    host.ensure_engine()
    source = debian.sources(node_image.SUITE).strip()
    engine.docker(
        *("build", "-q", "-t", IMAGE, "--network", "host", "--build-arg", f"BASE={node_image.tag()}"),
        *("--build-arg", f"SOURCE={source}", str(HERE)),
        timeout_s=600,
    )
    return IMAGE


@pytest.fixture
def person(lab: Lab, machine_image: str) -> Iterator[Machine]:
    """A machine in the network of the cluster's nodes, at an address that none of them gets."""
    g = load(str(lab.servers))
    name = f"{g.cluster.name}.person"
    address = IPv4Network(g.cluster.network.cidr)[-2]
    engine.docker(
        *("run", "-d", "-t", "--name", name, "--network", g.network, "--ip", str(address)),
        *("--label", f"{environment.LABEL_REHEARSAL}={environment.ROOT}"),
        *node_containers.CAPABILITIES,
        *node_containers.ISOLATION,
        *node_containers.MOUNTS,
        *("-e", "container=docker", *node_containers.cgroup_arguments(), machine_image),
    )
    try:
        made = Machine(name)
        made.run("mkdir /swarmer")
        for path in (environment.ROOT / "setup.sh", lab.servers):
            engine.docker("cp", str(path), f"{name}:/swarmer/")
        wait_for(made, "docker version")
        yield made
    finally:
        engine.docker("rm", "-fv", name)


def wait_for(made: Machine, command: str, within_s: float = 90) -> None:
    deadline_s = time.monotonic() + within_s
    script = f"{command} > /dev/null 2>&1 && echo yes || echo no"
    while made.run(script) != "yes":
        assert time.monotonic() < deadline_s, command
        time.sleep(0.5)


@pytest.fixture(scope="session")
def compose() -> list[str]:
    """`docker compose`, or the older program of the same name."""
    if shutil.which("docker-compose") is None:
        host.ensure_packages(("docker-compose", "docker-compose"))
    return ["docker-compose"]
