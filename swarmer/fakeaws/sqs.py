"""Queues, their policies, and Lambda's event source mappings that poll them in batches.

Bare moto invokes the function inside SendMessage with one message per call and a receive count of 1. It makes
a failed message visible at once. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from moto.awslambda.models import LambdaBackend, lambda_backends
from moto.core.common_models import CloudFormationModel
from moto.sqs import models as sqs_models
from moto.sqs import sqs_backends
from moto.sqs.models import Queue

from swarmer.fakeaws.base import clock, journal, wakeup
from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.fakeaws.base.template_resource import Definition, UpdatableResource, Update, wrap_update
from swarmer.fakeaws.iam import authorization

log: Final = logging.getLogger("swarmer.fakeaws")

DEFAULT_CONCURRENCY: Final = 5
"""Number of concurrent batches of a mapping without MaximumConcurrency. AWS starts with five."""
DEFAULT_BATCH_SIZE: Final = 10
"""Default number of messages per batch of a mapping."""
POLLING_ACTIONS: Final = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
"""Actions that the function's role needs so that Lambda can poll."""
MAX_WORKERS: Final = 32
"""Number of threads that process batches."""

create_mapping: Final = LambdaBackend.create_event_source_mapping
add_message: Final = Queue.add_message
delete_message: Final = Queue.delete_message

_running_batches: Final[Counter[str]] = Counter()
"""Number of running batches, by mapping."""
_guard: Final = threading.Lock()
_workers: Final = ThreadPoolExecutor(max_workers=MAX_WORKERS, thread_name_prefix="batch")
run_later: Callable[..., Any] = _workers.submit
"""Executor of a batch. A test replaces it to run the batch at once."""


def extend() -> None:
    LambdaBackend.create_event_source_mapping = _create_mapping
    Queue.add_message = _add_message
    Queue.delete_message = _delete_message
    wrap_update(Queue, _update_queue)
    sqs_models.unix_time = clock.now_s
    sqs_models.unix_time_millis = lambda: clock.now_s() * 1000


def _create_mapping(self: Any, spec: dict[str, Any]) -> Any:
    """Create the mapping but hide it from its queue, because the queue would invoke the function itself."""
    mapping = create_mapping(self, spec)
    for queue in sqs_backends[self.account_id][self.region_name].queues.values():
        queue.lambda_event_source_mappings.clear()
    wakeup.wake()
    return mapping


def _add_message(self: Any, message: Any) -> None:
    add_message(self, message)
    if message.approximate_receive_count:
        detail = {"queue": self.name, "received": message.approximate_receive_count, "body": message.body}
        journal.record_call("sqs", "DeadLetter", detail)
    wakeup.wake()


def _delete_message(self: Any, receipt_handle: str) -> None:
    """Delete under the queue's lock; bare moto has no lock and loses a message that arrives meanwhile."""
    with self._messages_lock:
        delete_message(self, receipt_handle)


def _update_queue(update: Update, original: Any, definition: Definition) -> Any:
    """AWS changes every attribute of a queue; bare moto changes two of them."""
    queue = update(original, definition)
    unchangeable = ("QueueName", "FifoQueue", "Tags")
    queue._set_attributes(
        {key: value for key, value in definition.properties.items() if key not in unchangeable}
    )
    return queue


def tick() -> None:
    """Poll the queue of every mapping, up to the mapping's concurrency."""
    for backend in list(lambda_backends[ACCOUNT].values()):
        for mapping in list(backend._event_source_mappings.values()):
            if mapping.enabled and ":sqs:" in mapping.event_source_arn:
                _poll(mapping)


def _poll(mapping: Any) -> None:
    queues = sqs_backends[mapping.account_id][mapping.region]
    name = mapping.event_source_arn.rpartition(":")[2]
    queue = queues.queues.get(name)
    if queue is None or not _may_poll(mapping):
        return
    most = int((mapping.scaling_config or {}).get("MaximumConcurrency", DEFAULT_CONCURRENCY))
    while _has_room(mapping.uuid, most):
        messages = queues.receive_message(
            name, mapping.batch_size or DEFAULT_BATCH_SIZE, 0, int(queue.visibility_timeout)
        )
        if not messages:
            return
        with _guard:
            _running_batches[mapping.uuid] += 1
        run_later(_process, mapping, name, messages)


def _may_poll(mapping: Any) -> bool:
    """Whether the function's role may poll the queue. A refusal is reported once."""
    function = lambda_backends[mapping.account_id][mapping.region].get_function(mapping.function_arn)
    refused = authorization.first_refusal(
        function.role, *((action, mapping.event_source_arn) for action in POLLING_ACTIONS)
    )
    reported = mapping.__dict__.get("reported")
    if refused and reported != refused:
        mapping.__dict__["reported"] = refused
        message = f"Lambda does not poll {refused.resource}: {refused.because}"
        log.warning("%s: %s", function.function_name, message)
        journal.record_call("lambda", "Failed", {"function": function.function_name, "error": message})
    return refused is None


def _has_room(mapping: str, most: int) -> bool:
    with _guard:
        return _running_batches[mapping] < most


def _process(mapping: Any, queue: str, messages: Sequence[Any]) -> None:
    """Invoke the function and delete the processed messages.

    The rest becomes visible again after the visibility timeout.
    """
    queues = sqs_backends[mapping.account_id][mapping.region]
    try:
        failed = _invoke(mapping, messages)
        for message in messages:
            if message.id not in failed:
                queues.delete_message(queue, message.receipt_handle)
    except Exception:
        log.exception("queue %s: its batch failed", queue)
    finally:
        with _guard:
            _running_batches[mapping.uuid] -= 1
        wakeup.wake()


def _invoke(mapping: Any, messages: Sequence[Any]) -> set[str]:
    """Invoke the function. Returns the IDs of the failed messages."""
    backend = lambda_backends[mapping.account_id][mapping.region]
    function = backend.get_function(mapping.function_arn)
    event = {"Records": [_record(mapping, message) for message in messages]}
    payload, errored, _ = function._invoke_lambda(event)
    everything = {message.id for message in messages}
    failed = everything if errored else failures(payload, everything, mapping.function_response_types or ())
    if failed:
        detail = {"function": function.function_name, "failed": len(failed), "of": len(messages)}
        journal.record_call("lambda", "BatchItemFailures", detail)
    return failed


def failures(payload: Any, sent: set[str], response_types: Iterable[str]) -> set[str]:
    """IDs of the messages that the function reports as failed; all of them if its answer is malformed."""
    if "ReportBatchItemFailures" not in response_types:
        return set()
    try:
        answer = json.loads(payload) if isinstance(payload, str | bytes) else payload
        named = [each["itemIdentifier"] for each in (answer or {}).get("batchItemFailures") or ()]
    except (ValueError, TypeError, KeyError, AttributeError):
        return sent
    return set(named) if all(named) and sent.issuperset(named) else sent


def _record(mapping: Any, message: Any) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.approximate_receive_count),
            "SentTimestamp": str(message.sent_timestamp),
            "SenderId": message.sender_id,
            "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
        },
        "messageAttributes": {},
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": mapping.event_source_arn,
        "awsRegion": mapping.region,
    }


class QueuePolicy(UpdatableResource, CloudFormationModel):  # type: ignore[misc]
    """AWS::SQS::QueuePolicy, stored in its queues; bare moto has no model of the type.

    Without a policy only the account itself may send to a queue.
    """

    TYPE = "AWS::SQS::QueuePolicy"

    def __init__(self, definition: Definition) -> None:
        super().__init__(definition)
        backend = sqs_backends[definition.account][definition.region]
        self._queues = [backend.get_queue(url.rpartition("/")[2]) for url in definition.properties["Queues"]]
        for queue in self._queues:
            queue.policy = json.dumps(definition.properties["PolicyDocument"])

    def update(self, definition: Definition) -> QueuePolicy:
        """Delete the policy of the old queues and set that of the new ones."""
        self.delete(definition.account, definition.region)
        return QueuePolicy(definition)

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete the policy of every queue."""
        for queue in self._queues:
            queue.policy = None
