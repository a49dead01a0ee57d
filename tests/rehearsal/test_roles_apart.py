"""Six nodes: Consul servers that are nothing else and boot last, and managers, one of which also works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from swarmer.adapters.docker import Engine
from swarmer.core import names
from tests.rehearsal.conftest import swarmer, watched

pytestmark = pytest.mark.cluster

DESCRIPTION = """\
name: apart
network: {cidr: 10.58.0.0/16, vpn_cidr: 10.59.0.0/22}
groups:
  consul: {roles: [consul-server], size: 3}
  managers: {roles: [swarm-manager], size: 2}
  workers: {roles: [swarm-manager, swarm-worker], size: 1}
"""


@pytest.fixture
def described(tmp_path: Path) -> Iterator[Path]:
    """Description of a validated cluster."""
    path = tmp_path / "servers.yml"
    path.write_text(DESCRIPTION)
    done = swarmer("up", "-f", str(path), "--aws-port", "4579", "--apart", "1")
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        status = swarmer("status", "-f", str(path))  # the port is remembered
        assert status.returncode == 0, status.stderr
        yield path
    finally:
        swarmer("down", "-f", str(path))


def test_servers_that_are_nothing_else_are_recovered_and_the_swarm_is_left_alone(described: Path) -> None:
    """Two of three Consul servers are lost for good; the Swarm's managers are other nodes."""
    servers = ("-f", str(described))
    nodes = json.loads(swarmer("status", *servers, "--json").stdout)["nodes"]
    survivor, *lost = (node["name"] for node in nodes if "consul-server" in node["roles"])
    address = next(node["address"] for node in nodes if "swarm-manager" in node["roles"])
    manager = Engine(f"tcp://{address}:{names.DOCKER_PORT}")
    kv = ("exec", *servers, survivor, "--", "consul", "kv")
    assert swarmer(*kv, "put", "people/key", "value").returncode == 0
    before = swarm_of(manager)
    with ThreadPoolExecutor(
        max_workers=len(lost)
    ) as pool:  # one after the other, Consul would remove the first
        assert not any(pool.map(lambda name: swarmer("kill", *servers, name).returncode, lost))
    no_leader = "Consul has no leader"
    watched(lambda status: no_leader in str(status["problems"]), 60, "Consul has a leader still", *servers)

    refused = swarmer("recover", *servers)
    assert refused.returncode == 1
    assert "may come back" in refused.stderr
    for name in lost:
        assert swarmer("terminate", *servers, name).returncode == 0
    done = swarmer("recover", *servers, timeout_s=300)
    assert done.returncode == 0, done.stderr + swarmer("logs", *servers, survivor, "-n", "30").stdout
    assert f"{survivor} goes on alone in Consul; " in done.stdout
    assert "Swarm;" not in done.stdout
    up = swarmer("up", *servers)
    assert up.returncode == 0, up.stdout + up.stderr
    assert swarmer(*kv, "get", "people/key").stdout.strip() == "value"
    assert swarm_of(manager) == before


def swarm_of(manager: Engine) -> tuple[str, set[str]]:
    """The Swarm's id, and its managers': a Swarm that was made to go on alone has lost the others."""
    return manager.swarm().id, {row.id for row in manager.nodes(role="manager")}
