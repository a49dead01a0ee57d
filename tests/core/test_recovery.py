"""The next step of a manager whose Swarm has lost its quorum: what is seen decides, never an answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmer.core.recovery import (
    JOIN_TIMEOUT_S,
    READY_TIMEOUT_S,
    ForceNewCluster,
    Recovered,
    Refuse,
    SwarmView,
    Wait,
    decide,
)

LOST = SwarmView(answers=True, was_member=True, expected_id="swarm-1", error="no leader")
CALLED = replace(LOST, called_s_ago=0.0)
SOLE = replace(CALLED, controls=True, swarm_id="swarm-1")


def test_a_manager_without_a_quorum_is_made_the_only_one() -> None:
    assert decide(LOST) == ForceNewCluster()


def test_a_manager_that_has_its_quorum_is_left_alone() -> None:
    assert decide(replace(LOST, controls=True, swarm_id="swarm-1")) == Recovered()


def test_a_swarm_that_has_a_leader_after_the_call_is_recovered_whatever_the_call_answered() -> None:
    assert decide(SOLE) == Recovered()
    assert decide(replace(SOLE, may_call=False)) == Recovered()


def test_a_swarm_that_has_no_leader_yet_is_waited_for_and_then_called_again() -> None:
    assert isinstance(decide(CALLED), Wait)
    assert isinstance(decide(replace(CALLED, called_s_ago=READY_TIMEOUT_S - 0.1)), Wait)
    assert decide(replace(CALLED, called_s_ago=READY_TIMEOUT_S)) == ForceNewCluster()


@pytest.mark.parametrize(
    "view", [LOST, CALLED, replace(LOST, answers=False), replace(LOST, was_member=False)]
)
def test_once_its_time_is_up_it_stops_and_repeats_dockerds_words(view: SwarmView) -> None:
    assert decide(replace(view, may_call=False)) == Refuse("the Swarm has no leader: no leader")
    assert decide(replace(view, may_call=False, error="")) == Refuse(
        "the Swarm has no leader: dockerd gives no reason"
    )


def test_an_engine_that_does_not_answer_is_waited_for() -> None:
    assert decide(replace(CALLED, answers=False)) == Wait("dockerd to answer")


def test_an_engine_that_starts_its_swarm_anew_shows_none_for_a_while() -> None:
    starting = replace(LOST, was_member=False)
    assert isinstance(decide(replace(starting, waited_s=JOIN_TIMEOUT_S - 0.1)), Wait)


def test_a_manager_that_was_never_in_the_swarm_would_create_an_empty_one() -> None:
    refused = decide(replace(LOST, was_member=False, waited_s=JOIN_TIMEOUT_S))
    assert refused == Refuse("this manager was never in the Swarm: choose one that was")


def test_a_manager_of_another_swarm_is_refused_with_both_ids() -> None:
    refused = decide(replace(SOLE, swarm_id="swarm-2"))
    assert isinstance(refused, Refuse)
    assert "manages Swarm swarm-2" in refused.reason
    assert "Swarm is swarm-1" in refused.reason


@pytest.mark.parametrize("unknown", [{"expected_id": ""}, {"swarm_id": ""}])
def test_an_id_that_nobody_knows_is_no_other_swarm(unknown: dict[str, str]) -> None:
    assert decide(replace(SOLE, **unknown)) == Recovered()  # type: ignore[arg-type]
