"""Handling of one launched instance: what is observed, and the steps that follow."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lambdas.shared import departures
from lambdas.shared.sight import Sight
from lambdas.shared.telemetry import count, logger, tell
from swarmer.adapters import auto_scaling, aws, instances
from swarmer.core import names
from swarmer.core.healing import arrival, boots, world
from swarmer.core.healing.arrival import Arrival
from swarmer.core.healing.measures import Measure
from swarmer.core.healing.world import Group


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits at which an instance is given up (seconds) and launches are stopped (failed boots in a row)."""

    deadline_s: float
    failed_boots: int


def look(sight: Sight, group: Group, instance_id: str, announced_s: float, limits: Limits) -> Arrival:
    """Return the current state of the cluster for this instance. Raises what the adapters raise."""
    instance = sight.instance(group, instance_id)
    member = group.members.get(instance_id)
    now_s = time.time()
    waited_s = now_s - (instance.launched_s or announced_s)
    ends = world.cluster_closes(sight.groups)
    is_open = member is not None and member.lifecycle in world.ARRIVING and not ends
    late = instance.is_gone or waited_s >= limits.deadline_s
    # Swarm is asked before Consul: during an election it answers late, and an earlier answer of Consul would
    # be out of date by then.
    swarm = sight.look_at_swarm(instance.name) if is_open else world.Swarm()
    consul = sight.look_at_consul(instance.name) if is_open else world.Consul()
    # The history is read only if it may matter, because an instance that boots well needs none.
    activities = auto_scaling.activities(group.asg) if is_open and late else []
    return Arrival(
        instance=instance,
        roles=group.roles,
        lifecycle=member.lifecycle if member else "",
        waited_s=waited_s,
        deadline_s=limits.deadline_s,
        failed_in_a_row=boots.failed_in_a_row(activities, but=instance_id),
        failed_boots=limits.failed_boots,
        is_founded=world.is_founded(sight.groups),
        noted_s_ago=now_s - consul.missing[instance.name] if instance.name in consul.missing else None,
        ends=ends,
        consul=consul,
        swarm=swarm,
    )


def hold(sight: Sight, group: Group, hook: str, seen: Arrival, action: arrival.Wait) -> None:
    """Keep a late instance waiting, if its hook or a note is needed for that."""
    if action.holds:
        auto_scaling.heartbeat(group.asg, hook, seen.instance.id)
    if action.notes:
        sight.api.put(f"{names.KV_MISSING}{seen.instance.name}", str(time.time()))


def act(sight: Sight, group: Group, hook: str, seen: Arrival, action: arrival.Action) -> None:
    """Answer the hook. Repeating it changes nothing more."""
    instance = seen.instance
    match action:
        case arrival.Admit():
            departures.record(sight, instance.name, instance_id=instance.id, now_s=time.time())
            answered = auto_scaling.complete(group.asg, hook, instance.id, auto_scaling.CONTINUE)
            count(Measure.ADMITTED, answered)
            tell("let in", node=instance.name, waited_s=round(seen.waited_s), answered=answered)
        case arrival.Abandon(reason, opens_breaker):
            abandon(group, hook, seen, reason, opens_breaker=opens_breaker)
        case arrival.Ignore(reason) | arrival.Wait(reason):
            tell("ignored", node=instance.name, reason=reason)


def abandon(group: Group, hook: str, seen: Arrival, reason: str, *, opens_breaker: bool) -> None:
    """Log the machine's last console output and give the machine up. Stop further launches first, if
    necessary."""
    instance = seen.instance
    logger.warning(
        "given up", extra={"node": instance.name, "reason": reason, "console": _console(instance.id)}
    )
    if opens_breaker:
        auto_scaling.suspend_launches(group.asg)
        count(Measure.BREAKER_OPEN)
        logger.error("breaker open", extra={"asg": group.asg, "failed_boots": seen.failed_in_a_row + 1})
    answered = auto_scaling.complete(group.asg, hook, instance.id, auto_scaling.ABANDON)
    count(Measure.ABANDONED, answered)
    tell("abandoned", node=instance.name, reason=reason, answered=answered)


def _console(instance_id: str) -> str:
    """Return the console output. It is useful, but no reason to keep a dead instance."""
    try:
        return instances.console(instance_id)
    except aws.Unavailable as exc:
        return f"cannot be read: {exc}"
