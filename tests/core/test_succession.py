"""Who has Swarm's managers elect a leader when theirs is dead, and when."""

from __future__ import annotations

import pytest

from node.agent import SETTLED_PAUSE_S
from node.succession import LOOK_S
from swarmer.core import succession
from swarmer.core.succession import TURN_S

A, B, C, D, E = (f"10.0.0.{number}" for number in range(4, 9))
THREE = {A: False, B: False, C: True}


@pytest.mark.parametrize(("me", "place"), [(A, 0), (B, 1)])
def test_the_living_take_turns_in_the_order_of_their_addresses(me: str, place: int) -> None:
    assert succession.turn(THREE, {A, B}, me) == place


def test_the_dead_have_no_turn() -> None:
    five = {A: True, B: False, C: False, D: False, E: False}
    assert succession.turn(five, {C, D, E}, C) == 0


def test_while_the_leader_lives_nobody_stands() -> None:
    assert succession.turn(THREE, {A, B, C}, A) is None


def test_a_leader_does_not_stand_against_itself() -> None:
    assert succession.turn(THREE, {A, B}, C) is None


def test_a_leader_whose_engine_began_anew_stands_again() -> None:
    """The others would wait for its heartbeats for 10 s and more."""
    assert succession.turn(THREE, {A, B, C}, C, restarted=True) == 0
    assert succession.turn(THREE, {A, B, C}, A, restarted=True) is None


@pytest.mark.parametrize("managers", [{}, {A: False, B: False}])
def test_where_nobody_is_known_to_lead_docker_elects(managers: dict[str, bool]) -> None:
    assert succession.turn(managers, {A, B}, A) is None


@pytest.mark.parametrize("alive", [{A}, set()])
def test_one_that_sees_no_majority_may_be_cut_off_itself(alive: set[str]) -> None:
    assert succession.turn(THREE, alive, A) is None


def test_of_two_managers_one_is_no_majority() -> None:
    assert succession.turn({A: False, B: True}, {A}, A) is None


def test_the_first_stands_at_once_the_others_when_it_had_its_time() -> None:
    assert succession.is_due(0, lost_for_s=0)
    assert not succession.is_due(1, lost_for_s=TURN_S - 0.1)
    assert succession.is_due(1, lost_for_s=TURN_S)


def test_nobody_stands_once_docker_may_have_elected_another_leader() -> None:
    """One whose log is short would depose it and win nothing: no leader for 10 to 20 s."""
    assert not succession.is_late(seen_ago_s=8.9)
    assert succession.is_late(seen_ago_s=9)


def test_two_have_their_turn_before_that() -> None:
    """What passes before: the agent's pause between two passes, Consul's 3 s to see a death, two looks."""
    before_s = SETTLED_PAUSE_S + 3 + 2 * LOOK_S
    assert not succession.is_late(seen_ago_s=before_s)
    assert not succession.is_late(seen_ago_s=before_s - LOOK_S + TURN_S)
