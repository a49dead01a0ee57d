"""Who serves the registry: the decision of one pass."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from swarmer.core import election
from swarmer.core.election import Acquire, Serve, Stay, Stop, Tenure

IDLE = Tenure(holds=False, renewed_s=0.1, serving=False, free=True)


def test_the_holder_has_stopped_before_consul_gives_the_lock_to_another() -> None:
    assert election.FENCE_S + election.STOP_S < election.LOCK_DELAY_S


def test_a_free_lock_is_tried_for() -> None:
    assert election.decide(IDLE) == Acquire()


def test_a_lock_of_another_is_left_alone() -> None:
    assert election.decide(replace(IDLE, free=False)) == Stay()


def test_the_holder_serves() -> None:
    assert election.decide(replace(IDLE, holds=True, free=False)) == Serve()
    assert election.decide(replace(IDLE, holds=True, free=False, serving=True)) == Stay()


def test_a_holder_that_lost_its_lease_stops() -> None:
    assert isinstance(election.decide(replace(IDLE, serving=True, free=False)), Stop)
    assert isinstance(election.decide(replace(IDLE, serving=True)), Stop)


def test_a_holder_that_consul_does_not_confirm_stops_by_its_own_clock() -> None:
    late = replace(IDLE, holds=True, free=False, serving=True, renewed_s=election.FENCE_S)
    assert isinstance(election.decide(late), Stop)


@given(st.booleans(), st.floats(0, 100), st.booleans(), st.booleans())
def test_nobody_goes_on_serving_without_a_fresh_lease(
    holds: bool, renewed_s: float, serving: bool, free: bool
) -> None:
    action = election.decide(Tenure(holds=holds, renewed_s=renewed_s, serving=serving, free=free))
    if serving and (not holds or renewed_s >= election.FENCE_S):
        assert isinstance(action, Stop)
    if not holds:
        assert action != Serve()
