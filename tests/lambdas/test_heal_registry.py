"""The registry's backstop: deposes by name, and says where there is nothing to depose."""

from __future__ import annotations

import time
from typing import Any

import pytest

from lambdas.heal_registry.handler import handler
from swarmer.core import names
from swarmer.core.healing.registry import SUSPECT_GRACE_S, Suspicion
from tests.lambdas.lab import Lab, event, tick


def held(lab: Lab, *, serves: bool) -> str:
    """The holder's name."""
    name = lab.name("core")
    lab.consul.lend(name)
    lab.consul.serving = {name} if serves else set()
    return name


def suspected(lab: Lab, seconds_ago: float) -> None:
    note = Suspicion(number=1, since_s=time.time() - seconds_ago)
    lab.consul.keys[names.KV_REGISTRY_SUSPECT] = note.to_json()


def test_a_holder_that_serves_is_left_alone(lab: Lab, metrics: Any) -> None:
    held(lab, serves=True)
    assert lab.invoke(handler, tick()) == []
    assert lab.consul.calls == []
    assert metrics()["NoRegistry"] == [0]


def test_a_holder_that_does_not_serve_is_suspected_and_looked_at_again_soon(lab: Lab, metrics: Any) -> None:
    held(lab, serves=False)
    body = tick()
    assert lab.invoke(handler, body) == [body]
    assert lab.consul.calls == [f"put {names.KV_REGISTRY_SUSPECT}"]
    assert lab.delays == [5]
    assert metrics()["NoRegistry"] == [1]


def test_after_its_time_it_is_deposed_and_named(lab: Lab, metrics: Any) -> None:
    name = held(lab, serves=False)
    suspected(lab, SUSPECT_GRACE_S + 1)
    assert lab.invoke(handler, tick()) == []
    assert lab.consul.calls == ["destroy registry-session"]
    assert [(line["node"], line["lease"]) for line in lab.said("lease revoked")] == [(name, 1)]
    assert metrics()["Revoked"] == [1]


def test_within_its_time_it_is_waited_for(lab: Lab) -> None:
    held(lab, serves=False)
    suspected(lab, SUSPECT_GRACE_S - 10)
    assert len(lab.invoke(handler, tick())) == 1
    assert lab.consul.calls == []


def test_one_that_serves_again_is_suspected_no_more(lab: Lab) -> None:
    held(lab, serves=True)
    suspected(lab, 99)
    assert lab.invoke(handler, tick()) == []
    assert names.KV_REGISTRY_SUSPECT not in lab.consul.keys


@pytest.mark.parametrize("what", ["free", "no leader", "silence"])
def test_where_there_is_nobody_to_depose_the_alarm_is_raised(lab: Lab, what: str, metrics: Any) -> None:
    lab.consul.has_leader = what != "no leader"
    lab.consul.answers = what != "silence"
    assert lab.invoke(handler, tick()) == []
    assert metrics()["NoRegistry"] == [1]
    assert lab.said("no registry")


def test_a_leader_that_is_lost_between_two_questions_is_no_failure(lab: Lab) -> None:
    held(lab, serves=True)
    lab.consul.broken = {"healthy"}
    assert lab.invoke(handler, tick()) == []
    assert lab.said("no registry")


def test_a_cluster_that_is_being_deleted_needs_no_registry(lab: Lab, metrics: Any) -> None:
    lab.asg("core").desired_capacity = 0
    lab.consul.answers = False
    assert lab.invoke(handler, tick()) == []
    assert metrics()["NoRegistry"] == [0]


def test_a_suspicion_that_is_not_settled_is_left_to_the_next_schedule(lab: Lab) -> None:
    held(lab, serves=False)
    assert lab.invoke(handler, event("aws.events", "Scheduled Event", {}, seconds_ago=45)) == []


@pytest.mark.parametrize("operation", ["DescribeAutoScalingGroups", "DescribeInstances"])
def test_whatever_call_of_aws_fails_the_message_comes_again(lab: Lab, operation: str) -> None:
    held(lab, serves=True)
    body = tick()
    with lab.failing(operation):
        assert lab.invoke(handler, body) == [body]
    assert lab.invoke(handler, body) == []


def test_rubbish_goes_to_the_dead_letters(lab: Lab) -> None:
    assert lab.invoke(handler, "rubbish") == []
    assert len(lab.dead_letters()) == 1
