"""Machines of a new cluster come minutes apart: the first waits for the last, nobody founds alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

import pytest

from swarmer.adapters.consul import Consul
from swarmer.core import names
from swarmer.local import node_containers
from swarmer.providers.rehearsal import cloud
from tests.changes.description import EVERYTHING, Described
from tests.rehearsal.conftest import inside, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

APART_S = 90
SIZE = 3
DEADLINE_S = 900
"""The first machine's: it joins nothing before the last has booted, which comes 180 s later."""


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    made = Described(
        tmp_path_factory.mktemp("apart") / "servers.yml",
        {"core": {"roles": EVERYTHING, "size": SIZE}},
        name="apart",
        network={"cidr": "10.54.0.0/16", "vpn_cidr": "10.55.0.0/22"},
        healing={"boot_deadline": DEADLINE_S},
    )
    made.write()
    try:
        # Within the time that `Described` gives it: two pauses, then what a boot takes.
        done = made.swarmer("up", "--apart", str(APART_S), "--timeout", "300")
        assert done.returncode == 0, done.stdout + done.stderr
        yield made
    finally:
        made.swarmer("down")


def test_the_machines_came_so_far_apart_and_are_validated(apart: Described) -> None:
    began = sorted(datetime.fromisoformat(at) for at in node_containers.running(apart.env).values())
    assert len(began) == SIZE
    assert all((later - earlier).total_seconds() >= APART_S for earlier, later in pairwise(began))
    status = apart.status()
    assert status["validated"], status["problems"]


def test_there_is_one_raft_with_every_server(apart: Described) -> None:
    asked = [Consul(node.address, names.CONSUL_HTTP_PORT, timeout_s=3) for node in apart.nodes()]
    told = [{(each.address, each.name, each.is_voter) for each in one.raft_servers()} for one in asked]
    assert len({one.leader() for one in asked}) == 1
    assert told == [told[0]] * SIZE
    assert {name for _, name, votes in told[0] if votes} == {node.name for node in apart.nodes()}


def test_there_is_one_swarm_and_its_id_is_the_clusters(apart: Described) -> None:
    founded = cloud.cluster_id(apart.env)
    for node in apart.nodes():
        swarm = json.loads(inside(apart.env, node.name, "docker", "info", "--format", "{{json .Swarm}}"))
        assert swarm["Cluster"]["ID"] == founded
        assert (swarm["LocalNodeState"], swarm["Managers"]) == ("active", SIZE)


def test_none_of_them_was_given_up_meanwhile(apart: Described) -> None:
    wanted = {node.name for node in apart.nodes()}

    def admitted() -> set[str]:
        lines = apart.told("-register-node", "-reconcile-cluster")
        return {line["node"] for line in lines if line.get("message") == "admitted"}

    until(lambda: admitted() == wanted, within_s=120, what="each node is admitted, and no other ever was")
