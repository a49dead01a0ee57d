"""What moto's record of a group's instance lacks, and a group as the decisions see it."""

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
    """Beside moto's InstanceState."""

    launch_order: int = field(default_factory=lambda: next(_launches))
    waits: dict[str, Wait] = field(default_factory=dict)
    """By hook."""
    failure: str = ""
    """Why its launch was abandoned."""
    unhealthy_reason: str = ""
    """Why it is unhealthy, as a cause reads."""
    activity: Activity | None = None
    """What is under way with it."""
    in_service_s: float = 0.0


def instance_extras(state: Any) -> InstanceExtras:
    """Of an instance; one that moto attached has none yet."""
    held: InstanceExtras = state.__dict__.setdefault("extras", InstanceExtras())
    return held


@dataclass
class GroupExtras:
    """Beside moto's group."""

    maintenance: dict[str, Any] = field(default_factory=dict)
    """`MinHealthyPercentage`, `MaxHealthyPercentage`, or empty."""
    is_deleting: bool = False
    """It is deleted once its last instance is gone."""
    paused_until_s: float = 0.0
    """After a launch that failed."""


def group_extras(group: Any) -> GroupExtras:
    held: GroupExtras = group.__dict__.setdefault("extras", GroupExtras())
    return held


def describe_group(group: Any) -> Group:
    """The group as it is."""
    percentages = group_extras(group).maintenance
    return Group(
        desired=group.desired_capacity or 0,
        instances=tuple(_instance(state) for state in group.instance_states),
        min_healthy=percentages.get("MinHealthyPercentage"),
        max_healthy=percentages.get("MaxHealthyPercentage"),
        suspended=frozenset(each["ProcessName"] for each in group.suspended_processes),
        termination_policies=tuple(group.termination_policies),
    )


def _instance(state: Any) -> Instance:
    version = (state.launch_template or {}).get("Version", "0")
    held = instance_extras(state)
    return Instance(
        instance_id=state.instance_id,
        zone=state.availability_zone,
        state=State(state.lifecycle_state),
        is_healthy=state.health_status.lower() == "healthy",
        is_protected=bool(state.protected_from_scale_in),
        is_abandoned=bool(held.failure),
        launch_order=held.launch_order,
        template_version=int(version) if str(version).isdigit() else 0,
        waits=tuple(held.waits.values()),
    )


def all_groups() -> Iterator[Any]:
    """Of every region."""
    for backend in list(autoscaling_backends[ACCOUNT].values()):
        yield from list(backend.autoscaling_groups.values())


def find_instance(backend: Any, instance_id: str) -> tuple[Any, Any] | None:
    """The group of an instance and its state there."""
    for group in backend.autoscaling_groups.values():
        for state in group.instance_states:
            if state.instance_id == instance_id:
                return group, state
    return None


def is_in_service(state: Any) -> bool:
    return bool(state.lifecycle_state == State.IN_SERVICE)
