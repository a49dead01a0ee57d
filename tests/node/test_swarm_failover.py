"""A manager whose Swarm lost its leader: what it sees, and what it does about it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import pytest

from node import swarm_failover
from node.swarm_failover import RAFT_ID_INTERVAL_S, SwarmFailover
from swarmer.adapters import docker, swarmkit
from swarmer.adapters.consul import Consul
from swarmer.adapters.consul import Unavailable as ConsulUnavailable
from swarmer.adapters.docker import Engine
from swarmer.adapters.raft_log import RaftLog
from swarmer.core.state import ConsulMember, MemberStatus, SwarmNode, SwarmStatus
from swarmer.core.swarm_failover import ELECTION_TIMEOUT_S, SILENCE_GRACE_S, TURN_INTERVAL_S

ADDRESS = {"me": "10.0.0.4", "other": "10.0.0.5", "leader": "10.0.0.6"}
ORDER = {"me": "a", "other": "b", "leader": "c"}
"""Their ids in the Swarm: turns go by them."""
NUMBER = 7


class Lab:
    """Consul, Docker, the clock and the other managers, as one of them has them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.now_s = 1000.0
        self.alive = set(ADDRESS)
        self.consul_answers = self.has_leader = True
        self.leader, self.terms = "leader", [2]
        self.stood: list[int] = []
        self.numbers = self.starts = 0
        self.refuses = self.refuses_number = False
        self.pid = folder / "docker.pid"
        self.start_engine()
        monkeypatch.setattr(swarm_failover, "ENGINE_PID_FILE", self.pid)
        monkeypatch.setattr("time.monotonic", lambda: self.now_s)
        monkeypatch.setattr(swarmkit, "raft_id", self.raft_id)
        monkeypatch.setattr(swarmkit, "stand", self.stand)

    # -- this machine's engine

    def start_engine(self) -> None:
        self.starts += 1
        self.pid.write_text("1")
        os.utime(self.pid, ns=(self.starts, self.starts))

    def managers(self) -> tuple[SwarmNode, ...]:
        if not self.has_leader:
            raise docker.Unavailable("timed out")
        return tuple(
            SwarmNode(
                id=ORDER[each],
                name=each,
                role="manager",
                state="ready",
                reachability="reachable",
                is_leader=each == self.leader,
                address=address,
            )
            for each, address in ADDRESS.items()
        )

    def swarm(self) -> SwarmStatus:
        return SwarmStatus("active", is_manager=True, error="", id="swarm-1", node=ORDER[self.me])

    def term(self) -> int:
        """Term of its raft: the last value stays, earlier ones are used up."""
        return self.terms.pop() if len(self.terms) > 1 else self.terms[0]

    # -- Consul

    def members(self) -> tuple[ConsulMember, ...]:
        if not self.consul_answers:
            raise ConsulUnavailable("timed out")
        return tuple(
            ConsulMember(
                name=each,
                address=address,
                status=MemberStatus.ALIVE if each in self.alive else MemberStatus.FAILED,
                is_server=False,
            )
            for each, address in ADDRESS.items()
        )

    # -- the managers' own port

    def raft_id(self, address: str, node: str, **_: float) -> int:
        assert (address, node) == (ADDRESS[self.me], ORDER[self.me])
        if self.refuses_number:
            raise swarmkit.Unavailable("no leader")
        self.numbers += 1
        return NUMBER

    def stand(self, address: str, member: int, term: int, *, timeout_s: float) -> None:
        if self.refuses:
            raise swarmkit.Unavailable("connection refused")
        assert address == ADDRESS[self.me]
        assert timeout_s > 0
        assert term == self.terms[0]
        self.stood.append(member)

    # -- what happens

    def manager(self, me: str) -> SwarmFailover:
        """That has seen who leads."""
        self.me = me
        made = SwarmFailover(ADDRESS[me], cast(Consul, self), lambda: cast(Engine, self), cast(RaftLog, self))
        made.check_leader()
        return made

    def lose(self, who: str) -> None:
        """And Consul notices."""
        self.alive.discard(who)
        self.has_leader = False
        self.now_s += SILENCE_GRACE_S


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lab:
    return Lab(monkeypatch, tmp_path)


def test_the_first_of_the_living_stands_at_once_and_once(lab: Lab) -> None:
    manager = lab.manager("me")
    lab.lose("leader")
    for _ in range(3):
        manager.check_leader()
    assert lab.stood == [NUMBER]


def test_the_next_one_stands_where_the_first_did_not_get_it(lab: Lab) -> None:
    manager = lab.manager("other")
    lab.lose("leader")
    manager.check_leader()
    assert lab.stood == []
    lab.now_s += TURN_INTERVAL_S
    manager.check_leader()
    assert lab.stood == [NUMBER]


def test_a_leader_that_answers_is_left_alone_though_its_consul_is_dead(lab: Lab) -> None:
    manager = lab.manager("me")
    lab.alive.discard("leader")
    for _ in range(3):
        lab.now_s += 1
        manager.check_leader()
        assert not manager.is_urgent()
    assert lab.stood == []


def test_one_late_answer_of_a_leader_whose_consul_is_dead_costs_it_nothing(lab: Lab) -> None:
    manager = lab.manager("me")
    lab.alive.discard("leader")
    lab.now_s, lab.has_leader = lab.now_s + 1, False
    manager.check_leader()
    lab.has_leader = True
    manager.check_leader()
    assert lab.stood == []


def test_the_next_one_asks_once_more_when_its_turn_comes(lab: Lab) -> None:
    """An earlier question may hang although the first manager leads by now."""
    manager = lab.manager("other")
    lab.lose("leader")
    manager.check_leader()
    asked_s = lab.now_s

    def hang() -> tuple[SwarmNode, ...]:
        lab.now_s = asked_s + TURN_INTERVAL_S + 0.1
        raise docker.TimedOut("timed out")

    lab.managers = hang  # type: ignore[method-assign]
    manager.check_leader()
    assert lab.stood == []
    manager.check_leader()
    assert lab.stood == [NUMBER]


def test_a_leader_that_lives_and_does_not_answer_is_left_to_docker(lab: Lab) -> None:
    """The leader, or this manager, is overloaded."""
    manager = lab.manager("me")
    lab.has_leader = False
    for _ in range(10):
        manager.check_leader()
        lab.now_s += 1
    assert lab.stood == []


def test_a_consul_that_does_not_answer_proves_nothing(lab: Lab) -> None:
    manager = lab.manager("me")
    lab.lose("leader")
    lab.consul_answers = False
    manager.check_leader()
    assert lab.stood == []


@pytest.mark.parametrize("terms", [[0], [3, 2]], ids=["cannot be read", "changed while it was asked"])
def test_nobody_stands_against_a_leader_whose_term_is_not_known(lab: Lab, terms: list[int]) -> None:
    lab.terms = terms
    manager = lab.manager("me")
    lab.lose("leader")
    manager.check_leader()
    assert lab.stood == []


def test_nobody_stands_on_what_was_seen_long_ago(lab: Lab) -> None:
    """Docker's managers may have elected one that this one has not heard of yet."""
    manager = lab.manager("me")
    lab.lose("leader")
    lab.now_s += ELECTION_TIMEOUT_S
    manager.check_leader()
    assert lab.stood == []


def test_a_consul_that_flaps_makes_nobody_stand_twice(lab: Lab) -> None:
    manager = lab.manager("me")
    for _ in range(2):
        lab.lose("leader")
        manager.check_leader()
        lab.alive.add("leader")
        manager.check_leader()
    assert lab.stood == [NUMBER]


def test_the_next_death_counts_anew(lab: Lab) -> None:
    manager = lab.manager("me")
    lab.lose("leader")
    manager.check_leader()
    lab.leader, lab.has_leader = "other", True
    lab.alive.add("leader")
    manager.check_leader()
    lab.lose("other")
    manager.check_leader()
    assert lab.stood == [NUMBER, NUMBER]


def test_it_asks_again_soon_only_while_that_can_help(lab: Lab) -> None:
    manager = lab.manager("me")
    assert not manager.is_urgent()
    lab.lose("leader")
    lab.now_s += swarm_failover.QUERY_INTERVAL_S + swarm_failover.QUERY_TIMEOUT_S + 0.1
    manager.check_leader()
    assert manager.is_urgent()
    lab.now_s += ELECTION_TIMEOUT_S
    assert not manager.is_urgent()


def test_it_tells_when_another_one_leads(lab: Lab) -> None:
    """The agent declares the leader's Docker in Consul: the name that people use follows."""
    manager = lab.manager("me")
    manager.changed.clear()
    manager.check_leader()
    assert not manager.changed.is_set()
    lab.leader = "me"
    manager.check_leader()
    assert manager.changed.is_set()


def test_its_number_is_asked_for_from_time_to_time(lab: Lab) -> None:
    """One that was demoted and promoted again has another."""
    manager = lab.manager("me")
    manager.check_leader()
    assert lab.numbers == 1
    lab.now_s += RAFT_ID_INTERVAL_S
    manager.check_leader()
    assert lab.numbers == 2


def test_what_it_cannot_learn_is_said_once(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.refuses_number = True
    manager = lab.manager("me")
    for _ in range(3):
        assert "does not know its number" not in capsys.readouterr().out
        lab.now_s += swarm_failover.RAFT_ID_GRACE_S / 2
        manager.check_leader()
    assert capsys.readouterr().out.count("does not know its number") == 1
    manager.check_leader()
    assert capsys.readouterr().out == ""
    lab.lose("leader")
    manager.check_leader()
    assert lab.stood == []


def test_a_refusal_is_said_once_and_tried_again(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    manager = lab.manager("me")
    lab.refuses = True
    lab.lose("leader")
    for _ in range(3):
        manager.check_leader()
    assert capsys.readouterr().out.count("cannot stand for election") == 1
    lab.refuses = False
    manager.check_leader()
    assert lab.stood == [NUMBER]


def test_a_leader_whose_engine_was_killed_stands_until_the_swarm_answers(lab: Lab) -> None:
    """The leader is a follower now, and the others wait for its heartbeats. The first message may be too
    early."""
    manager = lab.manager("leader")
    lab.pid.unlink()
    lab.has_leader = False
    manager.check_leader()
    assert lab.stood == []
    lab.now_s += SILENCE_GRACE_S
    lab.start_engine()
    for _ in range(2):
        manager.check_leader()
    assert lab.stood == [NUMBER, NUMBER]
    lab.has_leader = True
    manager.check_leader()
    assert lab.stood == [NUMBER, NUMBER]


def test_a_leader_whose_engine_was_away_for_long_stands_no_more(lab: Lab) -> None:
    """The leader stood against the new one: its log was too short, and the Swarm had no leader any more."""
    manager = lab.manager("leader")
    lab.pid.unlink()
    lab.has_leader = False
    manager.check_leader()
    lab.now_s += ELECTION_TIMEOUT_S
    lab.start_engine()
    manager.check_leader()
    assert lab.stood == []


def test_a_restart_of_its_own_engine_is_no_reason_for_a_follower_to_stand(lab: Lab) -> None:
    manager = lab.manager("me")
    lab.start_engine()
    lab.has_leader = False
    lab.now_s += SILENCE_GRACE_S
    manager.check_leader()
    assert lab.stood == []


def test_a_manager_that_has_just_booted_knows_nothing_and_does_nothing(lab: Lab) -> None:
    lab.me, lab.has_leader = "me", False
    lab.alive.discard("leader")
    manager = SwarmFailover(ADDRESS["me"], cast(Consul, lab), lambda: cast(Engine, lab), cast(RaftLog, lab))
    manager.check_leader()
    assert lab.stood == []
