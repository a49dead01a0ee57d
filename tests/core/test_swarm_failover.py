"""Order and time in which Swarm's managers stand for election after the loss of their leader."""

from __future__ import annotations

import pytest

from swarmer.core import swarm_failover
from swarmer.core.state import SwarmNode
from swarmer.core.swarm_failover import ELECTION_TIMEOUT_S, SILENCE_GRACE_S, TURN_INTERVAL_S, ManagerView

ADDRESS = {node: f"10.0.0.{number}" for number, node in enumerate("abcde", 4)}


def managers(nodes: str, leader: str) -> list[SwarmNode]:
    return [
        SwarmNode(
            id=node, name=node, role="manager", state="ready", is_leader=node == leader, address=ADDRESS[node]
        )
        for node in nodes
    ]


def turn(me: str, *, alive: str, of: str = "abc", leader: str = "c", restarted: bool = False) -> int | None:
    addresses = {ADDRESS[node] for node in alive}
    return swarm_failover.turn(ManagerView(me, managers(of, leader), addresses, restarted=restarted))


@pytest.mark.parametrize(("me", "number"), [("a", 0), ("b", 1)])
def test_the_living_stand_one_after_the_other(me: str, number: int) -> None:
    assert turn(me, alive="ab") == number


def test_the_dead_have_no_turn() -> None:
    assert turn("c", of="abcde", leader="a", alive="cde") == 0


@pytest.mark.parametrize("me", ["a", "b", "c"])
def test_while_the_leader_lives_nobody_stands(me: str) -> None:
    assert turn(me, alive="abc") is None


def test_a_leader_that_consul_misses_does_not_stand_against_itself() -> None:
    assert turn("c", alive="ab") is None


def test_only_a_leader_whose_engine_restarted_stands_again() -> None:
    """The others would wait for its heartbeats for 10 s and more."""
    assert turn("c", alive="abc", restarted=True) == 0
    assert turn("a", alive="abc", restarted=True) is None


def test_where_nobody_is_known_to_lead_docker_elects() -> None:
    assert turn("a", alive="ab", leader="") is None
    assert turn("a", alive="ab", of="") is None


@pytest.mark.parametrize("alive", ["a", ""])
def test_one_that_sees_no_majority_may_be_cut_off_itself(alive: str) -> None:
    assert turn("a", alive=alive) is None


def test_of_two_managers_one_is_no_majority() -> None:
    assert turn("a", of="ab", leader="b", alive="a") is None


def test_a_manager_that_is_none_any_more_has_no_turn() -> None:
    assert turn("d", alive="abd") is None


def is_due(number: int, *, lost_for_s: float = 0, silent_s: float = SILENCE_GRACE_S) -> bool:
    return swarm_failover.is_due(number, lost_for_s=lost_for_s, silent_s=silent_s)


def test_the_first_stands_at_once_the_others_when_it_had_its_time() -> None:
    assert is_due(0)
    assert not is_due(1, lost_for_s=TURN_INTERVAL_S - 0.1)
    assert is_due(1, lost_for_s=TURN_INTERVAL_S)


def test_one_answer_that_is_late_deposes_nobody() -> None:
    """The leader's Consul may be down while the leader still leads."""
    assert not is_due(0, silent_s=SILENCE_GRACE_S - 0.1)


def test_nobody_stands_beside_dockers_own_candidates() -> None:
    assert not is_due(0, silent_s=ELECTION_TIMEOUT_S)
    assert ELECTION_TIMEOUT_S < 10
