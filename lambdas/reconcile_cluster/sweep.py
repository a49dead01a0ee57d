"""Execution of the core's plan. A step that fails does not keep the other steps from being taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from lambdas.reconcile_cluster.environment import Environment
from lambdas.shared import arrivals, departures
from lambdas.shared.arrivals import Limits
from lambdas.shared.departures import Leaver
from lambdas.shared.messages import RESERVE_MS, UNAVAILABLE
from lambdas.shared.sight import Sight
from lambdas.shared.telemetry import count, logger, tell
from swarmer.adapters import auto_scaling, instances
from swarmer.core import names
from swarmer.core.healing import arrival, reconciliation, world
from swarmer.core.healing.measures import Measure
from swarmer.core.healing.reconciliation import Missing, Place, Plan, Scene
from swarmer.core.healing.steps import Finish, Wait


def sweep(sight: Sight, environment: Environment, told: frozenset[str], left_ms: Callable[[], int]) -> str:
    """Look at the whole cluster once and act. Return what is left to wait for; empty if nothing is.

    `told` holds the instances that events named. `left_ms` returns the time left to the function; steps that
    do not fit into it are left to the next sweep.

    Raises what the adapters raise, after every possible step was taken.
    """
    scene = look(sight, environment, told)
    plan = reconciliation.decide(scene)
    raise_alarms(plan)
    # The lost node may have led. Another leader exists within seconds, and the schedule is a minute away.
    waiting, failed = [plan.waits_for] if told else [], []
    for step in _steps(sight, environment, scene, plan):
        if left_ms() < RESERVE_MS:
            waiting.append("the function's time is up")
            break
        try:
            waiting.append(step())
        except UNAVAILABLE as exc:
            failed.append(exc)
            sight.forget_connections()
    if failed:
        raise failed[0]
    return "; ".join(filter(None, waiting))


def look(sight: Sight, environment: Environment, told: frozenset[str]) -> Scene:
    """Return the cluster's state. EC2 is asked only about suspects and the instances in `told`."""
    ends = not sight.groups or world.cluster_ends(sight.groups)
    # Swarm is asked before Consul: during an election it answers late, and an earlier answer of Consul would
    # be out of date by then.
    swarm = world.Swarm() if ends else sight.look_at_swarm(None)
    scene = Scene(
        groups=sight.groups,
        consul=world.Consul() if ends else sight.look_at_consul(None),
        swarm=swarm,
        now_s=time.time(),
        grace_s=environment.grace_s,
    )
    asked = set() if ends else reconciliation.suspects(scene) | told
    return Scene(
        groups=scene.groups,
        consul=scene.consul,
        swarm=scene.swarm,
        instances=instances.by_id(asked) if asked else {},
        now_s=scene.now_s,
        grace_s=scene.grace_s,
    )


def raise_alarms(plan: Plan) -> None:
    """Write the metrics that alarms watch, including zeros, because a zero ends an alarm."""
    count(Measure.QUORUM_AT_RISK, bool(plan.at_risk))
    count(Measure.BREAKER_OPEN, len(plan.open_breakers))
    for reason in plan.at_risk:
        logger.warning("at risk", extra={"reason": reason})
    for asg in plan.open_breakers:
        logger.warning("launches are suspended", extra={"asg": asg})


def _steps(sight: Sight, environment: Environment, scene: Scene, plan: Plan) -> list[Callable[[], str]]:
    return [
        *(partial(purge, sight, scene, name) for name in plan.ghosts),
        *(partial(see_out, sight, scene, place) for place in plan.departures),
        # The notes are quick and only about nodes in service. Hundreds of booting nodes must not delay them.
        partial(note, sight, plan),
        *(partial(replace, missing) for missing in plan.unhealthy),
        *(partial(let_in, sight, environment, place) for place in plan.arrivals),
    ]


def purge(sight: Sight, scene: Scene, name: str) -> str:
    """Remove the remains of a node whose machine is proved to be gone."""
    group = name.removesuffix(f"-{names.instance_id(name)}")
    roles = {each.name: each.roles for each in sight.groups}.get(group, frozenset())
    leaver = Leaver(name=name, roles=roles, is_gone=True, announced_s=scene.now_s)
    outcome = departures.leave(sight, leaver)
    if isinstance(outcome, Wait) or outcome.at_risk:
        return f"{name}: {outcome.reason}"
    count(Measure.PURGED)
    state = scene.instances[names.instance_id(name)].state
    tell("purged", node=name, reason=f"its instance is {state}")
    return ""


def see_out(sight: Sight, scene: Scene, place: Place) -> str:
    """Handle a termination hook that no other function seems to handle."""
    instance = scene.instances.get(place.instance_id)
    leaver = Leaver(
        name=place.name,
        roles=place.group.roles,
        is_gone=instance is not None and instance.is_gone,
        announced_s=scene.now_s,
    )
    outcome = departures.leave(sight, leaver)
    asg, hook = place.group.asg, names.HOOK_TERMINATE
    if isinstance(outcome, Finish):
        answered = auto_scaling.complete(asg, hook, place.instance_id, auto_scaling.CONTINUE)
        count(Measure.DEPARTED, answered)
        tell("departed", node=place.name, reason=outcome.reason, answered=answered, missed=True)
        return ""
    auto_scaling.heartbeat(asg, hook, place.instance_id)
    tell("waits", node=place.name, reason=outcome.reason, at_risk=outcome.at_risk)
    return f"{place.name}: {outcome.reason}"


def let_in(sight: Sight, environment: Environment, place: Place) -> str:
    """Handle a launch hook that waits for long. A hook that is in time is left to its own function."""
    limits = Limits(deadline_s=environment.boot_deadline_s, failed_boots=environment.failed_boots)
    seen = arrivals.look(sight, place.group, place.instance_id, time.time(), limits)
    action = arrival.decide(seen)
    if isinstance(action, arrival.Wait):
        arrivals.hold(sight, place.group, names.HOOK_LAUNCH, seen, action)
    else:
        arrivals.act(sight, place.group, names.HOOK_LAUNCH, seen, action)
    return ""


def note(sight: Sight, plan: Plan) -> str:
    """Note since when nodes are missing, so that a later sweep knows for how long."""
    if plan.noted:
        now = str(time.time())
        sight.api.put_all({f"{names.KV_MISSING}{name}": now for name in plan.noted})
    for name in plan.noted:
        tell("missed", node=name)
    for name in plan.returned:
        sight.api.delete(f"{names.KV_MISSING}{name}")
        tell("is back", node=name)
    return ""


def replace(missing: Missing) -> str:
    """Have Auto Scaling replace a running node that serves no purpose."""
    if auto_scaling.mark_unhealthy(missing.place.instance_id):
        count(Measure.REPLACED)
        logger.warning("marked unhealthy", extra={"node": missing.place.name, "reason": missing.lack})
    return ""
