"""Execution of the core's plan. A failed step does not stop the other steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from lambdas.reconcile_cluster import corrections
from lambdas.reconcile_cluster.environment import Environment
from lambdas.shared import actuator, consul_state, launches, removal, swarm_state
from lambdas.shared.connections import Connections
from lambdas.shared.launches import Limits
from lambdas.shared.messages import RESERVE_MS, UNAVAILABLE
from lambdas.shared.removal import LeavingNode
from lambdas.shared.telemetry import add_metric, log, logger
from swarmer.adapters import auto_scaling, instances
from swarmer.core import names
from swarmer.core.healing import arrival, reconciliation, world
from swarmer.core.healing.metrics import Metric
from swarmer.core.healing.reconciliation import Missing, Place, Plan, Scene
from swarmer.core.healing.steps import Finish, Wait


def sweep(
    connections: Connections,
    environment: Environment,
    reported_ids: frozenset[str],
    left_ms: Callable[[], int],
) -> str:
    """Observe the whole cluster once and act. Return the reason to wait; empty if there is none.

    `reported_ids` are the IDs of instances that events named. `left_ms` returns the time left to the
    function. The next sweep takes steps that do not fit into it.

    Raises what the adapters raise, after every possible step was taken.
    """
    scene = observe(connections, environment, reported_ids)
    plan = reconciliation.decide(scene)
    add_alarm_metrics(plan)
    # The lost node may have led the Swarm. A new leader exists within seconds, and the schedule is a minute
    # away.
    waiting, failed = [plan.waits_for] if reported_ids else [], []
    for step in _steps(connections, environment, scene, plan):
        if left_ms() < RESERVE_MS:
            waiting.append("the function's time is up")
            break
        try:
            waiting.append(step())
        except UNAVAILABLE as exc:
            failed.append(exc)
            connections.forget()
    if failed:
        raise failed[0]
    return "; ".join(filter(None, waiting))


def observe(connections: Connections, environment: Environment, reported_ids: frozenset[str]) -> Scene:
    """Return the cluster's state. EC2 is asked only about suspects and the instances that events named.

    Raises what the adapters raise.
    """
    groups = connections.aws.groups
    ends = not groups or world.cluster_ends(groups)
    # Swarm is asked before Consul: during an election it answers late, and an earlier answer of Consul would
    # be out of date by then.
    swarm = world.Swarm() if ends else swarm_state.observe(connections.engine, None)
    scene = Scene(
        groups=groups,
        consul=world.Consul() if ends else consul_state.observe(connections.consul, None),
        swarm=swarm,
        now_s=time.time(),
        grace_s=environment.grace_s,
    )
    asked = set() if ends else reconciliation.suspects(scene) | reported_ids
    return Scene(
        groups=scene.groups,
        consul=scene.consul,
        swarm=scene.swarm,
        instances=instances.by_id(asked) if asked else {},
        now_s=scene.now_s,
        grace_s=scene.grace_s,
    )


def add_alarm_metrics(plan: Plan) -> None:
    """Write the metrics that alarms watch, including zeros, because a zero ends an alarm."""
    add_metric(Metric.QUORUM_AT_RISK, bool(plan.at_risk))
    add_metric(Metric.BREAKER_OPEN, len(plan.open_breakers))
    for reason in plan.at_risk:
        logger.warning("at risk", extra={"reason": reason})
    for asg in plan.open_breakers:
        logger.warning("launches are suspended", extra={"asg": asg})


def _steps(
    connections: Connections, environment: Environment, scene: Scene, plan: Plan
) -> list[Callable[[], str]]:
    return [
        *(partial(purge, connections, scene, name) for name in plan.ghosts),
        *(partial(complete_termination, connections, scene, place) for place in plan.departures),
        *(partial(end_retained, connections, scene, place) for place in plan.retained),
        # The records are quick and only about nodes in service. Hundreds of booting nodes must not delay
        # them.
        partial(record_missing, connections, plan),
        *(partial(mark_unhealthy, missing) for missing in plan.unhealthy),
        *(partial(corrections.demote, connections, row) for row in plan.promoted),
        *(partial(corrections.remove_leftover, connections, row) for row in plan.leftovers),
        *(partial(complete_launch, connections, environment, place) for place in plan.arrivals),
    ]


def purge(connections: Connections, scene: Scene, name: str) -> str:
    """Remove the remains of a node whose machine is proved to be gone."""
    group = name.removesuffix(f"-{names.instance_id(name)}")
    roles = {each.name: each.roles for each in connections.aws.groups}.get(group, frozenset())
    node = LeavingNode(name=name, roles=roles, is_gone=True, announced_s=scene.now_s)
    outcome = removal.remove(connections, node)
    if isinstance(outcome, Wait) or outcome.at_risk:
        return f"{name}: {outcome.reason}"
    add_metric(Metric.PURGED)
    state = scene.instances[names.instance_id(name)].state
    log("purged", node=name, reason=f"its instance is {state}")
    return ""


def complete_termination(connections: Connections, scene: Scene, place: Place) -> str:
    """Handle a termination hook that deregister_node seems to have missed."""
    outcome = removal.remove(connections, _leaving(scene, place))
    asg, hook = place.group.asg, names.HOOK_TERMINATE
    if not isinstance(outcome, Wait):
        removal.complete(place.name, asg, hook, place.instance_id, outcome, missed=True)
        return ""
    auto_scaling.heartbeat(asg, hook, place.instance_id)
    log("waits", node=place.name, reason=outcome.reason, at_risk=outcome.at_risk)
    return f"{place.name}: {outcome.reason}"


def end_retained(connections: Connections, scene: Scene, place: Place) -> str:
    """Remove the node of an instance that Auto Scaling keeps, then end the instance.

    Its end begins another termination with a hook, and deregister_node answers that hook.
    """
    outcome = removal.remove(connections, _leaving(scene, place))
    if isinstance(outcome, Finish):
        ended = auto_scaling.terminate(place.instance_id)
        log("ended", node=place.name, reason=outcome.reason, ended=ended)
        return ""
    log("kept", node=place.name, reason=outcome.reason, at_risk=outcome.at_risk)
    # Only an operator, or the return of the majority, removes the reason to keep it. So the next sweep is
    # soon enough.
    return f"{place.name}: {outcome.reason}" if isinstance(outcome, Wait) else ""


def _leaving(scene: Scene, place: Place) -> LeavingNode:
    instance = scene.instances.get(place.instance_id)
    is_gone = instance is not None and instance.is_gone
    return LeavingNode(name=place.name, roles=place.group.roles, is_gone=is_gone, announced_s=scene.now_s)


def complete_launch(connections: Connections, environment: Environment, place: Place) -> str:
    """Handle a launch hook that has waited for long. register_node handles a hook that is in time."""
    limits = Limits(deadline_s=environment.boot_deadline_s, failed_boots=environment.failed_boots)
    seen = launches.observe(connections, place.group, place.instance_id, time.time(), limits)
    launches.apply(connections, place.group, names.HOOK_LAUNCH, seen, arrival.decide(seen))
    return ""


def record_missing(connections: Connections, plan: Plan) -> str:
    """Record the time since which nodes are missing, for later sweeps."""
    actuator.record_missing(connections, plan.noted)
    for name in plan.noted:
        log("missed", node=name)
    for name in plan.returned:
        actuator.forget_missing(connections, name)
        log("is back", node=name)
    return ""


def mark_unhealthy(missing: Missing) -> str:
    """Have Auto Scaling replace a running node that does not work."""
    if auto_scaling.mark_unhealthy(missing.place.instance_id):
        add_metric(Metric.REPLACED)
        logger.warning("marked unhealthy", extra={"node": missing.place.name, "reason": missing.lack})
    return ""
