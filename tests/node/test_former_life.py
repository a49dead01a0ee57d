"""Services from before a node's boot: the catalogue of a real Consul still has them, its agent has not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node import former_life
from node.agent import Agent
from swarmer.adapters.consul import Consul, Unavailable
from swarmer.core import names
from swarmer.core.service import Service
from tests.node.conftest import ConsulServer, free_port
from tests.node.daemons.daemon import eventually, machine

MACHINE = machine("10.0.0.4", instance="i-one")
WEB = Service(id="n1:web:80", name="web", address="10.0.0.4", port=80, tags=("a",), meta={"k": "v"})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ConsulServer]:
    """The node's own, and so of its name."""
    found = ConsulServer(tmp_path, free_port(), {"node_name": MACHINE.name})
    found.start()
    yield found
    found.stop()


def leave_behind(client: Consul, *service_ids: str) -> None:
    """Leave services from an earlier life: only in the catalogue, and healthy."""
    for service_id in service_ids:
        entry = {"ID": service_id, "Service": "registry", "Port": 5000}
        client._api.catalog.register(MACHINE.name, "127.0.0.1", service=entry)


class Late(Consul):
    """One whose agent is told of WEB once it has been asked what it has."""

    asked = 0

    def services(self) -> list[Service]:
        found = super().services()
        self.asked += 1
        if self.asked == 1:
            self.register(WEB)
            eventually(lambda: self.healthy(WEB.name))  # it has told the catalogue
        return found


class Away(Consul):
    """Peer that does not answer at first."""

    asked = 0

    def catalogued(self, name: str) -> frozenset[str]:
        self.asked += 1
        if self.asked == 1:
            raise Unavailable("No cluster leader")
        return super().catalogued(name)


def test_what_only_the_catalogue_has_is_taken_out_and_what_the_agent_has_stays(server: ConsulServer) -> None:
    client = server.client()
    client.register(WEB)
    eventually(lambda: WEB.id in client.catalogued(MACHINE.name))
    leave_behind(client, names.SERVICE_REGISTRY, "n0:web/1:80")
    assert client.healthy(names.SERVICE_REGISTRY)
    Agent(MACHINE, client).purge_catalog()
    assert client.catalogued(MACHINE.name) == {WEB.id}
    assert not client.healthy(names.SERVICE_REGISTRY)
    assert client.is_catalogued(MACHINE.name)
    assert "consul" in client._api.catalog.services()[1]  # its own stays


def test_what_is_declared_while_it_looks_is_in_the_catalogue_afterwards(server: ConsulServer) -> None:
    client = Late("127.0.0.1", server.port)
    time.sleep(5)  # an agent that has just found its leader compares once more by itself
    leave_behind(client, WEB.id)
    Agent(MACHINE, client).purge_catalog()
    eventually(lambda: client.healthy(WEB.name), 5)
    assert client.services() == [WEB]


def test_a_consul_without_a_leader_is_asked_again_and_an_answer_is_enough(server: ConsulServer) -> None:
    client = Away("127.0.0.1", server.port)
    leave_behind(client, names.SERVICE_REGISTRY)
    agent = Agent(MACHINE, client)
    agent.purge_catalog()
    assert client.catalogued(MACHINE.name) == {names.SERVICE_REGISTRY}
    agent.purge_catalog()
    assert client.catalogued(MACHINE.name) == frozenset()
    asked = client.asked
    agent.purge_catalog()
    assert client.asked == asked


def test_a_node_that_is_not_in_the_catalogue_yet_has_left_nothing_there(consul: ConsulServer) -> None:
    assert consul.client().catalogued("core-i-unknown") == frozenset()


def test_what_an_earlier_life_kept_on_its_disk_is_forgotten(tmp_path: Path) -> None:
    for name in ("services", "checks", "raft"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text("{}")
    assert former_life.forget_services(tmp_path) is True
    assert [path.name for path in tmp_path.iterdir()] == ["raft"]
    assert former_life.forget_services(tmp_path) is False


def test_a_first_boot_has_no_former_life(tmp_path: Path) -> None:
    assert not former_life.is_reboot(tmp_path)
    (tmp_path / "node-id").touch()
    assert former_life.is_reboot(tmp_path)


class Peer(Consul):
    """One peer that answers for the catalogue, or does not; it takes a second."""

    def __init__(self, services: set[str] | None, waited: list[float]) -> None:
        self.services_of_node, self.waited = services, waited

    def catalogued(self, name: str) -> frozenset[str]:
        self.waited[0] += 1.0
        if self.services_of_node is None:
            raise Unavailable("timed out")
        return frozenset(self.services_of_node)

    def deregister_catalogued(self, name: str, service_id: str) -> None:
        assert self.services_of_node is not None
        self.services_of_node.remove(service_id)


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that have passed."""
    found = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: found[0])
    return found


def test_the_first_peer_that_answers_takes_out_what_a_node_declared_before_its_boot(
    waited: list[float],
) -> None:
    """Its own Consul is not asked: a restarted server has no leader yet."""
    left = {names.SERVICE_DOCKER, names.SERVICE_MANAGER}
    peers = {"10.0.0.5": Peer(None, waited), "10.0.0.6": Peer(left, waited), "10.0.0.7": Peer(None, waited)}
    assert former_life.withdraw_services(MACHINE.name, tuple(peers), client=peers.__getitem__) == 2
    assert left == set()
    assert waited == [2.0]


def test_a_boot_waits_for_silent_peers_for_some_seconds_only(waited: list[float]) -> None:
    peers = tuple(f"10.0.0.{number}" for number in range(5, 105))
    assert former_life.withdraw_services(MACHINE.name, peers, client=lambda _: Peer(None, waited)) is None
    assert waited[0] <= former_life.ALL_TIMEOUT_S + former_life.PEER_TIMEOUT_S
    assert former_life.withdraw_services(MACHINE.name, ()) is None


def test_a_real_consul_has_nothing_of_a_node_afterwards_but_the_node(server: ConsulServer) -> None:
    """`server` is the peer. The node that boots has been registered by its earlier life."""
    client, name = server.client(), "core-i-two"
    for service_id in (names.SERVICE_DOCKER, "n0:web/1:80"):
        entry = {"ID": service_id, "Service": "web", "Port": 80}
        check = {"Node": name, "Name": "ttl", "ServiceID": service_id, "Status": "passing"}
        client._api.catalog.register(name, "127.0.0.2", service=entry, check=check)
    assert len(client.healthy("web")) == 2
    assert former_life.withdraw_services(name, ["peer"], client=lambda _: client) == 2
    assert client.healthy("web") == ()
    assert client.is_catalogued(name)
    assert former_life.withdraw_services(name, ["peer"], client=lambda _: client) == 0
