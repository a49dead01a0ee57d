"""What happens to nodes, and what is left of the cluster: reboots, hand-over, the loss of a majority."""

from __future__ import annotations

import http.client
import threading
import time
from pathlib import Path

import pytest

from rehearsal import cloud, ground
from swarmer.core import description, names
from tests.rehearsal.conftest import Cluster, swarmer, until

pytestmark = pytest.mark.cluster


def validated() -> bool:
    return swarmer("status").returncode == 0


def identity() -> str:
    g = ground.Ground(cluster=description.load(ground.ROOT / "servers.yml"), servers=Path("servers.yml"))
    return cloud.identity(g)


def lease(address: str, timeout_s: float = 3) -> tuple[str, int]:
    """Who answers at this door, and under which lease."""
    connection = http.client.HTTPConnection(address, names.REGISTRY_PORT, timeout=timeout_s)
    try:
        connection.request("GET", "/v2/")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        return answer.headers[names.HEADER_NODE], int(answer.headers[names.HEADER_LEASE])
    finally:
        connection.close()


def test_every_managers_door_leads_to_the_holder_and_says_so(cluster: Cluster) -> None:
    holder = cluster.status()["registry"]["holder"]
    found = {lease(node["address"]) for node in cluster.nodes("swarm-manager")}
    assert len(found) == 1
    assert found.pop()[0] == holder


def test_a_hand_over_moves_the_registry_and_no_call_fails(cluster: Cluster) -> None:
    doors = [node["address"] for node in cluster.nodes("swarm-manager")]
    before, seen, failed, stop = lease(doors[0]), [], [], threading.Event()

    def call(door: str) -> None:
        while not stop.is_set():
            try:
                seen.append(lease(door, timeout_s=10))
            except (OSError, http.client.HTTPException, AssertionError) as exc:
                failed.append(repr(exc))

    callers = [threading.Thread(target=call, args=(door,)) for door in doors]
    for caller in callers:
        caller.start()
    done = swarmer("handover")
    time.sleep(2)
    stop.set()
    for caller in callers:
        caller.join()
    assert done.returncode == 0, done.stderr
    assert failed == []
    assert lease(doors[0])[1] == before[1] + 1
    assert {number for _, number in seen} == {before[1], before[1] + 1}


def test_the_clusters_identity_is_known_outside_it(cluster: Cluster) -> None:
    node = cluster.nodes("swarm-manager")[0]["name"]
    assert identity() == cluster.on(node, "consul", "kv", "get", names.KV_SWARM_ID)
    assert identity() == cluster.docker("info", "-f", "{{.Swarm.Cluster.ID}}")


def test_nodes_rebooted_one_after_the_other_come_back_unaided(cluster: Cluster) -> None:
    before = identity()
    for node in cluster.nodes():
        done = swarmer("reboot", node["name"])
        assert done.returncode == 0, done.stderr
        until(validated, 90, f"{node['name']} does not come back: {swarmer('status').stderr}")
    assert identity() == before


def test_all_nodes_rebooted_at_once_are_the_same_cluster_again(cluster: Cluster) -> None:
    before = identity()
    cluster.docker(
        "service", "create", "-d", "--name", "kept", "--replicas", "0", "--endpoint-mode", "dnsrr", "x"
    )
    done = swarmer("reboot", "--all")
    assert done.returncode == 0, done.stderr
    until(validated, 120, f"the cluster does not come back: {swarmer('status').stderr}")
    assert identity() == before
    assert cluster.docker("info", "-f", "{{.Swarm.Cluster.ID}}") == before
    assert "kept" in cluster.docker("service", "ls", "--format", "{{.Name}}")
    cluster.docker("service", "rm", "kept")


def test_recover_is_refused_where_there_is_a_quorum(cluster: Cluster) -> None:
    done = swarmer("recover")
    assert done.returncode == 1
    assert "Consul has a leader" in done.stderr


def test_two_of_three_lost_for_good_are_recovered_by_one_command(cluster: Cluster) -> None:
    before, core = identity(), cluster.nodes("consul-server")
    survivor, *lost = (node["name"] for node in core)
    cluster.on(survivor, "consul", "kv", "put", "people/key", "value")
    cluster.docker(
        "service", "create", "-d", "--name", "kept", "--replicas", "0", "--endpoint-mode", "dnsrr", "x"
    )
    for name in lost:
        swarmer("kill", name)
    until(lambda: not cluster.status()["registry"]["holder"], 60, "the registry is still answered for")

    refused = swarmer("recover")
    assert refused.returncode == 1
    assert "may come back" in refused.stderr
    for name in lost:
        assert swarmer("terminate", name).returncode == 0
    done = swarmer("recover", timeout_s=300)
    assert done.returncode == 0, done.stderr + swarmer("logs", survivor, "-n", "30").stdout
    up = swarmer("up")
    assert up.returncode == 0, up.stdout + up.stderr
    assert identity() == before
    assert cluster.on(survivor, "consul", "kv", "get", "people/key") == "value"
    assert "kept" in cluster.docker("service", "ls", "--format", "{{.Name}}")
    assert len(cluster.nodes("consul-server")) == 3
    cluster.docker("service", "rm", "kept")


SHAPES = {
    "one node with every role": "  all: {roles: [consul-server, swarm-manager, swarm-worker], size: 1}\n",
    "nine nodes, a role each": (
        "  consul: {roles: [consul-server], size: 3}\n"
        "  managers: {roles: [swarm-manager], size: 3}\n"
        "  workers: {roles: [swarm-worker], size: 3}\n"
    ),
}


@pytest.mark.parametrize("groups", SHAPES.values(), ids=SHAPES.keys())
def test_other_shapes_come_up_too(groups: str, tmp_path: Path) -> None:
    path = tmp_path / "servers.yml"
    path.write_text(
        f"name: shape\nnetwork: {{cidr: 10.46.0.0/16, vpn_cidr: 10.47.0.0/22}}\ngroups:\n{groups}"
    )
    done = swarmer("up", "-f", str(path), "--aws-port", "4579")
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        status = swarmer("status", "-f", str(path))  # the port is remembered
        assert status.returncode == 0, status.stderr
    finally:
        swarmer("down", "-f", str(path))
