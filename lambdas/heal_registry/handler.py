"""Backstop of the registry: deposes a holder that does not serve, and raises the alarm if there is no
registry."""

from __future__ import annotations

import time
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.heal_registry.environment import Environment
from lambdas.shared import messages
from lambdas.shared.environment import read
from lambdas.shared.messages import Later
from lambdas.shared.sight import Sight, look_at_lease
from lambdas.shared.telemetry import count, logger, metrics, tell, tracer
from swarmer.adapters.consul import Consul, Unavailable
from swarmer.core import names
from swarmer.core.healing import events, registry, world
from swarmer.core.healing.measures import Measure
from swarmer.core.healing.registry import Scene, Suspicion

RETRY_PAUSE_S: Final = 5
"""Pause before a suspected holder is looked at again."""


@metrics.log_metrics
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Handle a batch of SQS messages, each with one event; the answer names the messages that stay in the
    queue."""
    environment = read(Environment)
    metrics.set_default_dimensions(cluster=environment.cluster)
    sight = Sight(environment.cluster)
    return messages.process(event, context, environment, lambda body: heal(sight, body))


def heal(sight: Sight, body: str) -> None:
    """Look at the registry once, whatever the event is. Raises Later while a holder is suspected."""
    at_s = events.parse(body).at_s
    if not sight.groups or world.cluster_ends(sight.groups):
        count(Measure.NO_REGISTRY, 0)
        return
    action = registry.decide(look(sight))
    count(Measure.NO_REGISTRY, not isinstance(action, registry.Healthy))
    match action:
        case registry.Healthy(clear):
            if clear:
                sight.api.delete(names.KV_REGISTRY_SUSPECT)
                tell("the registry's holder serves again")
        case registry.Suspect(lease):
            sight.api.put(names.KV_REGISTRY_SUSPECT, Suspicion(number=lease, since_s=time.time()).to_json())
            tell("the registry's holder does not serve", lease=lease)
            _again(at_s)
        case registry.Wait(reason):
            tell("waits", reason=reason)
            _again(at_s)
        case registry.Depose(holder, lease, session):
            sight.api.destroy_session(session)
            count(Measure.DEPOSED)
            logger.warning("deposed", extra={"node": holder, "lease": lease})
        case registry.Powerless(reason):
            logger.warning("no registry", extra={"reason": reason})


def _again(at_s: float) -> None:
    """Look again soon, unless the next schedule does."""
    if time.time() - at_s < 2 * registry.SUSPECT_GRACE_S:
        raise Later(RETRY_PAUSE_S, "a holder is suspected")


def look(sight: Sight) -> Scene:
    """Return the registry's state as Consul reports it now."""
    now_s, api = time.time(), sight.consul
    try:
        if api is None or not api.leader():
            return Scene(has_leader=False, now_s=now_s)
        note = api.get(names.KV_REGISTRY_SUSPECT)
        return Scene(
            has_leader=True,
            lease=look_at_lease(api),
            serving=_serving(api),
            suspicion=Suspicion.from_json(note.value) if note else None,
            now_s=now_s,
        )
    except Unavailable:
        # Consul knew a leader a moment ago, and none answers now.
        return Scene(has_leader=False, now_s=now_s)


def _serving(api: Consul) -> frozenset[str]:
    return frozenset(each.node for each in api.healthy(names.SERVICE_REGISTRY))
