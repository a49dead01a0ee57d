"""Wait of a stack for its Auto Scaling groups: AWS completes a group at its desired capacity.

AWS::AutoScaling::AutoScalingGroup, DesiredCapacity: "CloudFormation marks the Auto Scaling group as
successful (by setting its status to CREATE_COMPLETE) when the desired capacity is reached." An update fails
if that takes longer than an hour (AWS re:Post, "How do I resolve the Group did not stabilize error"). Bare
moto completes a group within the request.

No source documents whether an instance in Pending:Wait counts. `counted` has both answers. The strict one is
the default: an instance counts only in service.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from moto.autoscaling.models import FakeAutoScalingGroup
from moto.cloudformation.models import cloudformation_backends

from swarmer.fakeaws.autoscaling import activities
from swarmer.fakeaws.autoscaling.lifecycle import State
from swarmer.fakeaws.autoscaling.state import group_extras
from swarmer.fakeaws.base import clock
from swarmer.fakeaws.base.errors import ResourceFailed
from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.fakeaws.cloudformation import stack_events

GROUP: Final = "AWS::AutoScaling::AutoScalingGroup"
TIMEOUT_S: Final = 3600.0
"""Timeout for a group to reach its desired capacity."""
IN_SERVICE: Final = "in-service"
LAUNCHED: Final = "launched"
VARIABLE: Final = "SWARMER_CAPACITY"
"""Environment variable of the daemon with the instances that count: `in-service`, or `launched` for instances
at their launch hooks, too."""
STATES: Final = {
    IN_SERVICE: frozenset({State.IN_SERVICE}),
    LAUNCHED: frozenset({State.IN_SERVICE, State.PENDING_WAIT, State.PENDING_PROCEED}),
}
"""Lifecycle states of the instances that count."""
LAUNCHING: Final = "Launching"
"""Start of the description of a launch."""
lock: Final = threading.RLock()
"""Lock of every wait: a request starts it, the background ends it."""


class DidNotStabilize(Exception):
    """Failure of a group to reach its desired capacity in time."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True)
class Wait:
    """Wait of one stack for its changed groups."""

    verb: str
    deadline_s: float
    on_reached: Callable[[], None]
    on_failed: Callable[[Exception], None]


def begin(
    stack: Any, verb: str, on_reached: Callable[[], None], on_failed: Callable[[Exception], None]
) -> None:
    """Wait for the groups that were created or changed. One of the functions is called, at once if possible.

    `verb`: CREATE or UPDATE, for the events of the groups.
    """
    with lock:
        stack.__dict__["capacity"] = Wait(verb, clock.now_s() + TIMEOUT_S, on_reached, on_failed)
        for name, group in _short(stack):
            _tell(stack, name, group, f"{verb}_IN_PROGRESS")
        _advance(stack)


def cancel(stack: Any) -> None:
    """End the wait of the stack, if there is one: the stack is being deleted."""
    with lock:
        stack.__dict__.pop("capacity", None)


def tick() -> None:
    """Advance the waits of every region."""
    for backend in list(cloudformation_backends[ACCOUNT].values()):
        for stack in list(backend.stacks.values()):
            with lock:
                _advance(stack)


def _advance(stack: Any) -> None:
    wait: Wait | None = stack.__dict__.get("capacity")
    if wait is None:
        return
    for name, group in _reached(stack):
        group_extras(group).is_changed = False
        _tell(stack, name, group, f"{wait.verb}_COMPLETE")
    short = next(_short(stack), None)
    if short is None:
        del stack.__dict__["capacity"]
        wait.on_reached()
    elif clock.now_s() >= wait.deadline_s:
        del stack.__dict__["capacity"]
        wait.on_failed(_failure(*short))


def _changed(stack: Any) -> list[tuple[str, Any]]:
    """Created or changed groups that have not reached their desired capacity since, by logical ID."""
    found = stack.resource_map._parsed_resources.items()
    groups = [(name, each) for name, each in found if isinstance(each, FakeAutoScalingGroup)]
    return [(name, group) for name, group in groups if group_extras(group).is_changed]


def _reached(stack: Any) -> list[tuple[str, Any]]:
    return [(name, group) for name, group in _changed(stack) if not _lacks(group)]


def _short(stack: Any) -> Iterator[tuple[str, Any]]:
    return ((name, group) for name, group in _changed(stack) if _lacks(group))


def _lacks(group: Any) -> bool:
    return counted(group) < (group.desired_capacity or 0)


def _tell(stack: Any, name: str, group: Any, status: str) -> None:
    stack_events.add(stack, name, GROUP, status, physical_id=group.name)


def counted(group: Any) -> int:
    """Number of the group's instances that count."""
    states = STATES[os.environ.get(VARIABLE, IN_SERVICE)]
    return sum(state.lifecycle_state in states for state in group.instance_states)


def _failure(name: str, group: Any) -> ResourceFailed:
    """Error in AWS's words from public reports, with the reason of the last launch if it failed."""
    size = f"{counted(group)}/{group.min_size}/{group.max_size}"
    text = f"Group did not stabilize. {{current/minSize/maxSize}} group size = {{{size}}}."
    launches = (
        each
        for each in activities.of_backend(group.autoscaling_backend)
        if each.auto_scaling_group_name == group.name and each.description.startswith(LAUNCHING)
    )
    last = next(launches, None)
    if last is not None and last.status_code in (activities.FAILED, activities.CANCELLED):
        text += f" Last scaling activity: {last.status_message}"
    return ResourceFailed(name, GROUP, DidNotStabilize(text))
