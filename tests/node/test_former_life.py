"""What a node declared before its boot: the catalogue of a real Consul has it still, its agent has not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    """As of a life before: in the catalogue alone, and healthy."""
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
    """It does not answer at first."""

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
