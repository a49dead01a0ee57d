"""The sweep: observes the whole cluster once for a batch of any number of events."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any, Final

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSEvent, SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.reconcile_cluster import sweep
from lambdas.reconcile_cluster.environment import Environment
from lambdas.shared import messages
from lambdas.shared.aws_state import AwsState
from lambdas.shared.connections import ELECTION_TIMEOUT_S, Connections
from lambdas.shared.environment import read
from lambdas.shared.messages import RetryLater
from lambdas.shared.telemetry import log, metrics
from swarmer.adapters import instances
from swarmer.core import names
from swarmer.core.healing import events, pacing
from swarmer.core.healing.events import Changed, Malformed

ELECTION_GRACE_S: Final = 8.0
"""Grace period for an election of the Swarm before the sweep waits for it. A Swarm without leader has a new
one by then, or needs some 10 s more."""
BRIEF_TIMEOUT_S: Final = 2.0
"""Timeout for Swarm's answer within ELECTION_GRACE_S."""


@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Handle a batch of SQS messages, each with one event; the answer names the messages that stay in the
    queue."""
    environment = read(Environment)
    metrics.set_default_dimensions(cluster=environment.cluster)
    records = tuple(SQSEvent(event).records)
    connections = Connections(environment.cluster, swarm_timeout_s=swarm_timeout_s(records))

    @cache
    def sweep_once() -> str:
        """Sweep once in this invocation; return the reason to wait. Each message retries a failed sweep."""
        reported_ids = frozenset(changed_instances(record.body for record in records))
        return sweep.sweep(connections, environment, reported_ids, context.get_remaining_time_in_millis)

    def reconcile(body: str) -> None:
        happened = events.parse(body)
        if isinstance(happened, Changed) and not belongs_to_cluster(connections.aws, happened):
            log("ignored: not of this cluster", instance=happened.instance_id, what=happened.what)
            return
        waiting = sweep_once()
        if waiting and time.time() - happened.at_s < pacing.SWEEP_TIMEOUT_S:
            # The schedule repeats by itself. Only a message about a loss is urgent.
            is_loss = isinstance(happened, Changed)
            pause_s = pacing.SWEEP_RETRY_PAUSE_S if is_loss else pacing.SCHEDULED_SWEEP_PAUSE_S
            raise RetryLater(pause_s, waiting)

    return messages.process(event, context, environment, reconcile)


def swarm_timeout_s(records: Iterable[SQSRecord]) -> float:
    """Return the timeout for Swarm's answer in seconds.

    While Swarm cannot have a new leader yet, the sweep does only Consul's part.
    """
    sent_s = min(int(record.attributes.sent_timestamp) / 1000 for record in records)
    return ELECTION_TIMEOUT_S if time.time() - sent_s > ELECTION_GRACE_S else BRIEF_TIMEOUT_S


def changed_instances(bodies: Iterable[str]) -> Iterator[str]:
    """Yield the instances of the batch's events. Consul and Swarm may list them as healthy for some
    seconds."""
    for body in bodies:
        with suppress(Malformed):
            happened = events.parse(body)
            if isinstance(happened, Changed) and happened.instance_id:
                yield happened.instance_id


def belongs_to_cluster(aws_state: AwsState, happened: Changed) -> bool:
    """Whether the instance belongs to this cluster: EC2 reports every instance of the account.

    An instance that EC2 no longer knows may have been one of this cluster.
    """
    if happened.asg:
        return happened.asg.startswith(names.group_prefix(aws_state.cluster))
    if any(happened.instance_id in group.members for group in aws_state.groups):
        return True
    tags = instances.tags(happened.instance_id)
    return tags is None or tags.get(names.TAG_CLUSTER) == aws_state.cluster
