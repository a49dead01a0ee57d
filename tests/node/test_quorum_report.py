"""A node's quorum report for `swarmer recover`, from a real Consul."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from node.quorum_report import report
from swarmer.adapters.consul import Consul
from swarmer.adapters.docker import Engine, Unavailable
from swarmer.core.quorum_report import QuorumReport
from swarmer.core.state import SwarmNode, SwarmStatus
from tests.core.test_configuration import CORE
from tests.node.conftest import ConsulServer, free_port


@dataclass
class StandInEngine:
    """Engine with this state of its Swarm."""

    status: SwarmStatus
    managers: tuple[SwarmNode, ...] = ()

    def swarm(self) -> SwarmStatus:
        return self.status

    def nodes(self, *, role: str) -> tuple[SwarmNode, ...]:
        assert role == "manager"
        return self.managers


def of(consul: Consul, engine: StandInEngine | None = None) -> QuorumReport:
    def connect() -> Engine:
        if engine is None:
            raise Unavailable("there is no dockerd")
        return cast("Engine", engine)

    return report(CORE, consul, connect)


def manager(name: str, state: str, reachability: str) -> SwarmNode:
    return SwarmNode(id=name, name=name, role="manager", state=state, reachability=reachability)


def test_a_server_with_a_leader_says_so_and_has_data(consul: ConsulServer) -> None:
    found = of(consul.client())
    assert found.has_leader
    assert found.last_entry is not None
    assert len(found.members) == 1
    assert (found.name, found.address) == (CORE.name, CORE.address)
    assert found.managers is None


def test_a_manager_with_a_quorum_lists_dead_managers_that_raft_has_forgotten(consul: ConsulServer) -> None:
    engine = StandInEngine(
        SwarmStatus("active", True, "", "s", "1", ("10.0.0.4",)),
        (
            manager("core-1", "ready", "reachable"),
            manager("core-2", "down", "unreachable"),
            manager("core-3", "down", ""),
        ),
    )
    found = of(consul.client(), engine)
    assert found.has_quorum
    assert found.lost_managers == {"core-3"}
    assert found.managers == frozenset({"10.0.0.4"})


def test_a_manager_without_a_quorum_still_tells_which_managers_it_remembers(consul: ConsulServer) -> None:
    engine = StandInEngine(SwarmStatus("active", False, "no quorum", "", "1", ("10.0.0.4", "10.0.0.5")))
    found = of(consul.client(), engine)
    assert not found.has_quorum
    assert found.managers == frozenset({"10.0.0.4", "10.0.0.5"})


def test_an_engine_that_never_joined_is_no_former_manager(consul: ConsulServer) -> None:
    assert of(consul.client(), StandInEngine(SwarmStatus("inactive", False, "", "", ""))).managers is None


def test_a_node_whose_daemons_are_silent_reports_its_name_only() -> None:
    nobody = Consul("127.0.0.1", free_port(), timeout_s=1)
    assert of(nobody) == QuorumReport(name=CORE.name, address=CORE.address)
