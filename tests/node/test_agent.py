"""The agent's shell: what it keeps right outside the cluster."""

from __future__ import annotations

from typing import Any, cast

import pytest

from node import agent
from node.agent import Agent
from swarmer.adapters import process
from swarmer.adapters.docker import Engine
from swarmer.core.node import CloudView
from tests.node.daemons.daemon import machine


class Leading:
    """An engine that leads its Swarm, or does not."""

    def __init__(self, *, leads: bool) -> None:
        self.leads = leads

    def is_leader(self, node_id: str) -> bool:
        return self.leads

    def ensure_node(self, node_id: str, **wanted: str) -> bool:
        return False

    def swarm(self) -> Any:
        return type("Swarm", (), {"id": "swarm-1"})()


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What was run, without the interpreter."""
    found: list[tuple[str, ...]] = []
    monkeypatch.setattr(process, "run", lambda argv, **_: found.append(tuple(argv[1:])) or "")
    return found


def settled(*, leads: bool) -> Agent:
    made = Agent(machine("10.0.0.4", instance="i-one"), engine=cast(Engine, Leading(leads=leads)))
    made.view = CloudView(identity="swarm-1")
    return made


MARK = ("-m", "node.cloud", "mark", "swarm-1")


def test_a_mark_that_was_taken_away_is_made_again_by_the_swarms_leader(ran: list[tuple[str, ...]]) -> None:
    """CloudFormation writes `unfounded` over it when a tag of the stack changes."""
    settled(leads=True).settle()
    assert ran == [MARK]


def test_no_other_manager_writes_it(ran: list[tuple[str, ...]]) -> None:
    settled(leads=False).settle()
    assert ran == []


def test_it_is_seen_to_from_time_to_time_only(
    ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(agent.time, "monotonic", lambda: now)
    leader = settled(leads=True)
    for _ in range(3):
        leader.settle()
    assert ran == [MARK]
    now += agent.MARK_S
    leader.settle()
    assert ran == [MARK, MARK]


def test_a_ground_that_does_not_answer_keeps_no_manager_from_its_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(argv: Any, **_: Any) -> str:
        raise process.Failed("AWS is away")

    monkeypatch.setattr(process, "run", fail)
    settled(leads=True).settle()
    said = capsys.readouterr()
    assert "AWS is away" in said.out + said.err
    assert "ready" in said.out + said.err
