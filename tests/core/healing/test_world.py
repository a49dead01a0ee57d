"""The values that the functions decide on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmer.core.healing import quorum
from swarmer.core.healing.quorum import Verdict
from swarmer.core.healing.world import Group, cluster_closes, cluster_ends, group_of, is_initialized, wanted
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER
from tests.core.healing.scenes import CORE_GROUP, GROUPS, WORKERS, core_id, instance


def test_a_cluster_is_meant_to_have_what_its_groups_ask_for() -> None:
    assert wanted(GROUPS, CONSUL_SERVER) == wanted(GROUPS, SWARM_MANAGER) == 3
    assert wanted((*GROUPS, replace(CORE_GROUP, is_deleting=True)), CONSUL_SERVER) == 3


def test_a_cluster_ends_with_all_its_groups_that_vote() -> None:
    assert not cluster_ends(GROUPS)
    assert not cluster_ends((CORE_GROUP, replace(WORKERS, desired=0), replace(WORKERS, is_deleting=True)))
    assert not cluster_ends((CORE_GROUP, replace(CORE_GROUP, desired=0)))  # its roles move to the other
    assert cluster_ends((replace(CORE_GROUP, desired=0), WORKERS))


def test_a_cluster_of_which_only_workers_are_there_yet_is_being_made() -> None:
    assert not cluster_closes((WORKERS,))
    assert cluster_closes((replace(CORE_GROUP, desired=0), WORKERS))
    assert not cluster_closes(GROUPS)


@pytest.mark.parametrize("lifecycle", ["Pending", "Pending:Wait", "InService", "Terminating:Wait", "Standby"])
def test_a_cluster_was_founded_once_a_node_that_votes_is_in_service(lifecycle: str) -> None:
    def of(group: Group) -> Group:
        members = {key: replace(each, lifecycle=lifecycle) for key, each in group.members.items()}
        return replace(group, members=members)

    assert is_initialized([of(CORE_GROUP), WORKERS]) == (lifecycle == "InService")
    assert not is_initialized([of(WORKERS)]), "workers alone are no cluster"


def test_an_instance_belongs_to_the_group_that_lists_it() -> None:
    assert group_of(GROUPS, core_id(0)) is CORE_GROUP
    assert group_of(GROUPS, "i-0") is None


@pytest.mark.parametrize(
    ("state", "gone"), [("shutting-down", True), ("terminated", True), ("stopped", False), ("unknown", False)]
)
def test_proof_is_what_ec2_says(state: str, gone: bool) -> None:
    assert instance("core-i-0", state).is_gone is gone


@pytest.mark.parametrize(
    ("others", "well", "wanted", "verdict"),
    [
        (3, 3, 3, Verdict.SAFE),
        (2, 2, 3, Verdict.THINS),
        (2, 1, 3, Verdict.COSTS),
        (4, 3, 3, Verdict.SAFE),
        (4, 2, 3, Verdict.COSTS),
        (1, 1, 1, Verdict.SAFE),
        (0, 0, 1, Verdict.COSTS),
        (0, 0, 0, Verdict.COSTS),
    ],
)
def test_majorities(others: int, well: int, wanted: int, verdict: Verdict) -> None:
    assert quorum.judge(others=others, well=well, wanted=wanted) is verdict
