"""A manager whose Swarm's leader is dead: what it sees, and what it does about it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import pytest

from node import succession
from node.succession import Succession
from swarmer.adapters import swarmkit
from swarmer.adapters.consul import Consul, Unavailable
from swarmer.adapters.docker import Engine
from swarmer.adapters.docker import Unavailable as DockerUnavailable

ME, OTHER, LEADER = "10.0.0.4", "10.0.0.5", "10.0.0.6"
LED = {ME: False, OTHER: False, LEADER: True}
MEMBER = 7


class Members:
    """Consul's, of whom some live."""

    def __init__(self) -> None:
        self.alive = {ME, OTHER, LEADER}
        self.answers = True

    def members(self) -> list[dict[str, Any]]:
        if not self.answers:
            raise Unavailable("timed out")
        return [{"Addr": each, "Status": 1 if each in self.alive else 4} for each in LED]


class World:
    """Consul, the clock and the managers, as one of them has them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.consul, self.now_s = Members(), 1000.0
        self.stood: list[int] = []
        self.numbers = 0
        self.refuses = self.has_leader = False
        monkeypatch.setattr(succession.time, "monotonic", lambda: self.now_s)
        monkeypatch.setattr(swarmkit, "raft_id", self.raft_id)
        monkeypatch.setattr(swarmkit, "stand", self.stand)
        monkeypatch.setattr(Engine, "managers", self.managers)
        self.engine = folder / "docker.pid"
        self.starts = 0
        self.start_engine()
        monkeypatch.setattr(succession, "ENGINE", self.engine)

    def start_engine(self) -> None:
        self.starts += 1
        self.engine.write_text("1")
        os.utime(self.engine, ns=(self.starts, self.starts))

    def raft_id(self, address: str, node: str, **_: float) -> int:
        self.numbers += 1
        if self.refuses:
            raise swarmkit.Unavailable("no leader")
        return MEMBER

    def stand(self, address: str, member: int, **_: float) -> None:
        if self.refuses:
            raise swarmkit.Unavailable("connection refused")
        assert address == self.me
        self.stood.append(member)

    def managers(self, *_: object) -> dict[str, bool]:
        if not self.has_leader:
            raise DockerUnavailable("the swarm does not have a leader")
        return LED

    def manager(self, address: str) -> Succession:
        """That saw who leads."""
        self.me = address
        made = Succession(address, cast(Consul, self.consul))
        made.learn("node-1", LED, self.now_s)
        made.look()
        return made


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    return World(monkeypatch, tmp_path)


def test_the_first_of_the_living_stands_the_moment_consul_sees_the_leader_dead(world: World) -> None:
    manager = world.manager(ME)
    world.consul.alive.discard(LEADER)
    for _ in range(3):
        manager.look()
    assert world.stood == [MEMBER]


def test_the_next_one_stands_where_the_first_did_not_get_it(world: World) -> None:
    manager = world.manager(OTHER)
    world.consul.alive.discard(LEADER)
    manager.look()
    assert world.stood == []
    world.now_s += 3
    manager.look()
    assert world.stood == [MEMBER]


def test_the_next_one_leaves_a_new_leader_alone(world: World) -> None:
    manager = world.manager(OTHER)
    world.consul.alive.discard(LEADER)
    manager.look()
    world.now_s, world.has_leader = world.now_s + 3, True
    manager.look()
    assert world.stood == []


def test_a_consul_that_does_not_answer_proves_nothing(world: World) -> None:
    manager = world.manager(ME)
    world.consul.alive.discard(LEADER)
    world.consul.answers = False
    manager.look()
    assert world.stood == []


def test_a_manager_that_is_taken_out_has_no_part_in_it(world: World) -> None:
    manager = world.manager(ME)
    manager.forget()
    world.consul.alive.discard(LEADER)
    manager.look()
    assert world.stood == []


def test_its_number_is_asked_for_once_for_each_change_among_the_managers(world: World) -> None:
    """One that was demoted and promoted again has another."""
    manager = world.manager(ME)
    manager.look()
    assert world.numbers == 1
    manager.learn("node-1", {ME: False, OTHER: True, LEADER: False}, world.now_s)
    manager.look()
    assert world.numbers == 2


def test_a_refusal_is_said_once_and_tried_again(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    manager = world.manager(ME)
    world.refuses = True
    world.consul.alive.discard(LEADER)
    for _ in range(3):
        manager.look()
    assert capsys.readouterr().out.count("cannot stand for election") == 1
    world.refuses = False
    manager.look()
    assert world.stood == [MEMBER]


def test_a_leader_whose_engine_was_killed_stands_again_once_that_is_back(world: World) -> None:
    """It is a follower like the others, who wait for its heartbeats."""
    manager = world.manager(LEADER)
    world.engine.unlink()
    manager.look()
    assert world.stood == []
    world.start_engine()
    manager.look()
    assert world.stood == [MEMBER]


def test_a_leader_whose_engine_was_away_for_long_leaves_the_next_one_alone(world: World) -> None:
    """It stood against whom they had elected meanwhile: its log was too short, and nobody led any more."""
    manager = world.manager(LEADER)
    world.engine.unlink()
    manager.look()
    world.now_s += 10
    world.start_engine()
    manager.look()
    assert world.stood == []


def test_after_its_return_the_next_death_counts_anew(world: World) -> None:
    manager = world.manager(ME)
    for _ in range(2):
        world.consul.alive.discard(LEADER)
        manager.look()
        world.consul.alive.add(LEADER)
        manager.look()
    assert world.stood == [MEMBER, MEMBER]
