"""One node with every role."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import docker
import pytest

from swarmer.adapters.docker import Engine
from swarmer.core import names, network_plan
from tests.rehearsal.conftest import swarmer, until

pytestmark = pytest.mark.cluster

DESCRIPTION = """\
name: single
network: {cidr: 10.60.0.0/16, vpn_cidr: 10.61.0.0/22}
groups:
  all: {roles: [consul-server, swarm-manager, swarm-worker], size: 1}
"""


def test_one_node_with_every_role_is_validated_and_its_ingress_is_corrected(tmp_path: Path) -> None:
    path = tmp_path / "servers.yml"
    path.write_text(DESCRIPTION)
    done = swarmer("up", "-f", str(path), "--aws-port", "4580")
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        status = swarmer("status", "-f", str(path), "--json")  # the port is remembered
        assert status.returncode == 0, status.stderr
        an_engine_that_put_the_ingress_elsewhere_is_corrected(
            json.loads(status.stdout)["nodes"][0]["address"]
        )
    finally:
        swarmer("down", "-f", str(path))


def an_engine_that_put_the_ingress_elsewhere_is_corrected(address: str) -> None:
    """Engines before 20.10 do so; this one puts it right by itself."""
    manager = Engine(f"tcp://{address}:{names.DOCKER_PORT}")
    assert not manager.ensure_ingress()
    api = docker.DockerClient(f"tcp://{address}:{names.DOCKER_PORT}")
    api.networks.get("ingress").remove()
    until(lambda: not ingress(api), 10, "the old one is gone")
    pool = docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet="10.255.0.0/16")])
    api.networks.create("ingress", driver="overlay", ingress=True, ipam=pool)
    until(lambda: subnets(api) == ["10.255.0.0/16"], 10, "it lies elsewhere")
    assert manager.ensure_ingress()
    until(lambda: bool(subnets(api)), 10, "it is back")
    assert [IPv4Network(each).subnet_of(network_plan.SWARM_POOL) for each in subnets(api)] == [True]
    api.close()


def subnets(api: docker.DockerClient) -> list[str]:
    return [row["Subnet"] for each in ingress(api) for row in each.attrs["IPAM"]["Config"] or ()]


def ingress(api: docker.DockerClient) -> list[Any]:
    return [each for each in api.networks.list(names=["ingress"]) if each.name == "ingress"]
