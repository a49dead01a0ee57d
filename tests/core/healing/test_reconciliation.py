"""The sweep: what is, against what should be."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from swarmer.core.healing.reconciliation import HOOK_GRACE_S, Plan, Scene, decide, suspects
from swarmer.core.healing.world import Consul, Instance, Marker, Member, Swarm
from swarmer.core.state import MemberStatus
from tests.core.healing.scenes import (
    CORE_GROUP,
    GROUPS,
    NOW,
    WORKERS,
    A,
    B,
    C,
    V,
    W,
    consul,
    core_id,
    group,
    instance,
    row,
    swarm,
    worker_id,
)

GRACE_S = 300.0
HEALTHY = Scene(groups=GROUPS, consul=consul(), swarm=swarm(), now_s=NOW, grace_s=GRACE_S)


def scene(*known: Instance, **changes: Any) -> Scene:
    return replace(HEALTHY, instances={each.id: each for each in known}, **changes)


def without(seen: Consul, *names: str, state: MemberStatus = MemberStatus.FAILED) -> Consul:
    return replace(seen, members={**seen.members, **dict.fromkeys(names, state)})


def lifecycle(which: str, state: str, **changes: Any) -> tuple[Any, ...]:
    """The groups with one member in that state."""
    member = replace(Member(lifecycle=state), **changes)
    return tuple(
        replace(each, members={**each.members, which: member}) if which in each.members else each
        for each in GROUPS
    )


def test_a_healthy_cluster_needs_nothing_and_no_question_to_ec2() -> None:
    assert decide(HEALTHY) == Plan()
    assert suspects(HEALTHY) == set()


def test_ec2_is_asked_for_what_auto_scaling_calls_unhealthy_however_well_it_looks() -> None:
    """Where its replacement is launched first it stays in service, after its end too."""
    ill = replace(WORKERS, members={worker_id(0): Member(lifecycle="InService", health="Unhealthy")})
    assert suspects(replace(HEALTHY, groups=(CORE_GROUP, ill))) >= {worker_id(0)}


# -- ghosts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["shutting-down", "terminated"])
def test_a_node_whose_machine_is_proved_to_be_gone_is_purged_before_auto_scaling_notices(state: str) -> None:
    seen = scene(instance(W, state), consul=without(consul(), W))
    assert worker_id(0) in suspects(seen)
    assert decide(seen).ghosts == (W,)


@pytest.mark.parametrize("state", ["running", "stopped", "stopping", "pending"])
def test_a_dead_node_whose_machine_may_come_back_is_no_ghost(state: str) -> None:
    assert decide(scene(instance(W, state), consul=without(consul(), W))).ghosts == ()


def test_a_node_of_which_nothing_was_asked_is_no_ghost() -> None:
    assert decide(scene(consul=without(consul(), W))).ghosts == ()


def test_whatever_remembers_a_ghost_gives_it_away() -> None:
    ghost = "workers-i-0dead0dead0dead00"
    for seen in (
        scene(consul=without(consul(), ghost)),
        scene(consul=replace(consul(), catalogued=consul().catalogued | {ghost})),
        scene(consul=replace(consul(), recorded=consul().recorded | {ghost})),
        scene(consul=replace(consul(), markers={ghost: Marker(since_s=NOW)})),
        scene(consul=replace(consul(), missing={ghost: NOW})),
        scene(swarm=swarm(*swarm().rows, row(ghost, state="down"))),
    ):
        assert "i-0dead0dead0dead00" in suspects(seen)
        gone = replace(seen, instances={"i-0dead0dead0dead00": instance(ghost, "terminated")})
        assert decide(gone).ghosts == (ghost,)
        unknown = replace(seen, instances={"i-0dead0dead0dead00": instance(ghost, "unknown")})
        assert decide(unknown).ghosts == (ghost,)  # EC2 has forgotten it, and nobody sees it alive


def test_one_that_ec2_does_not_know_and_that_lives_is_not_touched() -> None:
    stranger = "lab-i-0123456789abcdef0"
    alive = scene(instance(stranger, "unknown"), consul=without(consul(), stranger, state=MemberStatus.ALIVE))
    ready = scene(instance(stranger, "unknown"), swarm=swarm(*swarm().rows, row(stranger)))
    assert decide(alive).ghosts == decide(ready).ghosts == ()


def test_a_name_without_an_instance_is_not_touched() -> None:
    for name in ("laptop", "workers-i-0dead", "workers-i-0dead0dead0dead0; rm"):
        assert suspects(scene(consul=without(consul(), name))) == set()
    assert decide(scene(consul=without(consul(), "laptop"))).ghosts == ()


def test_without_a_leader_nobody_is_purged_and_nobody_judged() -> None:
    seen = scene(instance(W, "terminated"), instance(V), consul=Consul(answers=True))
    found = decide(seen)
    assert (found.ghosts, found.noted, found.unhealthy) == ((), (), ())
    assert found.at_risk == ("Consul has no leader",)
    assert suspects(seen) == set()


# -- hooks that were missed ------------------------------------------------------------------------


def test_a_departure_that_nobody_announced_is_found() -> None:
    found = decide(scene(instance(W), groups=lifecycle(worker_id(0), "Terminating:Wait")))
    assert [each.name for each in found.departures] == [W]


def test_a_departure_that_is_looked_after_is_left_to_its_function() -> None:
    groups = lifecycle(worker_id(0), "Terminating:Wait")
    seen = scene(instance(W), groups=groups, consul=replace(consul(), markers={W: Marker(since_s=NOW - 10)}))
    assert decide(seen).departures == ()
    later = replace(seen, now_s=NOW + HOOK_GRACE_S)
    assert [each.name for each in decide(later).departures] == [W]


def test_an_instance_that_auto_scaling_keeps_is_found_and_ec2_is_asked_for_it() -> None:
    seen = scene(instance(A), groups=lifecycle(core_id(0), "Terminating:Retained"))
    assert core_id(0) in suspects(seen)
    found = decide(seen)
    assert [each.name for each in found.retained] == [A]
    assert found.departures == ()


def test_a_cluster_that_is_being_deleted_answers_its_hooks_and_keeps_nobody() -> None:
    """Else a lost event would keep an instance, and CloudFormation would wait for it for ever."""
    members = {
        core_id(0): Member(lifecycle="Terminating:Retained"),
        core_id(1): Member(lifecycle="Terminating:Wait"),
    }
    ending = group("core", ids=(), members=members, desired=0)
    found = decide(Scene(groups=(ending,), consul=Consul(), swarm=Swarm(), now_s=NOW, grace_s=GRACE_S))
    assert [each.name for each in found.retained] == [A]
    assert [each.name for each in found.departures] == [B]
    assert found.at_risk == ()


def test_the_departure_of_a_machine_that_is_gone_is_taken_up_at_once() -> None:
    groups = lifecycle(worker_id(0), "Terminating:Wait")
    seen = scene(
        instance(W, "terminated"), groups=groups, consul=replace(consul(), markers={W: Marker(since_s=NOW)})
    )
    assert [each.name for each in decide(seen).departures] == [W]


def test_an_arrival_that_waits_for_long_is_looked_at() -> None:
    groups = lifecycle(worker_id(0), "Pending:Wait")
    fresh = scene(instance(W, launched_s=NOW - 10), groups=groups)
    late = scene(instance(W, launched_s=NOW - HOOK_GRACE_S - 1), groups=groups)
    gone = scene(instance(W, "terminated"), groups=groups)
    assert [len(decide(each).arrivals) for each in (fresh, late, gone)] == [0, 1, 1]


# -- nodes that run and are no members ---------------------------------------------------------------


def test_a_node_that_runs_and_is_missed_is_noted_first() -> None:
    found = decide(scene(instance(W), consul=without(consul(), W)))
    assert (found.noted, found.unhealthy) == ((W,), ())


def test_after_the_grace_time_it_is_replaced() -> None:
    seen = replace(without(consul(), W), missing={W: NOW - GRACE_S - 1})
    (found,) = decide(scene(instance(W), consul=seen)).unhealthy
    assert (found.place.instance_id, found.lack) == (worker_id(0), "Consul sees it failed")
    within = replace(seen, missing={W: NOW - GRACE_S + 1})
    assert decide(scene(instance(W), consul=within)).unhealthy == ()


def test_out_of_swarm_counts_too_unless_swarm_has_no_majority() -> None:
    note = replace(consul(), missing={W: NOW - GRACE_S - 1})
    rows = swarm(*map(row, (A, B, C, V)))
    (found,) = decide(scene(instance(W), consul=note, swarm=rows)).unhealthy
    assert found.lack == "it is not in the Swarm"
    blind = decide(scene(instance(W), consul=note, swarm=Swarm()))
    assert (blind.unhealthy, blind.returned) == ((), (W,))


def test_one_that_came_back_is_noted_no_more() -> None:
    assert decide(scene(consul=replace(consul(), missing={W: NOW - 9}))).returned == (W,)


def test_an_instance_under_replacement_is_not_reported_again() -> None:
    seen = replace(without(consul(), W), missing={W: NOW - GRACE_S - 1})
    groups = lifecycle(worker_id(0), "InService", health="Unhealthy")
    assert decide(scene(instance(W), consul=seen, groups=groups)).unhealthy == ()


def test_none_is_replaced_where_nobody_would_come_in_its_place() -> None:
    """The breaker is open: Auto Scaling would end it, and launch nothing."""
    seen = replace(without(consul(), W), missing={W: NOW - GRACE_S - 1})
    groups = tuple(replace(group, launches=False) for group in GROUPS)
    assert decide(scene(instance(W), consul=seen, groups=groups)).unhealthy == ()


@pytest.mark.parametrize("state", ["Standby", "Pending:Wait", "Terminating:Wait", "Detaching"])
def test_only_nodes_in_service_are_judged(state: str) -> None:
    seen = replace(without(consul(), W), missing={W: NOW - GRACE_S - 1})
    found = decide(scene(instance(W), consul=seen, groups=lifecycle(worker_id(0), state)))
    assert found.unhealthy == ()


def test_where_half_of_all_are_missed_at_once_none_is_replaced() -> None:
    seen = replace(without(consul(), C, W, V), missing=dict.fromkeys((C, W, V), NOW - GRACE_S - 1))
    found = decide(scene(instance(C), instance(W), instance(V), consul=seen))
    assert found.unhealthy == ()
    assert (
        "3 nodes in service are missing at the same time, so none is replaced: check the network"
        in found.at_risk
    )


def test_of_the_nodes_that_vote_one_goes_at_a_time() -> None:
    big = group("core", ids=tuple(core_id(number) for number in range(5)))
    names = [f"core-{core_id(number)}" for number in range(5)]
    seen = replace(
        without(consul(*names), names[3], names[4]),
        missing=dict.fromkeys(names[3:], NOW - GRACE_S - 1),
    )
    rows = swarm(*map(row, (*names, W, V)))
    lost = scene(instance(names[3]), instance(names[4]), groups=(big, WORKERS), consul=seen, swarm=rows)
    assert len(decide(lost).unhealthy) == 1
    arriving = replace(big, members={**big.members, core_id(9): Member(lifecycle="Pending:Wait")})
    assert decide(replace(lost, groups=(arriving, WORKERS))).unhealthy == ()


# -- alarms ------------------------------------------------------------------------------------------


def test_a_cluster_that_bears_no_further_loss_is_at_risk() -> None:
    seen = decide(scene(consul=without(consul(), C), swarm=swarm(*map(row, (A, B)))))
    assert seen.at_risk == (
        "2 of 3 Consul servers are healthy: one more failure loses the quorum",
        "2 of 3 Swarm managers are healthy: one more failure loses the quorum",
    )


def test_one_of_five_lost_is_no_alarm() -> None:
    names = [f"core-{core_id(number)}" for number in range(5)]
    big = group("core", ids=tuple(core_id(number) for number in range(5)))
    rows = swarm(*map(row, (*names, W, V)))
    seen = scene(groups=(big, WORKERS), consul=without(consul(*names), names[4]), swarm=rows)
    assert decide(seen).at_risk == ()


def test_a_cluster_that_is_being_founded_has_no_majority_to_lose() -> None:
    pending = replace(
        CORE_GROUP, members={each: Member(lifecycle="Pending:Wait") for each in CORE_GROUP.members}
    )
    assert decide(scene(groups=(pending,), consul=Consul(), swarm=Swarm())).at_risk == ()


def test_a_group_that_must_not_launch_is_told() -> None:
    stopped = replace(WORKERS, launches=False)
    assert decide(scene(groups=(CORE_GROUP, stopped))).open_breakers == ("lab-workers",)


def test_a_cluster_that_is_being_deleted_or_not_there_is_left_alone() -> None:
    ending = (replace(CORE_GROUP, desired=0), WORKERS)
    deleting = (replace(CORE_GROUP, is_deleting=True), WORKERS)
    ghost = without(consul(), W)
    for groups in (ending, deleting, ()):
        assert decide(scene(instance(W, "terminated"), consul=ghost, groups=groups)) == Plan()


def test_five_thousand_nodes_are_compared_in_a_moment() -> None:
    """Ten times as many take ten times as long, not a hundred times."""

    def seconds(count: int) -> float:
        big = group("workers", ids=tuple(worker_id(number) for number in range(count)))
        names = tuple(f"workers-{each}" for each in big.members)
        rows = swarm(*map(row, (A, B, C, *names)))
        many = scene(groups=(CORE_GROUP, big), consul=consul(workers=names), swarm=rows)
        began = time.process_time()
        assert suspects(many) == set()
        assert decide(many) == Plan()
        return time.process_time() - began

    seconds(500)
    assert seconds(5000) < 2
