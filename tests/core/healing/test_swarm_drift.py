"""Changes that a person made in the Swarm: the sweep takes back some of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmer.core.healing.swarm_drift import leftovers, to_demote
from swarmer.core.healing.world import Member, Swarm
from tests.core.healing.scenes import CORE_GROUP, GROUPS, WORKERS, A, B, C, V, W, row, swarm, worker_id

PROMOTED = row(W, role="manager", reachability="reachable")
MANAGERS = (row(A), row(B), row(C))


def demoted(seen: Swarm, leaving: tuple[str, ...] = ()) -> list[str]:
    return [each.name for each in to_demote(GROUPS, seen, leaving)]


def test_a_worker_that_a_person_promoted_is_demoted() -> None:
    assert demoted(swarm(*MANAGERS, PROMOTED, row(V))) == [W]


def test_managers_by_the_description_are_left_alone() -> None:
    assert demoted(swarm()) == []


@pytest.mark.parametrize(
    "lost",
    [{"reachability": "unreachable", "state": "down"}, {"role": "worker", "reachability": ""}],
    ids=["a manager is lost", "a manager was demoted"],
)
def test_while_a_manager_is_missing_a_promoted_worker_keeps_its_vote(lost: dict[str, str]) -> None:
    """A person may have promoted it for that."""
    assert demoted(swarm(row(A), row(B), row(C, **lost), PROMOTED, row(V))) == []


def test_of_two_that_were_promoted_each_is_judged_with_the_other_one_there() -> None:
    both = swarm(*MANAGERS, PROMOTED, row(V, role="manager", reachability="reachable"))
    assert demoted(both) == [W, V]


def test_one_that_a_function_removes_is_left_to_it() -> None:
    assert demoted(swarm(*MANAGERS, PROMOTED, row(V)), leaving=(W,)) == []


@pytest.mark.parametrize("state", ["Pending:Wait", "Terminating:Wait"])
def test_an_instance_that_comes_or_goes_is_left_to_its_hook(state: str) -> None:
    moving = replace(WORKERS, members={**WORKERS.members, worker_id(0): Member(lifecycle=state)})
    assert to_demote((CORE_GROUP, moving), swarm(*MANAGERS, PROMOTED, row(V)), ()) == ()


def test_a_swarm_without_a_quorum_is_left_alone() -> None:
    assert demoted(Swarm()) == []
    assert leftovers(GROUPS, Swarm()) == ()


def test_the_dead_row_of_a_worker_that_left_and_joined_again_is_removed() -> None:
    dead = row(W, id="former", state="down")
    assert leftovers(GROUPS, swarm(*MANAGERS, dead, row(W), row(V))) == (dead,)


def test_the_only_row_of_a_lost_worker_stays_until_its_machine_is_proved_to_be_gone() -> None:
    assert leftovers(GROUPS, swarm(*MANAGERS, row(W, state="down"), row(V))) == ()
    two_dead = (row(W, id="former", state="down"), row(W, state="down"))
    assert leftovers(GROUPS, swarm(*MANAGERS, *two_dead, row(V))) == ()


def test_the_dead_row_of_a_manager_is_left_to_the_manager() -> None:
    """The row counts in raft, so it is demoted before it is removed."""
    dead = row(A, id="former", state="down", reachability="unreachable")
    assert leftovers(GROUPS, swarm(dead, *MANAGERS, row(W), row(V))) == ()


def test_a_silent_row_that_swarm_has_not_called_down_is_no_leftover() -> None:
    assert leftovers(GROUPS, swarm(*MANAGERS, row(W, id="former", state="unknown"), row(W), row(V))) == ()
