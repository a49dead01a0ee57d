"""Clusters of other shapes than the shipped one: one node with every role, seven nodes with a role each."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import docker
import pytest

from swarmer.adapters.docker import Engine
from swarmer.core import names, network_plan
from tests.rehearsal.conftest import swarmer, until

pytestmark = pytest.mark.cluster

SHAPES = {
    "one node with every role": (
        "  all: {roles: [consul-server, swarm-manager, swarm-worker], size: 1}\n",
        ["--aws-port", "4579"],
    ),
    "seven nodes, a role each, the servers last": (
        "  consul: {roles: [consul-server], size: 3}\n"
        "  managers: {roles: [swarm-manager], size: 3}\n"
        "  workers: {roles: [swarm-worker], size: 1}\n",
        ["--aws-port", "4579", "--apart", "3"],
    ),
}


@pytest.mark.parametrize(("groups", "options"), SHAPES.values(), ids=SHAPES.keys())
def test_other_shapes_come_up_too(groups: str, options: list[str], tmp_path: Path) -> None:
    path = tmp_path / "servers.yml"
    path.write_text(
        f"name: shape\nnetwork: {{cidr: 10.58.0.0/16, vpn_cidr: 10.59.0.0/22}}\ngroups:\n{groups}"
    )
    done = swarmer("up", "-f", str(path), *options)
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        status = swarmer("status", "-f", str(path))  # the port is remembered
        assert status.returncode == 0, status.stderr
        if "all:" in groups:
            an_engine_that_put_the_ingress_elsewhere_is_corrected(json.loads(node_status(path)))
        else:
            servers_that_are_nothing_else_are_recovered_and_the_swarm_is_left_alone(path)
    finally:
        swarmer("down", "-f", str(path))


def servers_that_are_nothing_else_are_recovered_and_the_swarm_is_left_alone(path: Path) -> None:
    """Two of three Consul servers are lost for good; the Swarm's managers are other nodes."""
    servers, nodes = ("-f", str(path)), json.loads(node_status(path))["nodes"]
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
    no_leader = lambda: "Consul has no leader" in swarmer("status", *servers).stderr  # noqa: E731
    until(no_leader, 60, "Consul has a leader still")

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


def node_status(path: Path) -> str:
    return swarmer("status", "-f", str(path), "--json").stdout


def an_engine_that_put_the_ingress_elsewhere_is_corrected(status: dict[str, Any]) -> None:
    """Engines before 20.10 do so; this one puts it right by itself."""
    manager = Engine(f"tcp://{status['nodes'][0]['address']}:{names.DOCKER_PORT}")
    assert not manager.ensure_ingress()
    api = docker.DockerClient(f"tcp://{status['nodes'][0]['address']}:{names.DOCKER_PORT}")
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
