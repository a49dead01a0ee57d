"""The functions against a real Consul: what stands in for it elsewhere behaves as it does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdas.heal_registry.handler import handler as heal
from lambdas.reconcile_cluster.handler import handler as reconcile
from lambdas.shared import connections, consul_state, voting_lock
from lambdas.shared.connections import Connections
from swarmer.adapters.consul import Unavailable
from swarmer.core import election, names
from swarmer.core.healing.registry import SUSPECT_GRACE_S, Suspicion
from tests.lambdas.lab import CLUSTER, Lab, tick
from tests.node.conftest import ConsulServer, free_port
from tests.node.losing import AFTER, INSTEAD, LosingConsul, Loss

GHOSTS = [f"workers-i-{number:017x}" for number in range(1, 21)]


@pytest.fixture
def consul(lab: Lab, tmp_path: Path) -> Iterator[ConsulServer]:
    server = ConsulServer(tmp_path, free_port())
    server.start()
    lab.monkeypatch.setattr(connections, "open_consul", lambda _: server.client(timeout_s=5))
    yield server
    server.stop()


def test_ghosts_leave_the_catalogue_and_strangers_stay(lab: Lab, consul: ConsulServer) -> None:
    client = consul.client()
    for name in (*GHOSTS, "laptop"):
        client._api.catalog.register(name, "10.0.0.9", service={"Service": "web", "Port": 80})
    client.put(f"{names.KV_NODES}{GHOSTS[0]}", "{}")
    before = set(client.nodes())
    assert lab.invoke(reconcile, tick()) == []
    assert set(client.nodes()) == before - set(GHOSTS)
    assert client.below(names.KV_NODES) == {}
    assert len(lab.said("purged")) == len(GHOSTS)


def test_a_holder_is_deposed_by_the_end_of_its_session(lab: Lab, consul: ConsulServer) -> None:
    client = consul.client()
    session = client.create_session("registry", ttl_s=10, lock_delay_s=1)
    value = election.holder_value(lab.name("core"), "10.0.0.1")
    assert client.acquire(names.KV_REGISTRY_LOCK, value, session)
    body = tick()
    assert lab.invoke(heal, body) == [body]
    noted = client.get(names.KV_REGISTRY_SUSPECT)
    assert noted is not None
    old = Suspicion(number=1, since_s=time.time() - SUSPECT_GRACE_S - 1)
    client.put(names.KV_REGISTRY_SUSPECT, old.to_json())
    assert lab.invoke(heal, body) == []
    assert not client.renew_session(session)
    lock = client.get(names.KV_REGISTRY_LOCK)
    assert lock is not None
    assert lock.session is None
    assert lab.said("lease revoked")[0]["node"] == lab.name("core")


def test_many_keys_are_written_in_few_requests(consul: ConsulServer) -> None:
    client = consul.client()
    values = {f"{names.KV_MISSING}{name}-{at}": f"{at} ü" for at in range(10) for name in GHOSTS}
    client.put_all(values)
    found = client.below(names.KV_MISSING)
    assert {f"{names.KV_MISSING}{key}": each.value for key, each in found.items()} == values


def test_the_lock_of_the_votes_is_held_by_one(lab: Lab, consul: ConsulServer) -> None:
    one, other = Connections(CLUSTER), Connections(CLUSTER)
    with voting_lock.hold(one) as held:
        assert held
        with voting_lock.hold(other) as also_held:
            assert not also_held
    with voting_lock.hold(other) as held_now:
        assert held_now


def test_a_lock_whose_session_ended_is_seen_to_be_lost_and_ends_quietly(
    lab: Lab, consul: ConsulServer
) -> None:
    client, one, other = consul.client(), Connections(CLUSTER), Connections(CLUSTER)
    with voting_lock.hold(one) as lock:
        assert lock
        assert lock.renew()
        held = client.get(names.KV_HEALING_LOCK)
        assert held
        assert held.session
        client.destroy_session(held.session)
        assert not lock.renew()
    lab.monkeypatch.setattr(voting_lock, "TRIES", 20)  # longer than the lock-delay
    with voting_lock.hold(other) as held_now:
        assert held_now


def test_one_server_is_a_leader_a_voter_and_a_member(lab: Lab, consul: ConsulServer) -> None:
    seen = consul_state.observe(Connections(CLUSTER).consul, None)
    assert seen.has_leader
    (name,) = seen.peers
    assert seen.peers[name].is_voter
    assert seen.is_alive(name)
    assert name in seen.catalogued
    assert consul_state.observe(Connections(CLUSTER).consul, "nobody").catalogued == frozenset()


@pytest.mark.parametrize("how", [AFTER, INSTEAD])
def test_a_votes_lock_whose_answer_was_lost_is_held_or_free(lab: Lab, consul: ConsulServer, how: str) -> None:
    """A function that held the lock without knowing would keep it from every other one for a minute."""
    lab.monkeypatch.setattr(
        connections, "open_consul", lambda _: LosingConsul(consul.port, Loss("^acquire$", how))
    )
    if how == AFTER:
        with voting_lock.hold(Connections(CLUSTER)) as held:
            assert held
    else:
        with pytest.raises(Unavailable), voting_lock.hold(Connections(CLUSTER)):
            pytest.fail("nobody holds it")
    lab.monkeypatch.setattr(connections, "open_consul", lambda _: consul.client(timeout_s=5))
    with voting_lock.hold(Connections(CLUSTER)) as held_now:
        assert held_now
