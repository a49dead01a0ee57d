"""Reboots, hand-over and the loss of a majority, and the state of the cluster afterwards."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import threading
import time
from ipaddress import IPv4Network
from typing import Any

import pytest

from swarmer.adapters.docker import Engine, Unavailable
from swarmer.core import names, network_plan
from swarmer.providers.rehearsal import cloud
from tests.rehearsal.conftest import Cluster, swarmer, until, watched
from tests.rehearsal.leading import watching
from tests.rehearsal.losing import (
    is_whole_again,
    kept,
    lose_power,
    says_both,
    serve_everywhere,
    serves_everywhere,
)
from tests.rehearsal.people import operator

pytestmark = pytest.mark.cluster


def validated(status: dict[str, Any]) -> bool:
    return bool(status["validated"])


def lease(address: str, timeout_s: float = 3) -> tuple[str, int]:
    """Node that answers at this door, and its lease."""
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


def test_an_upload_that_began_before_a_hand_over_ends_after_it(cluster: Cluster) -> None:
    door, blob = cluster.nodes("swarm-manager")[0]["address"], os.urandom(12 << 20)
    half, digest = len(blob) // 2, f"sha256:{hashlib.sha256(blob).hexdigest()}"

    def call(method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection(door, names.REGISTRY_PORT, timeout=30)
        try:
            kind = {"Content-Type": "application/octet-stream"}
            connection.request(method, path, body=body, headers=kind | headers)
            answer = connection.getresponse()
            where = answer.headers.get("Location", "").removeprefix(f"http://{door}:{names.REGISTRY_PORT}")
            return answer.status, where, answer.read()
        finally:
            connection.close()

    status, upload, _ = call("POST", "/v2/people/blobs/uploads/")
    assert status == 202
    status, upload, said = call("PATCH", upload, blob[:half], **{"Content-Range": f"0-{half - 1}"})
    assert status == 202, said
    before = lease(door)
    assert swarmer("handover").returncode == 0
    until(lambda: lease(door)[1] > before[1], 10, "another lease")
    status, _, said = call("PUT", f"{upload}&digest={digest}", blob[half:])
    assert status == 201, said
    assert call("GET", f"/v2/people/blobs/{digest}") == (200, "", blob)


def test_the_clusters_identity_is_known_outside_it(cluster: Cluster) -> None:
    node = cluster.nodes("swarm-manager")[0]["name"]
    assert cloud.cluster_id(cluster.env) == cluster.on(node, "consul", "kv", "get", names.KV_SWARM_ID)
    assert cloud.cluster_id(cluster.env) == cluster.docker("info", "-f", "{{.Swarm.Cluster.ID}}")


def test_dockers_own_networks_lie_where_servers_yml_keeps_vpc_and_vpn_out_of(cluster: Cluster) -> None:
    wanted = {
        "bridge": network_plan.DOCKER_BRIDGE,
        "docker_gwbridge": network_plan.DOCKER_GWBRIDGE,
        "ingress": network_plan.SWARM_POOL,
    }
    for node in cluster.nodes():
        seen = json.loads(cluster.on(node["name"], "docker", "network", "inspect", *wanted))
        subnets = {each["Name"]: [row["Subnet"] for row in each["IPAM"]["Config"] or ()] for each in seen}
        assert subnets.keys() == wanted.keys()
        for name, found in subnets.items():
            assert found, f"{node['name']}: {name} has no subnet"
            assert all(IPv4Network(each).subnet_of(wanted[name]) for each in found), f"{name}: {found}"


@pytest.mark.parametrize("unit", ["systemd-resolved", "containerd", "docker", "consul"])
def test_what_a_node_hangs_on_is_started_anew_without_end(cluster: Cluster, unit: str) -> None:
    node = cluster.nodes("swarm-manager")[0]["name"]
    asked = ("systemctl", "show", unit, "-p", "Restart", "-p", "StartLimitIntervalUSec", "-p", "WatchdogUSec")
    shown = dict(line.split("=", 1) for line in cluster.on(node, *asked).splitlines())
    assert (shown["Restart"], shown["StartLimitIntervalUSec"]) == ("always", "0")
    if unit == "systemd-resolved":
        assert shown["WatchdogUSec"] == "30s"


def test_nodes_rebooted_one_after_the_other_come_back_unaided(cluster: Cluster) -> None:
    before, seen = cloud.cluster_id(cluster.env), cluster.status()["nodes"]
    voters = [[node["name"]] for node in seen if "consul-server" in node["roles"]]
    # Nothing is decided by the others: they go together.
    for group in (*voters, [node["name"] for node in seen if [node["name"]] not in voters]):
        done = swarmer("reboot", *group)
        assert done.returncode == 0, done.stderr
        watched(validated, 90, f"{group} does not come back")
    assert cloud.cluster_id(cluster.env) == before


def test_the_name_of_the_swarms_leader_leads_to_one_manager_while_the_leader_reboots(
    cluster: Cluster,
) -> None:
    """A rebooted server is a member before it runs anything. Its earlier services must be gone by then."""
    worker = next(node for node in cluster.nodes() if "swarm-manager" not in node["roles"])
    with watching(worker["address"], cluster.env.cluster.domain) as watch:
        until(lambda: bool(watch.answers and watch.answers[-1]), 10, "nobody leads")
        (leader,) = watch.answers[-1]
        name = next(node["name"] for node in cluster.nodes() if node["address"] == leader)
        done = swarmer("reboot", name)
        assert done.returncode == 0, done.stderr
        watched(validated, 90, "the leader does not come back")
        time.sleep(10)  # a server that was away may take that long to hear of Consul's leader
    assert [found for found in watch.answers if len(found) > 1] == []
    assert watch.answers[-1] not in ((), (leader,)), "another one leads now"
    # To a machine that is just away: the kernel asks for its hardware address for 3 s.
    assert max(watch.requests_s) < 3.5, sorted(watch.requests_s)[-5:]


def test_all_nodes_rebooted_at_once_are_the_same_cluster_again(cluster: Cluster) -> None:
    before = cloud.cluster_id(cluster.env)
    serve_everywhere(cluster)
    done = swarmer("reboot", "--all")
    assert done.returncode == 0, done.stderr
    watched(validated, 120, "the cluster does not come back")
    assert cloud.cluster_id(cluster.env) == before
    assert cluster.docker("info", "-f", "{{.Swarm.Cluster.ID}}") == before
    serves_everywhere(cluster)
    cluster.docker("service", "rm", "kept")


def test_two_of_three_lost_for_good_are_recovered_by_one_command(cluster: Cluster) -> None:
    before, core = cloud.cluster_id(cluster.env), cluster.nodes("consul-server")
    survivor, *lost = (node["name"] for node in core)
    cluster.on(survivor, "consul", "kv", "put", "people/key", "value")
    serve_everywhere(cluster)
    alive = [survivor, cluster.nodes()[-1]["name"]]
    running = [kept(cluster, name) for name in alive]
    lose_power(lost)
    watched(lambda status: not status["registry"]["holder"], 60, "the registry is still answered for")
    assert [kept(cluster, name) for name in alive] == running, "containers run on without a majority"
    watched(says_both, 60, "the status does not say what is lost")
    with pytest.raises(Unavailable):
        Engine(f"tcp://{core[0]['address']}:{names.DOCKER_PORT}").nodes()

    somebody = operator(cluster, "operator")
    refused = swarmer("recover")
    assert refused.returncode == 1
    assert "may come back" in refused.stderr
    for name in lost:
        assert somebody.type("terminate", "--yes", name).returncode == 0
    done = somebody.type("recover", "--yes")
    assert done.returncode == 0, done.stderr + somebody.type("logs", survivor, "-n", "30").stdout
    is_whole_again(cluster, survivor, before)
