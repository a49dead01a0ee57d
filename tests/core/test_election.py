"""The registry's holder: the decision of one pass."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from swarmer.core import election
from swarmer.core.election import (
    UNNAMED_TIMEOUT_S,
    Acquire,
    CandidateState,
    Declare,
    GiveUp,
    HandOver,
    Serve,
    Stay,
    Stop,
)
from swarmer.core.state import RegistryLock

FREE = RegistryLock(session=None, number=6)
MINE = RegistryLock(session="mine", number=7, address="10.0.0.4")
THEIRS = RegistryLock(session="theirs", number=8, address="10.0.0.5")
IDLE = CandidateState(session="mine", lock=FREE, confirmed_s=0.1, serving=None)
SERVING = replace(IDLE, lock=MINE, serving=7)


def test_the_holders_last_answer_is_out_before_consul_gives_the_lock_to_another() -> None:
    assert election.FENCE_S + election.STOP_S < election.LOCK_DELAY_S
    assert election.CONFIRM_INTERVAL_S * 2 < election.FENCE_S


def test_a_free_lock_is_tried_for() -> None:
    assert election.decide(IDLE) == Acquire()
    assert election.decide(replace(IDLE, lock=None)) == Acquire()


def test_a_candidate_beside_consuls_leader_leaves_a_free_lock_to_others_for_a_moment() -> None:
    beside = replace(IDLE, is_beside_leader=True, free_s=1.0)
    assert election.decide(beside) == Stay()
    assert (
        election.decide(replace(beside, free_s=election.LOCK_DELAY_S + election.YIELD_GRACE_S)) == Acquire()
    )
    assert election.decide(replace(beside, lock=MINE)) == Serve(7)


def test_a_lock_of_another_is_left_alone() -> None:
    assert election.decide(replace(IDLE, lock=THEIRS)) == Stay()


def test_nothing_begins_without_a_session_that_consul_confirmed() -> None:
    assert election.decide(replace(IDLE, session=None)) == Stay()
    assert election.decide(replace(IDLE, confirmed_s=election.FENCE_S)) == Stay()
    assert election.decide(replace(IDLE, lock=MINE, confirmed_s=election.FENCE_S)) == Stay()


def test_the_holder_serves_under_the_number_of_its_lease() -> None:
    assert election.decide(replace(IDLE, lock=MINE)) == Serve(7)
    assert election.decide(SERVING) == Stay()


def test_a_holder_that_lost_its_lease_stops() -> None:
    assert isinstance(election.decide(replace(SERVING, lock=THEIRS)), Stop)
    assert isinstance(election.decide(replace(SERVING, lock=FREE)), Stop)
    assert isinstance(election.decide(replace(SERVING, lock=replace(MINE, number=9))), Stop)


def test_a_holder_that_consul_does_not_confirm_ends_its_registry() -> None:
    assert election.decide(replace(SERVING, confirmed_s=election.FENCE_S)) == Stay()  # the proxy is shut
    assert isinstance(election.decide(replace(SERVING, confirmed_s=election.CONFIRM_TIMEOUT_S)), Stop)


def test_a_holder_that_is_asked_to_hand_over_does() -> None:
    assert election.decide(replace(SERVING, is_leaving=True)) == HandOver()
    assert election.decide(replace(IDLE, lock=MINE, is_leaving=True)) == HandOver()


def test_a_candidate_that_leaves_takes_nothing() -> None:
    assert election.decide(replace(IDLE, is_leaving=True)) == Stay()


LOCKS = st.sampled_from([None, FREE, MINE, THEIRS])


@given(
    st.sampled_from([None, "mine"]), LOCKS, st.floats(0, 100), st.sampled_from([None, 7, 8]), st.booleans()
)
def test_nobody_serves_without_holding_the_lock(
    session: str | None, lock: RegistryLock | None, confirmed_s: float, serving: int | None, leaves: bool
) -> None:
    state = CandidateState(
        session=session, lock=lock, confirmed_s=confirmed_s, serving=serving, is_leaving=leaves
    )
    action = election.decide(state)
    if lock != MINE or session != "mine":
        assert not isinstance(action, Serve)
        assert serving is None or isinstance(action, Stop)
    if isinstance(action, Serve):
        assert (action.number, confirmed_s < election.FENCE_S) == (7, True)


def test_what_a_holder_writes_can_be_read_and_rubbish_is_nobody() -> None:
    assert election.holder_address(election.holder_value("core-i-0a", "10.0.0.4")) == "10.0.0.4"
    for text in ("", "core-i-0a", "{}", "[1]"):
        assert election.holder_address(text) == ""


def test_a_holder_without_a_name_declares_it_again() -> None:
    assert election.decide(replace(SERVING, unnamed_s=0.5)) == Declare()


def test_a_holder_whose_name_consul_does_not_take_leaves_the_lease_to_another() -> None:
    assert isinstance(election.decide(replace(SERVING, unnamed_s=UNNAMED_TIMEOUT_S)), GiveUp)


def test_without_the_lease_a_name_is_no_matter() -> None:
    assert isinstance(election.decide(replace(SERVING, lock=FREE, unnamed_s=UNNAMED_TIMEOUT_S)), Stop)


def test_a_lock_names_its_holder_as_long_as_somebody_holds_it() -> None:
    value = election.holder_value("core-i-0a", "10.0.0.4")
    held = election.registry_lock(value, session="mine", number=7, index=9)
    assert (held.holder, held.address, held.number, held.index) == ("core-i-0a", "10.0.0.4", 7, 9)
    assert election.registry_lock(value, session=None, number=7, index=10) == RegistryLock(
        session=None, number=7, index=10
    )


def test_a_holder_whose_registry_is_silent_leaves_the_lease_to_another() -> None:
    silent = replace(SERVING, silent_s=election.SILENCE_TIMEOUT_S)
    assert election.decide(silent) == GiveUp("the registry does not answer")
    assert election.decide(replace(silent, silent_s=election.SILENCE_TIMEOUT_S - 1)) == Stay()
    assert election.decide(replace(silent, is_leaving=True)) == HandOver()
