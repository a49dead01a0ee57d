"""When a sweep of many nodes is good enough: figures in, yes or no out."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.sweeps import judge, show


def row(nodes: int, ill: int, wall_s: float, **other: Any) -> dict[str, Any]:
    calls = {"DescribeAutoScalingGroups": 1, "DescribeInstances": 1 + -(-ill // 100), "GetParameter": 1}
    case = "a tenth ill" if ill else "well"
    found = {"nodes": nodes, "case": case, "ill": ill, "wall_s": wall_s, "cpu_s": wall_s, "peak_mb": 200}
    return {**found, "calls": calls, "left": 0, "missed": ill, **other}


def measured(**last: Any) -> list[dict[str, Any]]:
    return [
        *(row(500, 0, 0.32), row(500, 50, 0.43), row(1000, 0, 0.42), row(1000, 100, 0.68)),
        *(row(5000, 0, 1.32), row(5000, 500, 2.71) | last),
    ]


def test_what_was_measured_meets_every_goal() -> None:
    assert all(judge(measured()).values())
    assert "NO" not in "\n".join(show(measured()))


@pytest.mark.parametrize(
    ("goal", "last"),
    [
        ("wall_s", {"wall_s": 5.1}),
        ("peak_mb", {"peak_mb": 257}),
        ("left", {"left": 1}),
        ("missed", {"missed": 499}),
        ("linear", {"wall_s": 5.11}),
        ("calls", {"calls": {"DescribeInstances": 7}}),
        ("calls", {"calls": {"DescribeTags": 1}}),
    ],
)
def test_each_goal_can_be_missed(goal: str, last: dict[str, Any]) -> None:
    rows = measured(**last)
    assert not judge(rows)[goal]
    assert "NO" in "\n".join(show(rows))


def test_without_a_cluster_to_compare_with_nothing_is_known_of_growth() -> None:
    assert not judge([row(5000, 0, 1.0)])["linear"]


def test_who_is_missed_of_a_cluster_that_is_well_counts_too() -> None:
    rows = measured()
    rows[0]["missed"] = 1
    assert not judge(rows)["missed"]
