"""SQS queue of a function. Every failure is `aws.Unavailable`."""

from __future__ import annotations

from swarmer.adapters import aws


def delay(queue_url: str, receipt: str, seconds: int) -> None:
    """Have a received message delivered again after `seconds` (at most 12 h after its receive)."""
    with aws.translated():
        aws.client("sqs").change_message_visibility(
            QueueUrl=queue_url, ReceiptHandle=receipt, VisibilityTimeout=seconds
        )


def send(queue_url: str, body: str, *, reason: str) -> None:
    """Send a message, with the reason as its attribute."""
    attribute = {"DataType": "String", "StringValue": reason[:1000] or "-"}
    with aws.translated():
        aws.client("sqs").send_message(
            QueueUrl=queue_url, MessageBody=body, MessageAttributes={"reason": attribute}
        )
