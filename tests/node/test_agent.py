"""The agent's shell: what it keeps right outside the cluster."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from node import agent
from node.agent import Agent
from swarmer.adapters import process
from swarmer.adapters.consul import Consul, Unavailable
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


class Joining:
    """Consul's agent on a node whose peers, all but the first, drop whatever they are sent."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs
        self.asked: list[str] = []

    def members(self) -> list[dict[str, Any]]:
        if self.hangs:
            raise Unavailable("timed out")
        return [{"Addr": "10.0.1.0", "Status": 1}, {"Addr": "10.0.1.1", "Status": 4}]

    def join(self, address: str) -> None:
        self.asked.append(address)
        time.sleep(0.1)
        raise Unavailable("timed out")


PEERS = tuple(f"10.0.1.{number}" for number in range(2 * agent.MOST_JOINS + 1))


def lonely(consul: Joining) -> Agent:
    made = Agent(machine("10.0.0.4", instance="i-one"), consul=cast(Consul, consul))
    made.view, made._looked_s = CloudView(peers=PEERS), time.monotonic()
    return made


def test_a_zone_full_of_machines_that_do_not_answer_holds_nobody_up() -> None:
    consul, began_s = Joining(), time.monotonic()
    lonely(consul).join_consul()
    assert time.monotonic() - began_s < 0.1 * len(PEERS) / 4
    # Who is a member is not asked to become one.
    assert sorted(consul.asked) == sorted(PEERS[1:])


def test_a_consul_that_hangs_itself_is_asked_to_join_nobody() -> None:
    """Each question would cost its time-out, and nobody would see that it hangs meanwhile."""
    consul = Joining(hangs=True)
    lonely(consul).join_consul()
    assert consul.asked == []
