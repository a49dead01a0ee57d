"""The agent on the Swarm's leader: it promotes a manager that a person demoted, and no other node."""

from __future__ import annotations

from typing import cast

import pytest

from node.agent import Agent
from swarmer.adapters.consul import Consul
from swarmer.adapters.docker import Engine
from swarmer.core import names, swarm_roles
from swarmer.core.state import SwarmNode
from tests.node.daemons.daemon import machine
from tests.node.swarms import Leading, Locks


class Demoting(Leading):
    """An engine of the Swarm's leader, in whose Swarm a person demoted `core-i-two`."""

    def __init__(self, *, leads: bool = True) -> None:
        super().__init__(leads=leads)
        self.asked: list[str] = []

    def nodes(self, *, name: str) -> tuple[SwarmNode, ...]:
        """Nodes by the beginning of a name, like Docker's filter."""
        self.asked.append(name)
        rows = {"core-i-two": "worker", "core-i-two-too": "manager"}
        return tuple(
            SwarmNode(id=f"id-{host}", name=host, role=role, state="ready")
            for host, role in rows.items()
            if host.startswith(name)
        )


def leader(engine: Demoting, *, reports: tuple[str, ...] = ("core-i-two",), leaving: str = "") -> Agent:
    consul = Locks()
    consul.reports = dict.fromkeys(reports, "no manager of this cluster now")
    consul.keys = {f"{names.KV_LEAVING}core-i-two": leaving} if leaving else {}
    made = Agent(machine("10.0.0.4", instance="i-one"), cast(Consul, consul), cast(Engine, engine))
    made._is_swarm_purged = True
    return made


@pytest.mark.parametrize("reports", [("core-i-two",), ("core-i-two", "core-i-two-too")])
def test_the_swarms_leader_promotes_a_manager_that_a_person_demoted(
    monkeypatch: pytest.MonkeyPatch, reports: tuple[str, ...]
) -> None:
    """Without that it stayed a worker for ever, and the cluster had lost its spare manager."""
    engine = Demoting()
    made = leader(engine, reports=reports)
    made.settle()
    assert engine.wanted == []  # the demotion is not over yet
    monkeypatch.setattr(swarm_roles, "DEMOTION_S", 0.0)
    made.settle()
    assert engine.wanted == [{"Role": "manager"}]


def test_a_manager_that_does_not_lead_leaves_that_to_the_leader() -> None:
    engine = Demoting(leads=False)
    leader(engine).settle()
    assert (engine.wanted, engine.asked) == ([], [])


@pytest.mark.parametrize("phase", [names.LEAVING_STAY_OUT, names.LEAVING_STOP])
def test_a_node_that_a_function_removes_is_not_promoted(monkeypatch: pytest.MonkeyPatch, phase: str) -> None:
    """The removal demoted it, after it wrote its marker."""
    monkeypatch.setattr(swarm_roles, "DEMOTION_S", 0.0)
    engine = Demoting()
    leader(engine, leaving=f'{{"phase": "{phase}"}}').settle()
    assert engine.wanted == []


def test_while_every_manager_controls_the_swarm_it_is_not_asked_for_its_nodes() -> None:
    engine = Demoting()
    leader(engine, reports=()).settle()
    assert engine.asked == []
