"""Loop over a batch of messages: each is done, retried later, failed or malformed.

Retried and failed messages are reported as the batch's partial failures, so they stay in the queue. This
module sets the visibility time-out: the time until they are received again. SQS moves messages that fail for
a long time to the dead-letter queue. Malformed messages are sent there at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSEvent, SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.shared.environment import Environment
from lambdas.shared.telemetry import add_metric, logger
from swarmer.adapters import aws, consul, docker, queue
from swarmer.core.healing import pacing
from swarmer.core.healing.events import Malformed
from swarmer.core.healing.metrics import Metric

UNAVAILABLE: Final = (aws.Unavailable, consul.Unavailable, docker.Unavailable)
"""Errors with passing causes: the network, throttling, a leader's election."""
RESERVE_MS: Final = 20_000
"""Time, in milliseconds, that a function needs to begin a message. With less, it leaves the message to its
next invocation. Waiting for both leaders takes most of it."""


class RetryLater(Exception):
    """The message must be received again after `seconds`."""

    def __init__(self, seconds: int, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds


Handle = Callable[[str], None]
"""Type of a function that takes a message's body. It raises RetryLater, Malformed or one of UNAVAILABLE."""


def process(
    event: dict[str, Any], context: LambdaContext, environment: Environment, handle: Handle
) -> PartialItemFailureResponse:
    """Handle every message; the answer names the messages that stay in the queue."""
    add_metric(Metric.MESSAGES, len(list(SQSEvent(event).records)))
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)

    def one(record: SQSRecord) -> None:
        if context.get_remaining_time_in_millis() < RESERVE_MS:
            _delay(environment, record, 1)
            raise RetryLater(1, "the function's time is up")
        _handle(environment, record, handle)

    return process_partial_response(event=event, record_handler=one, processor=processor, context=context)


def _handle(environment: Environment, record: SQSRecord, handle: Handle) -> None:
    receives = int(record.attributes.approximate_receive_count or 1)
    try:
        handle(record.body)
    except RetryLater as retry:
        _add_age_metric(record)
        _delay(environment, record, retry.seconds)
        raise
    except Malformed as malformed:
        logger.error("malformed", extra={"reason": str(malformed), "body": record.body[:2000]})
        add_metric(Metric.MALFORMED)
        queue.send(environment.dead_letters_url, record.body, reason=str(malformed))
    except UNAVAILABLE as exc:
        logger.warning("will try again", extra={"reason": str(exc), "receives": receives})
        _add_age_metric(record)
        _delay(environment, record, pacing.retry_s(receives, _age_s(record)))
        raise
    except Exception:
        # This is the outermost place. A bug in this code must not fail the rest of the batch.
        logger.exception("failed", extra={"body": record.body[:2000], "receives": receives})
        add_metric(Metric.FAILURES)
        _delay(environment, record, pacing.retry_s(receives, _age_s(record)))
        raise


def _add_age_metric(record: SQSRecord) -> None:
    add_metric(Metric.WAITED, _age_s(record))


def _age_s(record: SQSRecord) -> float:
    return time.time() - int(record.attributes.sent_timestamp) / 1000


def _delay(environment: Environment, record: SQSRecord, seconds: int) -> None:
    """Set the message's delay. If that fails, the queue's own visibility time-out applies."""
    try:
        queue.delay(environment.queue_url, record.receipt_handle, seconds)
    except aws.Unavailable as exc:
        logger.warning("cannot delay", extra={"reason": str(exc)})
