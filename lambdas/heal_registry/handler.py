"""Backstop of the registry: deposes a holder that does not serve, and raises the alarm if there is no
registry."""

from __future__ import annotations

import time
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.heal_registry.environment import Environment
from lambdas.shared import consul_state, messages
from lambdas.shared.connections import Connections
from lambdas.shared.environment import read
from lambdas.shared.messages import RetryLater
from lambdas.shared.telemetry import add_metric, log, logger, metrics
from swarmer.adapters.consul import Consul, Unavailable
from swarmer.core import names
from swarmer.core.healing import events, registry, world
from swarmer.core.healing.metrics import Metric
from swarmer.core.healing.registry import Scene, Suspicion

RETRY_PAUSE_S: Final = 5
"""Pause before a suspected holder is observed again."""


@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Handle a batch of SQS messages, each with one event; the answer names the messages that stay in the
    queue."""
    environment = read(Environment)
    metrics.set_default_dimensions(cluster=environment.cluster)
    connections = Connections(environment.cluster)
    return messages.process(event, context, environment, lambda body: heal(connections, body))


def heal(connections: Connections, body: str) -> None:
    """Observe the registry once, whatever the event is. Raises RetryLater while a holder is suspected."""
    at_s = events.parse(body).at_s
    if not connections.aws.groups or world.cluster_ends(connections.aws.groups):
        add_metric(Metric.NO_REGISTRY, 0)
        return
    action = registry.decide(observe(connections))
    add_metric(Metric.NO_REGISTRY, not isinstance(action, registry.Healthy))
    apply(connections, action)
    # A suspicion that is older is left to the next schedule.
    is_suspected = isinstance(action, registry.Suspect | registry.Wait)
    if is_suspected and time.time() - at_s < 2 * registry.SUSPECT_GRACE_S:
        raise RetryLater(RETRY_PAUSE_S, "a holder is suspected")


def observe(connections: Connections) -> Scene:
    """Return the registry's state as Consul reports it now. Raises aws.Unavailable."""
    now_s, api = time.time(), connections.consul
    try:
        if api is None or not api.leader():
            return Scene(has_leader=False, now_s=now_s)
        suspicion = api.get(names.KV_REGISTRY_SUSPECT)
        return Scene(
            has_leader=True,
            lease=consul_state.registry_lock(api),
            serving=_serving(api),
            suspicion=Suspicion.from_json(suspicion.value) if suspicion else None,
            now_s=now_s,
        )
    except Unavailable:
        # Consul knew a leader a moment ago, and none answers now.
        return Scene(has_leader=False, now_s=now_s)


def _serving(api: Consul) -> frozenset[str]:
    return frozenset(each.node for each in api.healthy(names.SERVICE_REGISTRY))


def apply(connections: Connections, action: registry.Action) -> None:
    """Take the step. Raises consul.Unavailable, aws.Unavailable."""
    match action:
        case registry.Healthy(clear):
            if clear:
                connections.require_consul().delete(names.KV_REGISTRY_SUSPECT)
                log("the registry's holder serves again")
        case registry.Suspect(lease):
            suspicion = Suspicion(number=lease, since_s=time.time())
            connections.require_consul().put(names.KV_REGISTRY_SUSPECT, suspicion.to_json())
            log("the registry's holder does not serve", lease=lease)
        case registry.Wait(reason):
            log("waits", reason=reason)
        case registry.Depose(holder, lease, session):
            connections.require_consul().destroy_session(session)
            add_metric(Metric.REVOKED)
            logger.warning("lease revoked", extra={"node": holder, "lease": lease})
        case registry.Powerless(reason):
            logger.warning("no registry", extra={"reason": reason})
