"""The loop over a batch of messages: done, again later, failed, or not to be understood.

Later and failed are told as the batch's partial failures, so the message stays; when it comes again says its
visibility time-out, which is set here. Failing into the dead-letter queue is left to what really fails, for a
long time; what can never be understood is put there at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.shared.environment import Environment
from lambdas.shared.telemetry import count, logger
from swarmer.adapters import aws, consul, docker, queue
from swarmer.core.healing import pacing
from swarmer.core.healing.events import Malformed
from swarmer.core.healing.measures import Measure

UNAVAILABLE: Final = (aws.Unavailable, consul.Unavailable, docker.Unavailable)
"""What passes: the network, throttling, a leader's election."""
RESERVE_MS: Final = 20_000
"""A message is not begun with less time than that: it comes again at once. Who waits for both leaders takes
most of it."""


class Later(Exception):
    """The message is to come again after so many seconds."""

    def __init__(self, seconds: int, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds


Handle = Callable[[str], None]
"""Takes a message's body. Raises Later, Malformed or one of UNAVAILABLE."""


def process(
    event: dict[str, Any], context: LambdaContext, environment: Environment, handle: Handle
) -> PartialItemFailureResponse:
    """Handle every message; the answer names those that stay in the queue."""
    count(Measure.MESSAGES, len(event["Records"]))
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)

    def one(record: SQSRecord) -> None:
        if context.get_remaining_time_in_millis() < RESERVE_MS:
            _delay(environment, record, 1)
            raise Later(1, "the function's time is up")
        _handle(environment, record, handle)

    return process_partial_response(event=event, record_handler=one, processor=processor, context=context)


def _handle(environment: Environment, record: SQSRecord, handle: Handle) -> None:
    receives = int(record.attributes.approximate_receive_count or 1)
    try:
        handle(record.body)
    except Later as later:
        _tell_age(record)
        _delay(environment, record, later.seconds)
        raise
    except Malformed as malformed:
        logger.error("malformed", extra={"reason": str(malformed), "body": record.body[:2000]})
        count(Measure.MALFORMED)
        queue.send(environment.dead_letters_url, record.body, reason=str(malformed))
    except UNAVAILABLE as exc:
        logger.warning("will try again", extra={"reason": str(exc), "receives": receives})
        _tell_age(record)
        _delay(environment, record, pacing.retry_s(receives, _age_s(record)))
        raise
    except Exception:
        # The outermost place: a fault of ours must not take the rest of the batch with it.
        logger.exception("failed", extra={"body": record.body[:2000], "receives": receives})
        count(Measure.FAILURES)
        _delay(environment, record, pacing.retry_s(receives, _age_s(record)))
        raise


def _tell_age(record: SQSRecord) -> None:
    count(Measure.WAITED, _age_s(record))


def _age_s(record: SQSRecord) -> float:
    return time.time() - int(record.attributes.sent_timestamp) / 1000


def _delay(environment: Environment, record: SQSRecord, seconds: int) -> None:
    """Where even that fails the queue's own visibility time-out has the message come again."""
    try:
        queue.delay(environment.queue_url, record.receipt_handle, seconds)
    except aws.Unavailable as exc:
        logger.warning("cannot delay", extra={"reason": str(exc)})
