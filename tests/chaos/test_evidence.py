"""Proofs from the probe's calls, case by case."""

from __future__ import annotations

import pytest

from chaos.evidence import (
    DOOR,
    PULL,
    PUSH,
    Call,
    away_s,
    failed,
    interleavings,
    is_steady,
    last_failure_s,
    leases,
    noticed_s,
    quantile,
    shared_leases,
    since,
)


def answer(began_s: float, ended_s: float, lease: int | None, node: str = "", kind: str = DOOR) -> Call:
    return Call(
        kind=kind, via="", began_s=began_s, ended_s=ended_s, lease=lease, node=node or f"node-{lease}"
    )


def call(began_s: float, ended_s: float, error: str = "", kind: str = PULL, via: str = "") -> Call:
    return Call(kind=kind, via=via, began_s=began_s, ended_s=ended_s, error=error)


@pytest.mark.parametrize(
    ("calls", "is_proven"),
    [
        ([], False),
        ([answer(0, 1, 4), answer(2, 3, 5)], False),
        ([answer(0, 1, 5), answer(2, 3, 4)], True),
        # They overlap: the older answer may have been given first.
        ([answer(0, 2, 5), answer(1, 3, 4)], False),
        ([answer(0, 1, 5), answer(1, 3, 4)], False),
        # A long answer under the newer lease hides no short one before it.
        ([answer(0, 9, 6), answer(1, 2, 5), answer(3, 4, 4)], True),
        # The newest counts, not the last.
        ([answer(0, 1, 6), answer(2, 3, 6), answer(4, 5, 5), answer(6, 7, 6)], True),
        ([answer(0, 1, 5), answer(2, 3, None)], False),
    ],
)
def test_an_older_lease_may_not_speak_after_a_newer_one(calls: list[Call], is_proven: bool) -> None:
    assert bool(interleavings(calls)) is is_proven
    assert bool(interleavings(reversed(calls))) is is_proven


def test_an_interleaving_names_both_answers() -> None:
    newer, older = answer(0, 1, 5), answer(2, 3, 4)
    (found,) = interleavings([older, newer])
    assert (found.newer, found.older) == (newer, older)


def test_a_lease_belongs_to_one_node() -> None:
    assert shared_leases([answer(0, 1, 4, "a"), answer(0, 1, 4, "a"), answer(2, 3, 5, "b")]) == {}
    assert shared_leases([answer(0, 1, 4, "a"), answer(0, 1, 4, "b")]) == {4: {"a", "b"}}


def test_leases_are_listed_in_the_order_of_their_first_answers() -> None:
    assert leases([answer(4, 5, 8), answer(0, 1, 7), answer(2, 3, 7), answer(2, 3, None)]) == [7, 8]


def test_what_went_wrong_before_the_fault_is_not_its_work() -> None:
    calls = [call(0, 0.1, "refused"), call(2, 2.1), *(call(at, at + 0.1) for at in range(3, 9))]
    assert away_s(calls, 3) == pytest.approx(1.0)
    assert noticed_s(calls, 3) is None
    assert last_failure_s(calls, 3) is None


def test_away_is_the_longest_time_without_a_good_answer() -> None:
    calls = [call(3, 3.1), call(4, 4.1, "refused"), call(5, 15, "timed out"), call(6, 8.5), call(9, 9.1)]
    assert away_s(calls, 3) == pytest.approx(5.4)
    assert last_failure_s(calls, 3) == 5


def test_away_begins_with_the_fault_and_lasts_where_nothing_comes_back() -> None:
    assert away_s([call(2.9, 5.0)], 3) == pytest.approx(2.0)
    assert away_s([call(3, 3.1), call(4, 4.1, "refused"), call(9, 9.1, "refused")], 3) == pytest.approx(5.9)
    assert away_s([call(at, at + 0.1, "refused") for at in range(3, 9)], 3) == 5
    assert away_s([], 3) == 0


def test_away_is_what_the_worse_of_two_nodes_saw() -> None:
    well = [call(at, at + 0.1) for at in range(3, 9)]
    ill = [call(3, 3.1, via="other"), call(4, 4.1, "refused", via="other"), call(8, 8.1, via="other")]
    assert away_s(well, 3) == pytest.approx(1.0)
    assert away_s([*well, *ill], 3) == pytest.approx(5.0)


def test_a_failure_or_a_long_wait_is_noticed() -> None:
    refused, hanging, waiting = call(4, 4.1, "refused"), call(4.5, 14.5, "timed out"), call(5, 8)
    assert noticed_s([refused, hanging, waiting], 3) == pytest.approx(4.1)
    assert noticed_s([hanging, waiting], 3) == pytest.approx(6.5)
    assert noticed_s([call(0, 3.5)], 3) == 3


def test_doors_are_no_calls_by_name() -> None:
    calls = [call(4, 4.1, "refused", kind=DOOR), call(4, 4.1, "refused", kind=PUSH)]
    assert failed(calls, PULL) == 0
    assert failed(calls, PUSH) == 1
    assert noticed_s(calls[:1], fault_s=3) is None


def test_quantiles_are_values_that_were_seen() -> None:
    seconds = [float(number) for number in range(10, 0, -1)]
    assert (quantile(seconds, 0.5), quantile(seconds, 0.95), quantile([3.0], 0.95)) == (5.0, 10.0, 3.0)


def test_steady_means_that_calls_were_made_and_went_well() -> None:
    early, late = call(1, 1.1, "refused"), call(3, 3.1)
    assert is_steady([early, late], since_s=2)
    assert not is_steady([early, late], since_s=1)
    assert not is_steady([early, late], since_s=4)
    assert not is_steady([call(3, 5.5)], since_s=2)
    assert since([early, late], 2) == [late]
