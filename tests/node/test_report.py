"""The node's report, from a real Consul."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import cast

from node.report import Reporter
from swarmer.adapters.consul import Consul
from swarmer.adapters.docker import Engine, Unavailable
from swarmer.core import names
from swarmer.core.service import Service
from swarmer.core.state import MemberStatus, SwarmNode, SwarmStatus
from tests.core.test_configuration import CORE
from tests.node.conftest import ConsulServer, free_port

LEADER = SwarmNode(id="1", name="core-1", role="manager", state="ready", is_leader=True)


@dataclass
class StandInEngine:
    """Engine of a manager with these nodes."""

    is_manager: bool = True
    rows: tuple[SwarmNode, ...] = (LEADER,)
    asked: list[str] = field(default_factory=list)

    def swarm(self) -> SwarmStatus:
        return SwarmStatus("active", self.is_manager, "", "s", "1")

    def nodes(self) -> tuple[SwarmNode, ...]:
        self.asked.append("nodes")
        return self.rows


def reporter(consul: Consul, engine: StandInEngine | None = None, *, answers: bool = True) -> Reporter:
    def connect() -> Engine:
        if engine is None:
            raise Unavailable("there is no dockerd")
        return cast("Engine", engine)

    return Reporter(machine=CORE, consul=consul, engine=connect, probe=lambda _: answers)


def test_a_server_reports_members_voters_the_registry_and_the_swarm(consul: ConsulServer) -> None:
    client = consul.client()
    name = client.members()[0].name
    client.register(Service(id="registry", name=names.SERVICE_REGISTRY, address="10.0.0.4", port=5000))
    found = reporter(client, StandInEngine()).report()
    assert found.members == {name: MemberStatus.ALIVE}
    assert found.voters == {name}
    assert found.leader
    assert (found.holder, found.registry_address) == (name, "10.0.0.4:5000")
    assert found.swarm == {"core-1": LEADER}
    assert found.registry_answers


def test_a_node_reports_its_problems_in_its_own_words(consul: ConsulServer) -> None:
    client = consul.client()
    service = Service(id=names.SERVICE_NODE, name=names.SERVICE_NODE, address="10.0.0.4", port=8500)
    client.register(service, {"ttl": "60s", "status": "passing"})
    client.confirm(service.id, passing=False, note="the disk is full")
    deadline_s = time.monotonic() + 10  # the agent tells the servers a moment later
    while not (found := reporter(client).report().unhealthy) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert list(found.values()) == ["the disk is full"]


def test_the_url_of_the_probe_is_the_registrys_name(consul: ConsulServer) -> None:
    asked: list[str] = []

    def note(url: str) -> bool:
        asked.append(url)
        return False

    mine = Reporter(
        machine=CORE,
        consul=consul.client(),
        engine=lambda: cast("Engine", StandInEngine()),
        probe=note,
    )
    assert not mine.report().registry_answers
    assert asked == [f"http://registry.service.{CORE.node.domain}:5000/v2/"]


def test_without_daemons_the_report_is_empty_and_no_error() -> None:
    nobody = Consul("127.0.0.1", free_port(), timeout_s=1)
    found = reporter(nobody, None, answers=False).report()
    assert (found.members, found.leader, found.swarm) == ({}, "", {})
    assert found.is_server


def test_a_manager_without_a_quorum_lists_no_swarm(consul: ConsulServer) -> None:
    engine = StandInEngine(is_manager=False)
    assert reporter(consul.client(), engine).report().swarm == {}
    assert engine.asked == []
