"""Waiting by visibility: quick at first, bounded in number."""

from __future__ import annotations

from swarmer.core.healing import pacing


def test_a_change_is_noticed_with_a_delay_in_proportion_to_the_wait() -> None:
    assert pacing.pause_s(0) == 2
    assert all(pacing.pause_s(waited) <= max(2, waited * 0.1) for waited in range(7200))
    assert pacing.pause_s(7200) == 60


def test_an_hour_takes_few_receives() -> None:
    assert pacing.receives(0) == 1
    assert pacing.receives(600) < 60
    assert pacing.receives(3600) < 120


def test_what_fails_is_tried_again_less_and_less_often() -> None:
    assert [pacing.retry_s(at, 3600) for at in range(1, 9)] == [2, 4, 8, 16, 32, 64, 120, 120]
    assert pacing.retry_s(10**9, 3600) == 120


def test_a_single_failure_after_many_observations_is_retried_soon() -> None:
    """A node that boots is looked at a dozen times in half a minute; then Consul elects a leader."""
    assert pacing.retry_s(12, 25) == 12
    assert pacing.retry_s(1, 0) == pacing.retry_s(12, 1) == 2


def test_failures_alone_use_no_more_receives_than_waiting_does() -> None:
    """Else what fails for long would be dead before what waits as long."""
    at_s, receives = 0.0, 1
    while at_s < 3600:
        at_s += pacing.retry_s(receives, at_s)
        receives += 1
    assert receives <= pacing.receives(3600)
