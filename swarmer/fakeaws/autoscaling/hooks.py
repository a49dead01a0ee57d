"""Lifecycle hooks: their declaration, and the requests that complete, prolong or end their waits.

Bare moto keeps the hooks of PutLifecycleHook, but no instance ever waits for one. It ignores a group's own
LifecycleHookSpecificationList. It has neither CompleteLifecycleAction nor RecordLifecycleActionHeartbeat.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import AutoScalingBackend, LifecycleHook
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import EmptyResult

from swarmer.fakeaws.autoscaling import controller
from swarmer.fakeaws.autoscaling.lifecycle import (
    ABANDON,
    CONTINUE,
    HOOK_TIMEOUT_S,
    LAUNCHING,
    TERMINATING,
    global_timeout_s,
    prolong,
)
from swarmer.fakeaws.autoscaling.state import instance_extras
from swarmer.fakeaws.base import clock, journal

HEARTBEAT_TIMEOUTS_S: Final = range(30, 7201)
"""Heartbeat timeouts that AWS accepts, in seconds."""
REFUSED: Final = "CompleteLifecycleActionRefused"
"""Journal entry for a completion after the timeout, or without a waiting instance."""


def extend() -> None:
    AutoScalingBackend.delete_lifecycle_hook = _delete
    for name, method in {
        "put_lifecycle_hook": _put_request,
        "complete_lifecycle_action": _complete_request,
        "record_lifecycle_action_heartbeat": _heartbeat_request,
    }.items():
        setattr(AutoScalingResponse, name, method)


def declare(backend: Any, group: str, specifications: Iterable[Mapping[str, Any]]) -> None:
    """Set the hooks of a group to this list. Hooks that are not in it are deleted."""
    wanted = {each["LifecycleHookName"]: each for each in specifications}
    for hook in backend.describe_lifecycle_hooks(group):
        if hook.name not in wanted:
            backend.delete_lifecycle_hook(group, hook.name)
    for each in wanted.values():
        put(backend, group, each)


def put(backend: Any, group: str, specification: Mapping[str, Any]) -> None:
    """Create or replace a hook. It applies from the next transition on."""
    transition = specification.get("LifecycleTransition")
    result = specification.get("DefaultResult") or ABANDON
    timeout_s = int(specification.get("HeartbeatTimeout") or HOOK_TIMEOUT_S)
    if transition not in (LAUNCHING, TERMINATING):
        raise ValidationError(f"Lifecycle transition {transition} is not supported")
    if result not in (CONTINUE, ABANDON):
        raise ValidationError(f"Lifecycle hook default result {result} is not valid")
    if timeout_s not in HEARTBEAT_TIMEOUTS_S:
        least_s, most_s = HEARTBEAT_TIMEOUTS_S.start, HEARTBEAT_TIMEOUTS_S.stop - 1
        raise ValidationError(f"Heartbeat timeout must be between {least_s} and {most_s} seconds")
    hook = LifecycleHook(specification["LifecycleHookName"], group, transition, timeout_s, result)
    hook.global_timeout = int(global_timeout_s(timeout_s))
    hook.notification_metadata = specification.get("NotificationMetadata")
    hook.notification_target_arn = specification.get("NotificationTargetARN")
    hook.role_arn = specification.get("RoleARN")
    backend.lifecycle_hooks[f"{group}_{hook.name}"] = hook


def _delete(self: Any, as_name: str, name: str) -> None:
    """AWS first completes the outstanding actions: ABANDON for launches, CONTINUE for terminations."""
    hook = self.lifecycle_hooks.pop(f"{as_name}_{name}", None)
    group = self.autoscaling_groups.get(as_name)
    if hook is None or group is None:
        return
    with controller.lock:
        for state in list(group.instance_states):
            if name in instance_extras(state).waits:
                result = ABANDON if hook.lifecycle_transition == LAUNCHING else CONTINUE
                controller.complete(group, state, name, result, "Lifecycle hook was deleted")
        controller.step(group)


def _put_request(self: Any) -> Any:
    """AWS keeps the values of an existing hook that the request does not name."""
    group, name = self._get_param("AutoScalingGroupName"), self._get_param("LifecycleHookName")
    if group not in self.autoscaling_backend.autoscaling_groups:
        raise ValidationError("AutoScalingGroup name not found - null")
    old = self.autoscaling_backend.lifecycle_hooks.get(f"{group}_{name}")
    before = {} if old is None else _specification(old)
    named = {key: value for key, value in self._get_params().items() if value is not None}
    put(self.autoscaling_backend, group, {**before, **named})
    return EmptyResult()


def _specification(hook: Any) -> dict[str, Any]:
    return {
        "LifecycleTransition": hook.lifecycle_transition,
        "DefaultResult": hook.default_result,
        "HeartbeatTimeout": hook.heartbeat_timeout,
        "NotificationMetadata": hook.notification_metadata,
        "NotificationTargetARN": hook.notification_target_arn,
        "RoleARN": hook.role_arn,
    }


def _complete_request(self: Any) -> Any:
    result = self._get_param("LifecycleActionResult")
    if result not in (CONTINUE, ABANDON):
        raise ValidationError(f"Lifecycle action result {result} is not valid")
    with controller.lock:
        try:
            group, state, hook = _waiting(self)
        except ValidationError as exc:
            asked = {
                "AutoScalingGroupName": self._get_param("AutoScalingGroupName"),
                "LifecycleHookName": self._get_param("LifecycleHookName"),
                "EC2InstanceId": self._get_param("InstanceId"),
                "LifecycleActionResult": result,
                "error": exc.message,
            }
            named = {key: value for key, value in asked.items() if value}
            journal.record_call("autoscaling", REFUSED, named)
            raise
        detail = {
            "AutoScalingGroupName": group.name,
            "LifecycleHookName": hook,
            "EC2InstanceId": state.instance_id,
            "LifecycleActionResult": result,
        }
        journal.record_call("autoscaling", "CompleteLifecycleAction", detail)
        controller.complete(group, state, hook, result, f"Lifecycle Action Completed with {result} Result")
        controller.step(group)
    return EmptyResult()


def _heartbeat_request(self: Any) -> Any:
    with controller.lock:
        _, state, hook = _waiting(self)
        waits = instance_extras(state).waits
        waits[hook] = prolong(waits[hook], clock.now_s())
    return EmptyResult()


def _waiting(request: Any) -> tuple[Any, Any, str]:
    """Group, instance and hook of the action that the request identifies by token or by instance."""
    name, hook = request._get_param("AutoScalingGroupName"), request._get_param("LifecycleHookName")
    token, instance_id = request._get_param("LifecycleActionToken"), request._get_param("InstanceId")
    backend = request.autoscaling_backend
    group = backend.autoscaling_groups.get(name)
    if group is None:
        raise ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    if f"{name}_{hook}" not in backend.lifecycle_hooks:
        raise ValidationError(f"Lifecycle hook name not found - no hook {hook} in group {name}")
    if not token and not instance_id:
        raise ValidationError("Either LifecycleActionToken or InstanceId must be specified")
    for state in group.instance_states:
        wait = instance_extras(state).waits.get(hook)
        if wait and (wait.token == token if token else state.instance_id == instance_id):
            return group, state, hook
    what = f"token {token}" if token else f"instance ID {instance_id}"
    raise ValidationError(f"No active Lifecycle Action found with {what}")
