"""Handling of one launched instance: observe it, and answer its lifecycle hook as the core decides."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lambdas.shared import actuator, consul_state, swarm_state
from lambdas.shared.connections import Connections
from lambdas.shared.telemetry import add_metric, log, logger
from swarmer.adapters import auto_scaling, aws, instances
from swarmer.core.healing import arrival, boots, world
from swarmer.core.healing.arrival import Arrival
from swarmer.core.healing.metrics import Metric
from swarmer.core.healing.world import Group


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits at which an instance is given up (seconds) and launches are stopped (failed boots in a row)."""

    deadline_s: float
    failed_boots: int


def observe(
    connections: Connections, group: Group, instance_id: str, announced_s: float, limits: Limits
) -> Arrival:
    """Return the current state of the cluster for this instance. Raises what the adapters raise."""
    instance = connections.aws.instance(group, instance_id)
    member = group.members.get(instance_id)
    now_s = time.time()
    waited_s = now_s - (instance.launched_s or announced_s)
    ends = world.cluster_closes(connections.aws.groups)
    is_open = member is not None and member.lifecycle in world.ARRIVING and not ends
    late = instance.is_gone or waited_s >= limits.deadline_s
    # Swarm is asked before Consul: during an election it answers late, and an earlier answer of Consul would
    # be out of date by then.
    swarm = swarm_state.observe(connections.engine, instance.name) if is_open else world.Swarm()
    consul = consul_state.observe(connections.consul, instance.name) if is_open else world.Consul()
    # The history is read only for an instance that may be given up; other instances need none.
    activities = auto_scaling.activities(group.asg) if is_open and late else []
    return Arrival(
        instance=instance,
        roles=group.roles,
        lifecycle=member.lifecycle if member else "",
        waited_s=waited_s,
        deadline_s=limits.deadline_s,
        failed_in_a_row=boots.failed_in_a_row(activities, but=instance_id),
        failed_boots=limits.failed_boots,
        is_initialized=world.is_initialized(connections.aws.groups),
        noted_s_ago=now_s - consul.missing[instance.name] if instance.name in consul.missing else None,
        ends=ends,
        consul=consul,
        swarm=swarm,
    )


def apply(connections: Connections, group: Group, hook: str, seen: Arrival, action: arrival.Action) -> None:
    """Complete the lifecycle action, or hold it. Repeating this has no further effect."""
    instance = seen.instance
    match action:
        case arrival.Admit():
            actuator.record_admitted(connections, instance.name, instance.id)
            answered = auto_scaling.complete(group.asg, hook, instance.id, auto_scaling.CONTINUE)
            add_metric(Metric.ADMITTED, answered)
            log("admitted", node=instance.name, waited_s=round(seen.waited_s), answered=answered)
        case arrival.Abandon(reason, opens_breaker):
            _abandon(group, hook, seen, reason, opens_breaker=opens_breaker)
        case arrival.Wait(_, holds, notes):
            if holds:
                auto_scaling.heartbeat(group.asg, hook, instance.id)
            if notes:
                actuator.record_joinable(connections, instance.name)
        case arrival.Ignore(reason):
            log("ignored", node=instance.name, reason=reason)


def _abandon(group: Group, hook: str, seen: Arrival, reason: str, *, opens_breaker: bool) -> None:
    """Log the machine's last console output and give the machine up. Stop further launches first, if
    necessary."""
    instance = seen.instance
    logger.warning(
        "given up", extra={"node": instance.name, "reason": reason, "console": _console(instance.id)}
    )
    if opens_breaker:
        auto_scaling.suspend_launches(group.asg)
        add_metric(Metric.BREAKER_OPEN)
        logger.error("breaker open", extra={"asg": group.asg, "failed_boots": seen.failed_in_a_row + 1})
    answered = auto_scaling.complete(group.asg, hook, instance.id, auto_scaling.ABANDON)
    add_metric(Metric.ABANDONED, answered)
    log("abandoned", node=instance.name, reason=reason, answered=answered)


def _console(instance_id: str) -> str:
    """Return the console output, or why AWS does not return it: a dead instance must go anyway."""
    try:
        return instances.console(instance_id)
    except aws.Unavailable as exc:
        return f"cannot be read: {exc}"
