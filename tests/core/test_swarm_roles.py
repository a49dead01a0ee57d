"""Managers that a person demoted: the one that gets its role back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from swarmer.core.state import SwarmNode
from swarmer.core.swarm_roles import DEMOTION_S, Demotions, demoted

MANAGERS = frozenset({"c1", "c2", "c3"})
DEMOTED = SwarmNode(id="id-c2", name="c2", role="worker", state="ready")


def promoted(*rows: SwarmNode, leaving: frozenset[str] = frozenset()) -> str:
    """ID of the row that is promoted once it has been demoted for long enough."""
    found = demoted(rows, managers=MANAGERS, leaving=leaving)
    demotions = Demotions()
    assert demotions.to_promote(found, 100.0) is None
    row = demotions.to_promote(found, 100.0 + DEMOTION_S)
    return row.id if row else ""


def test_a_manager_that_was_demoted_is_promoted_again() -> None:
    assert promoted(DEMOTED) == "id-c2"


@pytest.mark.parametrize("availability", ["active", "pause", "drain"])
def test_a_node_that_operators_drained_keeps_both_its_availability_and_its_role(availability: str) -> None:
    assert promoted(replace(DEMOTED, availability=availability)) == "id-c2"


@pytest.mark.parametrize(
    "changes",
    [
        {"role": "manager", "reachability": "reachable"},
        {"role": "manager", "reachability": "unreachable"},
        {"state": "down"},
        {"state": "unknown"},
        {"name": "w1"},
    ],
    ids=["is a manager", "is a lost manager", "is down", "is unknown", "is a worker by its description"],
)
def test_any_other_node_keeps_its_role(changes: dict[str, Any]) -> None:
    assert promoted(replace(DEMOTED, **changes)) == ""


def test_a_demotion_that_is_under_way_ends_first() -> None:
    """Swarm takes the vote some seconds after the role."""
    assert promoted(replace(DEMOTED, reachability="reachable")) == ""


def test_a_node_that_a_function_removes_stays_demoted() -> None:
    """The removal demotes it, and its marker is written before."""
    assert promoted(DEMOTED, leaving=frozenset({"c2"})) == ""


def test_a_node_with_two_rows_is_promoted_only_after_its_dead_row_is_gone() -> None:
    """The Swarm lists the dead row as ready for some seconds. As a voter it would cost the quorum."""
    anew = replace(DEMOTED, id="id-new")
    assert promoted(DEMOTED, anew) == ""
    assert promoted(replace(DEMOTED, role="manager", reachability="unreachable"), anew) == ""
    assert promoted(anew) == "id-new"


def test_two_are_promoted_one_after_the_other() -> None:
    other = replace(DEMOTED, id="id-c3", name="c3")
    assert promoted(DEMOTED, other) == "id-c2"
    assert promoted(replace(DEMOTED, role="manager", reachability="reachable"), other) == "id-c3"


def test_a_demotion_gets_time_to_end() -> None:
    """A node that was promoted after 2 s was no manager for 32 s: its worker's certificate never came."""
    demotions = Demotions()
    times_s = (0.0, 3.0, DEMOTION_S - 0.1, DEMOTION_S)
    assert [bool(demotions.to_promote([DEMOTED], now_s)) for now_s in times_s] == [False, False, False, True]


def test_a_second_demotion_gets_as_much_time_as_the_first() -> None:
    demotions = Demotions()
    demotions.to_promote([DEMOTED], 0.0)
    assert demotions.to_promote([], DEMOTION_S) is None
    assert demotions.to_promote([DEMOTED], DEMOTION_S + 1) is None
    assert demotions.to_promote([DEMOTED], 2 * DEMOTION_S + 1)
