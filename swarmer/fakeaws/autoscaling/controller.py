"""Controller of moto's groups: performs the actions of `lifecycle.decide` and checks health.

Bare moto puts every instance into service at once. It replaces a terminated instance before the end of the
termination, and it records an instance's health without acting on it.
"""

from __future__ import annotations

import logging
import threading
import uuid
from typing import Any, Final

from swarmer.fakeaws.autoscaling import activities, launch, lifecycle
from swarmer.fakeaws.autoscaling.activities import Activity
from swarmer.fakeaws.autoscaling.lifecycle import (
    ABANDON,
    LAUNCHING,
    PENDING_STATES,
    TERMINATING,
    TERMINATING_STATES,
    Action,
    Cause,
    EnterService,
    Expire,
    Launch,
    Retain,
    State,
    Terminate,
)
from swarmer.fakeaws.autoscaling.state import (
    all_groups,
    describe_group,
    group_extras,
    instance_extras,
    is_in_service,
)
from swarmer.fakeaws.base import clock, journal
from swarmer.fakeaws.ec2 import instances
from swarmer.fakeaws.eventbridge import bus

log: Final = logging.getLogger("swarmer.fakeaws")

MAX_ROUNDS: Final = 100
"""Limit of decisions per step. A group settles much sooner."""
RETRY_DELAY_S: Final = 30.0
"""Delay of a group's next step after a failed one, for example after a failed launch."""
RETAINED: Final = "InstanceRetained"
"""Journal entry for an instance that its group keeps after an abandoned termination."""
GONE_REASON: Final = "an EC2 health check indicating it has been terminated or stopped"
"""Reason, in AWS's words, why an instance that does not run is unhealthy."""
lock: Final = threading.RLock()
"""Lock of every group: requests run in threads of their own, and the background in another one."""


def tick() -> None:
    """Check the health and the timeouts of every group."""
    for group in all_groups():
        with lock:
            check_health(group)
            if group_extras(group).paused_until_s > clock.now_s():
                continue
            try:
                step(group)
            except Exception:
                log.exception("group %s: a step failed; retry in %.0f s", group.name, RETRY_DELAY_S)
                group_extras(group).paused_until_s = clock.now_s() + RETRY_DELAY_S


def check_health(group: Any) -> None:
    """Mark each instance unhealthy that is in service but does not run; no grace period applies."""
    if any(each["ProcessName"] == "HealthCheck" for each in group.suspended_processes):
        return
    for state in group.instance_states:
        extras = instance_extras(state)
        if is_in_service(state) and not instances.is_living(state.instance) and not extras.unhealthy_reason:
            state.health_status, extras.unhealthy_reason = "Unhealthy", GONE_REASON


def step(group: Any) -> None:
    """Perform the actions of `lifecycle.decide` until it returns none."""
    with lock:
        for _ in range(MAX_ROUNDS):
            actions = lifecycle.decide(describe_group(group), clock.now_s())
            for action in actions:
                _perform(group, action)
            if not actions:
                break
        else:
            raise RuntimeError(f"group {group.name} does not settle: {actions}")
        if group_extras(group).is_deleting and not group.instance_states:
            group.autoscaling_backend.autoscaling_groups.pop(group.name, None)


def _perform(group: Any, action: Action) -> None:
    if isinstance(action, Launch):
        _launch(group, action)
        return
    state = next(each for each in group.instance_states if each.instance_id == action.instance_id)
    if isinstance(action, Expire):
        complete(
            group,
            state,
            action.hook,
            instance_extras(state).waits[action.hook].default_result,
            "Heartbeat Timeout",
        )
    elif isinstance(action, EnterService):
        _enter_service(group, state)
    elif isinstance(action, Terminate):
        begin_termination(group, state, _termination_reason(group, state, action.cause))
    elif isinstance(action, Retain):
        _retain(group, state)
    else:
        finish(group, state)


def _launch(group: Any, action: Launch) -> None:
    reason = (
        "in response to an unhealthy instance needing to be replaced"
        if action.is_replacement
        else "in response to a difference between desired and actual capacity"
    )
    for state in launch.launch(group, action.count):
        cause = f"At {clock.iso(clock.now_s())} an instance was launched {reason}."
        instance_extras(state).activity = activities.begin(group, state, launches=True, cause=cause)
        _wait_for_hooks(group, state, LAUNCHING)


def _enter_service(group: Any, state: Any) -> None:
    state.lifecycle_state = State.IN_SERVICE.value
    extras = instance_extras(state)
    extras.in_service_s = clock.now_s()
    activities.end(group, state, _activity(group, state), launches=True)
    extras.activity = None
    group.autoscaling_backend.update_attached_elbs(group.name)
    group.autoscaling_backend.update_attached_target_groups(group.name)


def begin_termination(group: Any, state: Any, why: str) -> Activity:
    """Begin a termination with its hooks. The hooks of a launch in progress end.

    A retained instance passes the hooks again, each with a new token. AWS's guide does not mention it. The
    source is a public record of calls to AWS (retention_native.json of the emulator stackd, read on
    2026-11-30).
    """
    extras = instance_extras(state)
    if state.lifecycle_state in PENDING_STATES and extras.activity:
        failure = extras.failure or "The instance was terminated while it was launched."
        activities.end(group, state, extras.activity, launches=True, failure=failure)
    extras.failure = ""
    state.lifecycle_state = State.TERMINATING.value
    cause = f"At {clock.iso(clock.now_s())} an instance was taken out of service in response to {why}."
    extras.activity = activities.begin(group, state, launches=False, cause=cause)
    _wait_for_hooks(group, state, TERMINATING)
    return extras.activity


def finish(group: Any, state: Any) -> None:
    """Terminate the instance and remove it from its group."""
    activity = _activity(group, state)
    if state.instance.state != "terminated":
        state.instance.terminate()
    group.instance_states = [each for each in group.instance_states if each is not state]
    state.lifecycle_state = State.TERMINATED.value
    instance_extras(state).waits.clear()
    activities.end(group, state, activity, launches=False)


def _retain(group: Any, state: Any) -> None:
    """Keep the instance in its group, without a termination in progress."""
    extras = instance_extras(state)
    activities.cancel(_activity(group, state), extras.failure)
    extras.activity, extras.failure = None, ""
    state.lifecycle_state = State.TERMINATING_RETAINED.value
    detail = {"AutoScalingGroupName": group.name, "EC2InstanceId": state.instance_id}
    journal.record_call("autoscaling", RETAINED, detail)


def _wait_for_hooks(group: Any, state: Any, transition: str) -> None:
    """Start all hooks of the transition at once, each with an event of its own."""
    hooks = [
        hook
        for hook in group.autoscaling_backend.describe_lifecycle_hooks(group.name)
        if hook.lifecycle_transition == transition
    ]
    launches = transition == LAUNCHING
    instance_extras(state).waits = {
        hook.name: lifecycle.start_wait(
            hook=hook.name,
            token=str(uuid.uuid4()),
            timeout_s=hook.heartbeat_timeout,
            default_result=hook.default_result,
            now_s=clock.now_s(),
        )
        for hook in hooks
    }
    if hooks:
        state.lifecycle_state = (State.PENDING_WAIT if launches else State.TERMINATING_WAIT).value
        activities.mark_waiting(_activity(group, state), launches=launches)
    for hook in hooks:
        bus.put(
            bus.lifecycle_action(
                region=group.region,
                group=group.name,
                arn=group.arn,
                hook=hook.name,
                token=instance_extras(state).waits[hook.name].token,
                instance_id=state.instance_id,
                transition=transition,
                metadata=getattr(hook, "notification_metadata", None) or "",
            )
        )


def complete(group: Any, state: Any, hook: str, result: str, why: str) -> None:
    """Complete the action of one hook. ABANDON also ends the other hooks, and fails a launch.

    An abandoned termination continues, unless the group's instance lifecycle policy retains the instance.
    """
    extras = instance_extras(state)
    ended = extras.waits.pop(hook)
    if result == ABANDON:
        extras.waits.clear()
    launches = state.lifecycle_state in PENDING_STATES
    if result == ABANDON:
        extras.failure = (
            "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token "
            f"{ended.token} was abandoned: {why}"
        )
    if not extras.waits and not (launches and extras.failure):
        state.lifecycle_state = (State.PENDING_PROCEED if launches else State.TERMINATING_PROCEED).value


def _termination_reason(group: Any, state: Any, cause: Cause) -> str:
    if cause is Cause.UNHEALTHY:
        return instance_extras(state).unhealthy_reason or "a user health-check"
    if cause is Cause.ABANDONED:
        return "a launch lifecycle hook that was abandoned"
    return "a difference between desired and actual capacity"


def _activity(group: Any, state: Any) -> Activity:
    """The activity in progress, created for an instance that moto attached without one."""
    extras = instance_extras(state)
    if extras.activity is None:
        launches = state.lifecycle_state not in TERMINATING_STATES
        extras.activity = activities.begin(group, state, launches=launches, cause="")
    return extras.activity
