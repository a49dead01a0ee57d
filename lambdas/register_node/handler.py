"""Launch hooks: an instance is admitted when the cluster reports it as a member in its role, or else given
up."""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.register_node.environment import Environment
from lambdas.shared import launches, messages
from lambdas.shared.connections import Connections
from lambdas.shared.environment import read
from lambdas.shared.launches import Limits
from lambdas.shared.messages import RetryLater
from lambdas.shared.telemetry import log, metrics
from swarmer.core.healing import arrival, events, pacing


@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Handle a batch of SQS messages, each with one event; the answer names the messages that stay in the
    queue."""
    environment = read(Environment)
    metrics.set_default_dimensions(cluster=environment.cluster)
    connections = Connections(environment.cluster)
    return messages.process(
        event, context, environment, lambda body: register(connections, environment, body)
    )


def register(connections: Connections, environment: Environment, body: str) -> None:
    """Handle one event. Raises RetryLater while the node has time left to become a member."""
    launch = events.lifecycle(body, launches=True)
    group = connections.aws.group_called(launch.asg)
    if group is None:
        log("ignored: no group of this cluster", asg=launch.asg, instance=launch.instance_id)
        return
    limits = Limits(deadline_s=environment.boot_deadline_s, failed_boots=environment.failed_boots)
    seen = launches.observe(connections, group, launch.instance_id, launch.at_s, limits)
    action = arrival.decide(seen)
    launches.apply(connections, group, launch.hook, seen, action)
    if isinstance(action, arrival.Wait):
        log("waits", node=seen.instance.name, reason=action.reason, held=action.holds)
        raise RetryLater(pacing.pause_s(time.time() - launch.at_s), action.reason)
