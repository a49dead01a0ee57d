"""Creation, change and deletion of a group: its size, its hooks, its policies.

AWS changes a group in place; bare moto deletes it with all its instances and creates another.
"""

from __future__ import annotations

from typing import Any, Final

from moto.autoscaling import autoscaling_backends
from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup, make_int
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import EmptyResult

from swarmer.fakeaws.autoscaling import controller, hooks, policies
from swarmer.fakeaws.autoscaling.lifecycle import TERMINATING_STATES, State
from swarmer.fakeaws.autoscaling.state import (
    find_instance,
    group_extras,
    instance_extras,
    is_in_service,
    retains,
)
from swarmer.fakeaws.base import clock, journal
from swarmer.fakeaws.base.template_resource import Create, Definition, Update, wrap_create, wrap_update

change: Final = FakeAutoScalingGroup.update
create: Final = AutoScalingBackend.create_auto_scaling_group
create_request: Final = AutoScalingResponse.create_auto_scaling_group
update_request: Final = AutoScalingResponse.update_auto_scaling_group


def extend() -> None:
    FakeAutoScalingGroup.set_desired_capacity = _set_desired_capacity
    FakeAutoScalingGroup.update = _change
    wrap_create(FakeAutoScalingGroup, _create_from_template)
    wrap_update(FakeAutoScalingGroup, _update_in_place)
    FakeAutoScalingGroup.delete = _delete
    FakeAutoScalingGroup.delete_from_cloudformation_json = classmethod(_delete_by_name)
    FakeAutoScalingGroup.instance_maintenance_policy = property(
        lambda self: group_extras(self).maintenance or None
    )
    FakeAutoScalingGroup.instance_lifecycle_policy = property(
        lambda self: group_extras(self).lifecycle_policy or None
    )
    AutoScalingBackend.create_auto_scaling_group = _create
    AutoScalingBackend.terminate_instance = _terminate_instance
    AutoScalingBackend.notify_terminate_instances = _notify
    AutoScalingResponse.create_auto_scaling_group = _create_request
    AutoScalingResponse.update_auto_scaling_group = _update_request
    AutoScalingResponse.delete_auto_scaling_group = _delete_request
    AutoScalingResponse.set_desired_capacity = _desired_request
    AutoScalingResponse.set_instance_health = _health_request


def _create(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    """AWS starts the first instances when the group is complete; bare moto starts them in its constructor."""
    old = self.autoscaling_groups.get(name)
    if old is not None and not group_extras(old).is_deleting:
        raise AutoscalingClientError(
            "AlreadyExists",
            f"AutoScalingGroup by this name already exists - A group with the name {name} already exists",
        )
    if old is not None:
        _delete_now(old)
    group = create(self, name, *args, **kwargs)
    declared = self.__dict__.setdefault("declared_policies", {}).pop(name, {})
    policies.apply(group, declared)
    try:
        controller.step(group)
    except Exception:
        _delete_now(group)
        raise
    return group


def _declare(backend: Any, name: str, properties: Any) -> None:
    """Declare the hooks and the policies, for which `_create` has no parameters."""
    hooks.declare(backend, name, properties.get("LifecycleHookSpecificationList") or [])
    backend.__dict__.setdefault("declared_policies", {})[name] = properties


def _create_request(self: Any) -> Any:
    _declare(self.autoscaling_backend, self._get_param("AutoScalingGroupName"), self._get_params())
    return create_request(self)


def _create_from_template(create: Create, definition: Definition) -> Any:
    backend = autoscaling_backends[definition.account][definition.region]
    _declare(backend, definition.name, definition.properties)
    made = create(definition)
    group_extras(made).is_changed = True
    return made


# -- size ---------------------------------------------------------------------------------


def _set_desired_capacity(self: Any, new_capacity: int | None) -> None:
    """AWS starts a group without a desired capacity at its minimum."""
    self.desired_capacity = self.min_size if new_capacity is None else new_capacity
    if self.autoscaling_backend.autoscaling_groups.get(self.name) is self:
        controller.step(self)


def _change(self: Any, *args: Any, desired_capacity: int | None = None, **kwargs: Any) -> None:
    """AWS moves the desired capacity only as far as the new bounds require; bare moto counts instances."""
    least = self.min_size if kwargs.get("min_size") is None else kwargs["min_size"]
    most = self.max_size if kwargs.get("max_size") is None else kwargs["max_size"]
    if desired_capacity is None:
        desired_capacity = max(least, min(most, self.desired_capacity))
    policy = self.mixed_instances_policy
    change(self, *args, desired_capacity=desired_capacity, **kwargs)
    if kwargs.get("mixed_instances_policy") is None and not kwargs.get("launch_template"):
        self.mixed_instances_policy = policy


def _desired_request(self: Any) -> Any:
    """AWS accepts a desired capacity only within the group's bounds."""
    name, desired = self._get_param("AutoScalingGroupName"), self._get_int_param("DesiredCapacity")
    group = _group(self, name)
    for is_beyond, bound in (
        (desired > group.max_size, f"above max value {group.max_size}"),
        (desired < group.min_size, f"below min value {group.min_size}"),
    ):
        if is_beyond:
            raise ValidationError(
                f"New SetDesiredCapacity value {desired} is {bound} for the AutoScalingGroup."
            )
    detail = {"AutoScalingGroupName": name, "DesiredCapacity": desired}
    journal.record_call("autoscaling", "SetDesiredCapacity", detail)
    group.set_desired_capacity(desired)
    return EmptyResult()


def _group(request: Any, name: str) -> Any:
    group = request.autoscaling_backend.autoscaling_groups.get(name)
    if group is None:
        raise ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    return group


def _update_request(self: Any) -> Any:
    extras = group_extras(_group(self, self._get_param("AutoScalingGroupName")))
    if (policy := self._get_param("InstanceLifecyclePolicy")) is not None:
        extras.lifecycle_policy = policies.lifecycle(policy)
    if (policy := self._get_param("InstanceMaintenancePolicy")) is not None:
        extras.maintenance = policies.maintenance(policy)
    return update_request(self)


def _update_in_place(replace: Update, group: Any, definition: Definition) -> Any:
    properties = definition.properties
    if properties.get("AutoScalingGroupName", group.name) != group.name:
        return replace(group, definition)
    group.tags = properties.get("Tags", [])
    policies.apply(group, properties)
    hooks.declare(
        group.autoscaling_backend, group.name, properties.get("LifecycleHookSpecificationList") or []
    )
    group.update(
        availability_zones=properties.get("AvailabilityZones", []),
        desired_capacity=make_int(properties.get("DesiredCapacity")),
        max_size=make_int(properties.get("MaxSize")),
        min_size=make_int(properties.get("MinSize")),
        launch_config_name=properties.get("LaunchConfigurationName"),
        launch_template=properties.get("LaunchTemplate", {}),
        vpc_zone_identifier=",".join(properties.get("VPCZoneIdentifier", [])) or None,
        health_check_period=make_int(properties.get("HealthCheckGracePeriod")),
        health_check_type=properties.get("HealthCheckType"),
        new_instances_protected_from_scale_in=properties.get("NewInstancesProtectedFromScaleIn"),
        mixed_instances_policy=properties.get("MixedInstancesPolicy"),
    )
    group_extras(group).is_changed = True
    return group


# -- deletion ----------------------------------------------------------------------------------


def _delete(self: Any, account_id: str, region_name: str) -> None:
    """CloudFormation sets a group's sizes to 0 and waits for its instances, hooks included.

    The background continues the deletion. The group can be described until it is gone.
    """
    with controller.lock:
        group_extras(self).is_deleting = True
        self.min_size = self.max_size = 0
        for state in self.instance_states:
            state.protected_from_scale_in = False
        self.set_desired_capacity(0)


def _delete_by_name(
    cls: Any, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
) -> None:
    group = autoscaling_backends[account_id][region_name].autoscaling_groups.get(resource_name)
    if group is not None:
        group.delete(account_id, region_name)


def _delete_request(self: Any) -> Any:
    """AWS deletes an empty group; with ForceDelete it deletes any group at once, without hooks.

    A group that retains instances cannot be force-deleted. The text is AWS's, from a quotation in
    terraform-provider-aws (internal/service/autoscaling/sweep.go).
    """
    group = _group(self, self._get_param("AutoScalingGroupName"))
    is_forced = self._get_bool_param("ForceDelete", False)
    if is_forced and retains(group):
        raise ValidationError(
            "You can't force delete this Auto Scaling group because the TerminateHookAbandon retention "
            "trigger is set to retain. Change the retention trigger to terminate and try again"
        )
    if group.instance_states and not is_forced:
        raise AutoscalingClientError(
            "ResourceInUse",
            "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance "
            "request(s) still in the group.",
        )
    _delete_now(group)
    return EmptyResult()


def _delete_now(group: Any) -> None:
    """Delete the group and terminate its instances without hooks."""
    with controller.lock:
        group.desired_capacity = 0
        group.autoscaling_backend.autoscaling_groups.pop(group.name, None)
        for state in list(group.instance_states):
            if state.lifecycle_state not in TERMINATING_STATES:
                controller.begin_termination(group, state, "a user request force-delete of the group")
            controller.finish(group, state)
        for hook in group.autoscaling_backend.describe_lifecycle_hooks(group.name):
            group.autoscaling_backend.delete_lifecycle_hook(group.name, hook.name)


# -- instances ----------------------------------------------------------------------------


def _notify(self: Any, instance_ids: list[str]) -> None:
    """AWS finds a terminated instance by its health check; bare moto replaces it within the request."""


def _terminate_instance(self: Any, instance_id: str, should_decrement: bool) -> Any:
    """TerminateInstanceInAutoScalingGroup, which ignores the instance maintenance policy."""
    with controller.lock:
        group, state = _managed(self, instance_id)
        if state.lifecycle_state in TERMINATING_STATES:
            return instance_extras(state).activity
        if should_decrement and state.lifecycle_state == State.TERMINATING_RETAINED:
            # A retained instance does not count, so the size cannot be decremented. AWS's words are unknown.
            raise ValidationError(
                f"The instance {instance_id} is retained: set shouldDecrementDesiredCapacity to false."
            )
        if should_decrement and group.desired_capacity <= group.min_size:
            raise ValidationError(
                f"Currently, desiredSize equals minSize ({group.min_size}). Terminating instance without "
                "replacement will violate group's min size constraint. Either set "
                "shouldDecrementDesiredCapacity flag to false or lower group's min size."
            )
        group.desired_capacity -= int(should_decrement)
        activity = controller.begin_termination(group, state, "a user request")
        controller.step(group)
        return activity


def _health_request(self: Any) -> Any:
    """AWS ignores the request within the grace period, unless the caller asks not to respect it."""
    instance_id, status = self._get_param("InstanceId"), self._get_param("HealthStatus")
    if status not in ("Healthy", "Unhealthy"):
        raise ValidationError("Valid instance health states are: [Healthy, Unhealthy]")
    with controller.lock:
        group, state = _managed(self.autoscaling_backend, instance_id)
        grace_s = group.health_check_grace_period or 0
        is_young = not is_in_service(state) or clock.now_s() < instance_extras(state).in_service_s + grace_s
        if self._get_bool_param("ShouldRespectGracePeriod", True) and is_young:
            return EmptyResult()
        detail = {"InstanceId": instance_id, "HealthStatus": status}
        journal.record_call("autoscaling", "SetInstanceHealth", detail)
        state.health_status = status
        instance_extras(state).unhealthy_reason = "a user health-check" if status == "Unhealthy" else ""
        controller.step(group)
    return EmptyResult()


def _managed(backend: Any, instance_id: str) -> tuple[Any, Any]:
    found = find_instance(backend, instance_id)
    if found is None:
        raise ValidationError(
            f"Instance Id not found - No managed instance found for instance ID: {instance_id}"
        )
    return found
