"""A cluster that loses the majority of its core: what the tests of that share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from swarmer.local import node_image
from swarmer.providers.rehearsal import cloud
from tests.rehearsal.conftest import Cluster, swarmer, until


def serve_everywhere(cluster: Cluster) -> None:
    """A service, `kept`, of a task on each node."""
    cluster.docker(
        *("service", "create", "-d", "--name", "kept", "--mode", "global", "--endpoint-mode", "dnsrr"),
        *("--no-resolve-image", "--stop-grace-period", "1s", node_image.PROBE_IMAGE, "sleep", "3600"),
    )
    serves_everywhere(cluster)


def serves_everywhere(cluster: Cluster) -> None:
    """Wait until `kept` runs on each node: for Swarm, and then for the nodes' engines."""
    nodes = cluster.nodes()
    shown = ("service", "ls", "--filter", "name=kept", "--format", "{{.Replicas}}")
    until(lambda: cluster.docker(*shown) == f"{len(nodes)}/{len(nodes)}", 60, "the service does not run")
    # Swarm may start a second task on a node for a moment, and end it again.
    until(
        lambda: all(len(kept(cluster, node["name"]).split()) == 1 for node in nodes),
        30,
        "a node does not have one container",
    )


def kept(cluster: Cluster, node: str) -> str:
    """IDs of that service's containers that run on a node, a line each."""
    return cluster.on(node, "docker", "ps", "-q", "--filter", "label=com.docker.swarm.service.name=kept")


def lose_power(names_of_nodes: list[str]) -> None:
    """All at the same time: of two that die one after the other, Consul would remove the first."""
    with ThreadPoolExecutor(max_workers=len(names_of_nodes)) as pool:
        for done in pool.map(lambda name: swarmer("kill", name), names_of_nodes):
            assert done.returncode == 0, done.stderr


def says_both(status: dict[str, Any]) -> bool:
    said = "\n".join(status["problems"])
    return "Consul has no leader" in said and "Swarm answers on no manager" in said


def is_whole_again(cluster: Cluster, survivor: str, swarm: str) -> None:
    """Replacements have joined; key, service and Swarm are what they were."""
    up = swarmer("up")
    assert up.returncode == 0, up.stdout + up.stderr
    assert cluster.status()["validated"]
    assert cloud.cluster_id(cluster.env) == swarm
    assert cluster.on(survivor, "consul", "kv", "get", "people/key") == "value"
    assert len(cluster.nodes("consul-server")) == 3
    serves_everywhere(cluster)
    cluster.docker("service", "rm", "kept")
