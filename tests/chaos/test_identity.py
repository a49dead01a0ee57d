"""The cluster has to be the one that it was, and the fault has to have happened."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chaos.identity import KEPT, PUBLISHED, Identity, Picture, differences
from swarmer.core import names

BEFORE = Picture(
    keys={**{key: (f"{key}'s", 10) for key in PUBLISHED}, KEPT: ("before", 11)},
    swarms={"core-1": ("active", "n1", "swarm"), "worker-1": ("active", "n2")},
    raft={"10.0.0.1": "a", "10.0.0.2": "b", "10.0.0.3": "c"},
    indexes={"core-1": 100, "core-2": 99},
)
REPUBLISHED = {**BEFORE.keys, **{key: (f"{key}'s", 20) for key in PUBLISHED}}


def test_what_was_forgotten_and_is_published_again_is_survived() -> None:
    now = replace(BEFORE, keys=REPUBLISHED, indexes={"core-1": 120, "core-2": 120})
    assert differences(BEFORE, now, forgotten=PUBLISHED) == []


def test_a_key_that_is_missing_another_or_was_never_deleted_is_named_without_its_value() -> None:
    keys = REPUBLISHED.copy()
    del keys[names.KV_TOKEN_WORKER]
    keys[names.KV_SWARM_ID] = ("second", 20)
    keys[names.KV_TOKEN_MANAGER] = BEFORE.keys[names.KV_TOKEN_MANAGER]
    assert sorted(differences(BEFORE, replace(BEFORE, keys=keys), forgotten=PUBLISHED)) == [
        f"{names.KV_SWARM_ID} is another",
        f"{names.KV_TOKEN_MANAGER} was not forgotten",
        f"{names.KV_TOKEN_WORKER} is not there",
    ]


def test_a_key_that_nobody_forgot_may_not_be_made_anew() -> None:
    now = replace(BEFORE, keys={**BEFORE.keys, KEPT: ("before", 30)})
    assert differences(BEFORE, now) == [f"{KEPT} was created again"]


@pytest.mark.parametrize(
    "swarms",
    [
        {"core-1": ("active", "n1", "second"), "worker-1": ("active", "n2")},
        {"core-1": ("active", "n1", "swarm"), "worker-1": ("active", "n3")},
        {"core-1": ("active", "n1", "swarm"), "worker-1": ("inactive",)},
        {"core-1": ("active", "n1", "swarm")},
    ],
    ids=["a second Swarm", "left and joined again", "left", "gone"],
)
def test_no_node_leaves_the_swarm_or_is_in_another(swarms: dict[str, tuple[str, ...]]) -> None:
    assert len(differences(BEFORE, replace(BEFORE, swarms=swarms))) == 1


def test_a_wiped_server_that_votes_under_a_new_id_is_in_the_same_cluster() -> None:
    now = replace(BEFORE, raft={**BEFORE.raft, "10.0.0.3": "d"}, indexes={"core-1": 140, "core-2": 140})
    assert differences(BEFORE, now, wiped=("10.0.0.3",)) == []


def test_a_server_that_was_not_wiped_or_does_not_vote_again_is_a_difference() -> None:
    assert differences(BEFORE, BEFORE, wiped=("10.0.0.3",)) == ["10.0.0.3 still has its old data"]
    two = replace(BEFORE, raft={"10.0.0.1": "a", "10.0.0.2": "b"})
    (said,) = differences(BEFORE, two, wiped=("10.0.0.3",))
    assert said.startswith("raft's voters are 10.0.0.1, 10.0.0.2, not")


def test_a_consul_that_was_founded_a_second_time_is_a_difference() -> None:
    now = replace(BEFORE, raft={"10.0.0.1": "x", "10.0.0.2": "y", "10.0.0.3": "d"}, indexes={"core-1": 7})
    said = differences(BEFORE, now, wiped=("10.0.0.3",))
    assert sum("began again in raft" in each for each in said) == 2
    assert sum("raft began again: it is at" in each for each in said) == 2


def test_who_never_looked_has_proved_nothing() -> None:
    assert Identity().lacks()
