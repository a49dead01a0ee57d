"""Decisions of a group, without AWS."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmer.fakeaws.autoscaling.lifecycle import (
    Cause,
    EnterService,
    Expire,
    Finish,
    Group,
    Instance,
    Launch,
    State,
    Terminate,
    decide,
    prolong,
    start_wait,
)


def instance(name: str, state: State = State.IN_SERVICE, **more: object) -> Instance:
    return replace(Instance(instance_id=name, zone=f"zone-{name[-1]}", state=state), **more)  # type: ignore[arg-type]


def group(
    *instances: Instance, desired: int = 3, policy: tuple[int, int] | None = None, **more: object
) -> Group:
    numbered = tuple(replace(each, launch_order=number) for number, each in enumerate(instances))
    made = Group(desired=desired, instances=numbered)
    if policy:
        made = replace(made, min_healthy=policy[0], max_healthy=policy[1])
    return replace(made, **more)  # type: ignore[arg-type]


THREE = (instance("i-a"), instance("i-b"), instance("i-c"))
LAUNCH_FIRST = (100, 133)
HOOK = start_wait(hook="h", token="t", timeout_s=60, default_result="ABANDON", now_s=1000)


def test_a_group_as_it_should_be_rests() -> None:
    assert decide(group(*THREE), 0) == []


def test_what_is_missing_is_launched() -> None:
    assert decide(group(*THREE[:1]), 0) == [Launch(2)]


def test_an_instance_whose_hooks_are_done_enters_service() -> None:
    assert decide(group(*THREE[:2], instance("i-c", State.PENDING_PROCEED)), 0) == [EnterService("i-c")]


def test_an_instance_that_waits_counts_and_is_left_alone() -> None:
    assert decide(group(*THREE[:2], instance("i-c", State.PENDING_WAIT, waits=(HOOK,))), 1000) == []


def test_a_hook_whose_time_is_over_expires() -> None:
    waiting = group(*THREE[:2], instance("i-c", State.PENDING_WAIT, waits=(HOOK,)))
    assert decide(waiting, 1059) == []
    assert decide(waiting, 1060) == [Expire("i-c", "h")]


def test_a_heartbeat_begins_the_time_out_anew_up_to_a_hundred_of_them() -> None:
    assert prolong(HOOK, 1050).deadline_s == 1110
    assert prolong(HOOK, 1000 + 5990).deadline_s == 1000 + 6000


def test_an_abandoned_launch_ends_and_is_launched_anew() -> None:
    abandoned = instance("i-c", State.PENDING_WAIT, is_abandoned=True)
    assert decide(group(*THREE[:2], abandoned), 0) == [Terminate("i-c", Cause.ABANDONED)]
    assert decide(group(*THREE[:2], instance("i-c", State.TERMINATING_WAIT, waits=(HOOK,))), 1000) == [
        Launch(1)
    ]


def test_an_instance_ends_once_no_hook_waits() -> None:
    assert decide(group(*THREE, instance("i-d", State.TERMINATING_PROCEED)), 0) == [Finish("i-d")]


UNHEALTHY = instance("i-b", is_healthy=False)


def test_without_a_policy_the_unhealthy_goes_first() -> None:
    assert decide(group(THREE[0], UNHEALTHY, THREE[2]), 0) == [Terminate("i-b", Cause.UNHEALTHY)]


@pytest.mark.parametrize("policy", [(90, 100), (50, 150)])
def test_a_policy_that_allows_less_than_all_terminates_first(policy: tuple[int, int]) -> None:
    assert decide(group(THREE[0], UNHEALTHY, THREE[2], policy=policy), 0) == [
        Terminate("i-b", Cause.UNHEALTHY)
    ]


def test_launch_before_terminate() -> None:
    unhealthy = (THREE[0], UNHEALTHY, THREE[2])
    assert decide(group(*unhealthy, policy=LAUNCH_FIRST), 0) == [Launch(1, is_replacement=True)]
    waiting = instance("i-d", State.PENDING_WAIT, waits=(HOOK,))
    assert decide(group(*unhealthy, waiting, policy=LAUNCH_FIRST), 1000) == []
    served = group(*unhealthy, instance("i-d"), policy=LAUNCH_FIRST)
    assert decide(served, 0) == [Terminate("i-b", Cause.UNHEALTHY)]


def test_of_two_unhealthy_ones_each_goes_with_its_own_replacement() -> None:
    unhealthy = (THREE[0], UNHEALTHY, instance("i-c", is_healthy=False))
    assert decide(group(*unhealthy, policy=LAUNCH_FIRST), 0) == [Launch(2, is_replacement=True)]
    half = group(
        *unhealthy, instance("i-d"), instance("i-e", State.PENDING_WAIT, waits=(HOOK,)), policy=LAUNCH_FIRST
    )
    assert decide(half, 1000) == [Terminate("i-b", Cause.UNHEALTHY)]


def test_scaling_in_keeps_the_zones_balanced_and_takes_the_oldest() -> None:
    instances = (
        instance("i-a"),
        replace(instance("i-b"), zone="zone-c"),
        instance("i-c"),
    )
    assert decide(group(*instances, desired=2), 0) == [Terminate("i-b", Cause.SURPLUS)]


def test_scaling_in_takes_the_oldest_launch_template_first() -> None:
    instances = (
        replace(THREE[0], zone="z", template_version=2),
        replace(THREE[1], zone="z", template_version=1),
    )
    assert decide(group(*instances, desired=1), 0) == [Terminate("i-b", Cause.SURPLUS)]


@pytest.mark.parametrize(("policy", "gone"), [("OldestInstance", "i-a"), ("NewestInstance", "i-c")])
def test_the_termination_policy_chooses(policy: str, gone: str) -> None:
    instances = [replace(each, zone="z") for each in THREE]
    chosen = decide(group(*instances, desired=2, termination_policies=(policy,)), 0)
    assert chosen == [Terminate(gone, Cause.SURPLUS)]


def test_protected_instances_stay_when_scaling_in() -> None:
    protected = [replace(each, is_protected=True) for each in THREE]
    assert decide(group(*protected, desired=1), 0) == []
    assert decide(group(protected[0], THREE[1], protected[2], desired=1), 0) == [
        Terminate("i-b", Cause.SURPLUS)
    ]


def test_protection_saves_nobody_from_being_unhealthy() -> None:
    assert decide(group(THREE[0], replace(UNHEALTHY, is_protected=True), THREE[2]), 0) == [
        Terminate("i-b", Cause.UNHEALTHY)
    ]


def test_an_instance_in_standby_is_left_alone() -> None:
    assert decide(group(*THREE[:2], instance("i-c", State.STANDBY), desired=2), 0) == []


@pytest.mark.parametrize(
    ("process", "instances", "desired"),
    [
        ("Launch", THREE[:1], 3),
        ("Terminate", THREE, 1),
        ("Terminate", (THREE[0], UNHEALTHY, THREE[2]), 3),
        ("ReplaceUnhealthy", (THREE[0], UNHEALTHY, THREE[2]), 3),
    ],
)
def test_suspended_processes_do_nothing(process: str, instances: tuple[Instance, ...], desired: int) -> None:
    suspended = group(*instances, desired=desired, suspended=frozenset({process}))
    assert [
        each for each in decide(suspended, 0) if not isinstance(each, Launch) or process == "Launch"
    ] == []
