"""Writer of one stream of CloudWatch Logs, for a program on a node. Every failure is `aws.Unavailable`."""

from __future__ import annotations

import time
from collections.abc import Sequence

import boto3
import botocore.exceptions

from swarmer.adapters import aws

EXISTS = "ResourceAlreadyExistsException"


class LogStream:
    """Stream of an existing log group."""

    def __init__(self, group: str, name: str, region: str) -> None:
        self._where = {"logGroupName": group, "logStreamName": name}
        self._client = boto3.client("logs", region_name=region, config=aws.SETTINGS)
        self._latest_ms = 0

    def create(self) -> None:
        """Create the stream. An existing stream is from an earlier attempt."""
        with aws.translated():
            try:
                self._client.create_log_stream(**self._where)
            except botocore.exceptions.ClientError as exc:
                if exc.response["Error"]["Code"] != EXISTS:
                    raise

    def put(self, messages: Sequence[str]) -> None:
        """Append messages with the present time. A repeated call may append them twice."""
        # PutLogEvents refuses events in another order than that of their times.
        self._latest_ms = max(self._latest_ms, time.time_ns() // 1_000_000)
        entries = [{"timestamp": self._latest_ms, "message": each} for each in messages]
        with aws.translated():
            answer = self._client.put_log_events(**self._where, logEvents=entries)
        if rejected := answer.get("rejectedLogEventsInfo"):
            raise aws.Refused(f"CloudWatch Logs takes no events of this machine's time: {rejected}")
