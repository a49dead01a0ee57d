"""State that moto's groups and instances lack, and the value of a group for the decisions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from moto.autoscaling import autoscaling_backends

from swarmer.fakeaws.autoscaling.activities import Activity
from swarmer.fakeaws.autoscaling.lifecycle import Group, Instance, State, Wait
from swarmer.fakeaws.base.preload import ACCOUNT

_launches: Final = itertools.count(1)


@dataclass
class InstanceExtras:
    """State of an instance in addition to moto's InstanceState."""

    launch_order: int = field(default_factory=lambda: next(_launches))
    waits: dict[str, Wait] = field(default_factory=dict)
    """Outstanding actions, by name of the hook."""
    failure: str = ""
    """Reason why the launch or the termination was abandoned; empty if it was not."""
    unhealthy_reason: str = ""
    """Reason why the instance is unhealthy, in the words of an activity's cause; empty if it is healthy."""
    activity: Activity | None = None
    """Activity in progress."""
    in_service_s: float = 0.0
    """Time at which the instance entered service, in seconds since the epoch."""


def instance_extras(state: Any) -> InstanceExtras:
    """The extras of an instance, created for one that moto attached without them."""
    extras: InstanceExtras = state.__dict__.setdefault("extras", InstanceExtras())
    return extras


@dataclass
class GroupExtras:
    """State of a group in addition to moto's FakeAutoScalingGroup."""

    maintenance: dict[str, Any] = field(default_factory=dict)
    """Values of `MinHealthyPercentage` and `MaxHealthyPercentage`; empty if the group has no policy."""
    lifecycle_policy: dict[str, Any] = field(default_factory=dict)
    """InstanceLifecyclePolicy of the group; empty if it has none."""
    is_changed: bool = False
    """Whether the group lacks its desired capacity since CloudFormation created or changed it."""
    is_deleting: bool = False
    """Whether the group is deleted as soon as its last instance is gone."""
    paused_until_s: float = 0.0
    """Time before which the controller leaves the group alone after a failed step."""


def group_extras(group: Any) -> GroupExtras:
    """The extras of a group."""
    extras: GroupExtras = group.__dict__.setdefault("extras", GroupExtras())
    return extras


def retains(group: Any) -> bool:
    """Whether the group keeps an instance whose termination is abandoned."""
    triggers = group_extras(group).lifecycle_policy.get("RetentionTriggers") or {}
    return bool(triggers.get("TerminateHookAbandon") == "retain")


def describe_group(group: Any) -> Group:
    """The state of moto's group as the value that `lifecycle.decide` reads."""
    percentages = group_extras(group).maintenance
    return Group(
        desired=group.desired_capacity or 0,
        instances=tuple(_instance(state) for state in group.instance_states),
        min_healthy=percentages.get("MinHealthyPercentage"),
        max_healthy=percentages.get("MaxHealthyPercentage"),
        retains=retains(group),
        suspended=frozenset(each["ProcessName"] for each in group.suspended_processes),
        termination_policies=tuple(group.termination_policies),
    )


def _instance(state: Any) -> Instance:
    version = (state.launch_template or {}).get("Version", "0")
    extras = instance_extras(state)
    return Instance(
        instance_id=state.instance_id,
        zone=state.availability_zone,
        state=State(state.lifecycle_state),
        is_healthy=state.health_status.lower() == "healthy",
        is_protected=bool(state.protected_from_scale_in),
        is_abandoned=bool(extras.failure),
        launch_order=extras.launch_order,
        template_version=int(version) if str(version).isdigit() else 0,
        waits=tuple(extras.waits.values()),
    )


def all_groups() -> Iterator[Any]:
    """Groups of every region."""
    for backend in list(autoscaling_backends[ACCOUNT].values()):
        yield from list(backend.autoscaling_groups.values())


def find_instance(backend: Any, instance_id: str) -> tuple[Any, Any] | None:
    """The group of an instance and its InstanceState, or None."""
    for group in backend.autoscaling_groups.values():
        for state in group.instance_states:
            if state.instance_id == instance_id:
                return group, state
    return None


def is_in_service(state: Any) -> bool:
    """Whether the instance is InService."""
    return bool(state.lifecycle_state == State.IN_SERVICE)
