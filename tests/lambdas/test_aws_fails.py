"""Every call of AWS that a function makes, failing in every way: what is promised holds all the same.

Nothing is half done: no hook is answered on what could not be seen, and the message comes again. The sweep
goes on with its other parts. Once AWS answers again the same message does what it was to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import pytest
from botocore.exceptions import ReadTimeoutError
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult

from lambdas.deregister_node.handler import handler as deregister
from lambdas.heal_registry.handler import handler as heal
from lambdas.reconcile_cluster.handler import handler as reconcile
from lambdas.register_node.handler import handler as register
from swarmer.adapters import aws
from swarmer.core import names
from swarmer.core.healing.reconciliation import HOOK_GRACE_S
from swarmer.core.healing.world import Marker
from tests.lambdas.lab import Handler, Lab, state_change, tick
from tests.lambdas.test_register_node import ABANDONED

Hook = tuple[str, str, str]
"""(call, instance id, result)."""
URL = "https://autoscaling.eu-central-1.amazonaws.com"
each_error = pytest.mark.parametrize(
    "error",
    [
        "Throttling",
        "InternalFailure",
        "AccessDenied",
        ReadTimeoutError(endpoint_url=URL),
    ],
    ids=lambda error: error if isinstance(error, str) else type(error).__name__,
)


class Scene(NamedTuple):
    body: str
    hooks: list[Hook]
    """Results of the hooks after the end of the failures."""
    others: list[Hook] = []  # noqa: RUF012
    """Results of other instances' hooks, also during the failures."""


# -- one event -----------------------------------------------------------------------------------------


def a_launched_node_that_joined(lab: Lab) -> Scene:
    one = lab.set_lifecycle("workers", 0, "Pending:Wait")
    lab.launched(one, 20)
    return Scene(lab.lifecycle_event("launch", one), [("complete", one, "CONTINUE")])


def a_launched_node_that_never_joins(lab: Lab) -> Scene:
    """The third in a row."""
    one = boots_in_vain(lab, "workers")
    return Scene(lab.lifecycle_event("launch", one), [("complete", one, "ABANDON")])


def a_replacement_while_the_majority_is_lost(lab: Lab) -> Scene:
    one = boots_in_vain(lab, "core")
    lab.consul.has_leader = False
    return Scene(lab.lifecycle_event("launch", one, asg="lab-core"), [("heartbeat", one, "")])


def a_worker_that_leaves(lab: Lab) -> Scene:
    one = lab.set_lifecycle("workers", 0, "Terminating:Wait")
    return Scene(lab.lifecycle_event("terminate", one), [("complete", one, "CONTINUE")])


def a_core_node_that_waits_for_its_replacement(lab: Lab) -> Scene:
    one = lab.set_lifecycle("core", 0, "Terminating:Wait")
    return Scene(lab.lifecycle_event("terminate", one, asg="lab-core"), [("heartbeat", one, "")])


def a_registry_that_nobody_has_to_heal(lab: Lab) -> Scene:
    lab.consul.lend(lab.name("core"))
    lab.consul.serving = {lab.name("core")}
    return Scene(tick(), [])


# -- the sweep -------------------------------------------------------------------------------------------


def an_instance_of_somebody_else(lab: Lab) -> Scene:
    stranger = aws.client("ec2").run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)["Instances"][0]
    return Scene(state_change(stranger["InstanceId"]), [])


def a_missed_departure_that_is_held(lab: Lab) -> Scene:
    one = lab.set_lifecycle("core", 0, "Terminating:Wait")
    return Scene(tick(), [("heartbeat", one, "")], beside(lab))


def a_missed_launch_of_the_third_failed_boot(lab: Lab) -> Scene:
    one = boots_in_vain(lab, "core")
    return Scene(tick(), [("complete", one, "ABANDON")], beside(lab))


def a_node_of_no_use(lab: Lab) -> Scene:
    name = lab.name("workers")
    lab.consul.states[name] = "failed"
    lab.consul.keys[f"{names.KV_MISSING}{name}"] = str(time.time() - 301)
    return Scene(tick(), [], beside(lab))


def a_missed_departure_alone(lab: Lab) -> Scene:
    one = lab.set_lifecycle("workers", 0, "Terminating:Wait")
    return Scene(tick(), [("complete", one, "CONTINUE")])


def beside(lab: Lab) -> list[Hook]:
    """A launch that everybody missed, and that comes last in a sweep."""
    one = lab.set_lifecycle("workers", 1, "Pending:Wait")
    lab.launched(one, HOOK_GRACE_S + 30)
    return [("complete", one, "CONTINUE")]


def boots_in_vain(lab: Lab, group: str) -> str:
    one = lab.set_lifecycle(group, 0, "Pending:Wait")
    lab.launched(one, 601)
    del lab.consul.states[lab.name(group)]
    lab.monkeypatch.setattr(
        AutoScalingResponse,
        "describe_scaling_activities",
        lambda _: ActionResult({"Activities": [ABANDONED] * 2}),
    )
    return one


LOOKS = ("DescribeAutoScalingGroups", "DescribeInstances", "GetParameter")
COMPLETE, HEARTBEAT = "CompleteLifecycleAction", "RecordLifecycleActionHeartbeat"
CALLS: list[tuple[Handler, Callable[[Lab], Scene], tuple[str, ...]]] = [
    (register, a_launched_node_that_joined, (*LOOKS, COMPLETE)),
    (register, a_launched_node_that_never_joins, ("DescribeScalingActivities", "SuspendProcesses", COMPLETE)),
    (register, a_replacement_while_the_majority_is_lost, (HEARTBEAT,)),
    (deregister, a_worker_that_leaves, (*LOOKS, COMPLETE)),
    (deregister, a_core_node_that_waits_for_its_replacement, (HEARTBEAT,)),
    (heal, a_registry_that_nobody_has_to_heal, LOOKS[:2]),
    (reconcile, an_instance_of_somebody_else, LOOKS[:2]),
    (reconcile, a_missed_departure_alone, (*LOOKS, COMPLETE)),
    (reconcile, a_missed_departure_that_is_held, (HEARTBEAT,)),
    (
        reconcile,
        a_missed_launch_of_the_third_failed_boot,
        ("DescribeScalingActivities", "SuspendProcesses"),
    ),
    (reconcile, a_node_of_no_use, ("SetInstanceHealth",)),
]


@each_error
@pytest.mark.parametrize(
    ("handler", "prepare", "operation"),
    [
        pytest.param(handler, prepare, operation, id=f"{prepare.__name__}-{operation}")
        for handler, prepare, operations in CALLS
        for operation in operations
    ],
)
def test_a_call_of_aws_that_fails_leaves_nothing_half_done_and_the_message_comes_again(
    lab: Lab, handler: Handler, prepare: Callable[[Lab], Scene], operation: str, error: str | Exception
) -> None:
    scene = prepare(lab)
    with lab.failing(operation, error) as called:
        assert lab.invoke(handler, scene.body) == [scene.body]
    assert operation in called
    assert completed(lab.hooks) == completed(scene.others)
    # Where it is not the hold itself that fails, a hook is held the better for what does.
    assert operation != HEARTBEAT or lab.hooks == scene.others
    assert lab.said("will try again")
    assert not lab.said("failed")
    long_ago(lab)
    lab.invoke(handler, scene.body)
    assert completed(lab.hooks) == completed(scene.others + scene.hooks)
    assert set(scene.hooks) <= set(lab.hooks)
    is_marked = lab.states("workers")[0].health_status == "Unhealthy"
    assert is_marked is (prepare is a_node_of_no_use)


@each_error
@pytest.mark.parametrize(
    ("handler", "prepare"),
    [(register, a_launched_node_that_never_joins), (reconcile, a_missed_launch_of_the_third_failed_boot)],
)
def test_a_console_that_cannot_be_read_keeps_no_dead_instance(
    lab: Lab, handler: Handler, prepare: Callable[[Lab], Scene], error: str | Exception
) -> None:
    scene = prepare(lab)
    with lab.failing("GetConsoleOutput", error) as called:
        assert lab.invoke(handler, scene.body) == []
    assert "GetConsoleOutput" in called
    assert sorted(lab.hooks) == sorted(scene.others + scene.hooks)
    assert "cannot be read" in lab.said("given up")[0]["console"]


def completed(hooks: list[Hook]) -> list[Hook]:
    return sorted(hook for hook in hooks if hook[0] == "complete")


def long_ago(lab: Lab) -> None:
    """Make all leaving markers so old that the sweep handles their nodes."""
    for name in lab.consul.notes(names.KV_LEAVING):
        key = f"{names.KV_LEAVING}{name}"
        marker = Marker.from_json(lab.consul.keys[key])
        assert marker
        lab.consul.keys[key] = Marker(
            since_s=marker.since_s - HOOK_GRACE_S - 1, stop_s=marker.stop_s
        ).to_json()
