"""Termination hooks: a node is removed in order, whatever its state, and its hook is always answered."""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.deregister_node.environment import Environment
from lambdas.shared import messages, removal
from lambdas.shared.connections import Connections
from lambdas.shared.environment import read
from lambdas.shared.messages import RetryLater
from lambdas.shared.removal import LeavingNode
from lambdas.shared.telemetry import add_metric, log, metrics
from swarmer.adapters import auto_scaling
from swarmer.core import names
from swarmer.core.healing import departure, events, pacing
from swarmer.core.healing.events import Lifecycle
from swarmer.core.healing.metrics import Metric
from swarmer.core.healing.steps import Finish, Keep, Outcome, Wait
from swarmer.core.healing.world import DEPARTING


@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Handle a batch of SQS messages, each with one event; the answer names the messages that stay in the
    queue."""
    environment = read(Environment)
    metrics.set_default_dimensions(cluster=environment.cluster)
    add_metric(Metric.QUORUM_AT_RISK, 0)
    connections = Connections(environment.cluster)
    return messages.process(event, context, environment, lambda body: deregister(connections, body))


def deregister(connections: Connections, body: str) -> None:
    """Handle one event. Raises RetryLater while the removal has to wait."""
    end = events.lifecycle(body, launches=False)
    group = connections.aws.group_called(end.asg)
    if group is None:
        log("ignored: no group of this cluster", asg=end.asg, instance=end.instance_id)
        return
    name = names.node_name(group.name, end.instance_id)
    member = group.members.get(end.instance_id)
    instance = connections.aws.instance(group, end.instance_id)
    is_open = member is not None and member.lifecycle in DEPARTING
    if not is_open and not instance.is_gone:
        # The event is late: the instance went back into service, or left its group for good.
        reason = f"its hook is closed: it is {member.lifecycle if member else 'in no group'}"
        log("ignored", node=name, reason=reason)
        return
    node = LeavingNode(name=name, roles=group.roles, is_gone=instance.is_gone, announced_s=end.at_s)
    complete_or_wait(end, name, remove_or_hold(connections, end, node, is_open=is_open))


def remove_or_hold(connections: Connections, end: Lifecycle, node: LeavingNode, *, is_open: bool) -> Outcome:
    """Remove the node. If that fails, hold its hook while it is open, and raise what the adapters raise.

    After the time limit a node is given up. A node that may vote is kept for the sweep.
    """
    try:
        return removal.remove(connections, node)
    except messages.UNAVAILABLE:
        connections.forget()
        if time.time() - end.at_s >= departure.DEPARTURE_TIMEOUT_S:
            reason = "Consul and Swarm were unreachable for the whole time limit"
            return Keep(reason) if node.votes and not node.is_gone else Finish(reason, at_risk=True)
        if is_open and not node.is_gone:
            # Failed tries are further apart than pauses. Two in a row would end the hook without this
            # heartbeat.
            auto_scaling.heartbeat(end.asg, end.hook, end.instance_id)
        raise


def complete_or_wait(end: Lifecycle, name: str, outcome: Outcome) -> None:
    """Complete the lifecycle action, or hold it and retry. Raises RetryLater."""
    if outcome.at_risk:
        add_metric(Metric.QUORUM_AT_RISK)
    if isinstance(outcome, Wait):
        held = auto_scaling.heartbeat(end.asg, end.hook, end.instance_id)
        log("waits", node=name, reason=outcome.reason, held=held, at_risk=outcome.at_risk)
        raise RetryLater(pacing.pause_s(time.time() - end.at_s), outcome.reason)
    removal.complete(name, end.asg, end.hook, end.instance_id, outcome)
