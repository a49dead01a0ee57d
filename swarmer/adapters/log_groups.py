"""Log groups of CloudWatch Logs, read. Every failure is `aws.Unavailable`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from swarmer.adapters import aws
from swarmer.adapters.operator import Account

ABSENT: Final = "ResourceNotFoundException"
"""Error code for a log group, or a stream, that is not there yet."""


@dataclass(frozen=True, kw_only=True)
class LogEvent:
    """One entry of a log group."""

    id: str
    time_ms: int
    """Milliseconds since 1970."""
    message: str


def page(account: Account, group: str, stream: str, token: str = "") -> tuple[list[str], str]:
    """Some messages of a stream behind the token, oldest first, and the token behind them.

    An empty token stands before the first message. The same token again says that there is no more for now; a
    page before that may be empty. A stream that is not there yet has no message.
    """
    following = {"nextToken": token} if token else {}
    try:
        with aws.translated():
            found = account.client("logs").get_log_events(
                logGroupName=group, logStreamName=stream, startFromHead=True, **following
            )
    except aws.Refused as exc:
        if exc.code == ABSENT:
            return [], token
        raise
    return [each["message"] for each in found["events"]], found["nextForwardToken"]


def events(account: Account, group: str, *, since_ms: int) -> Iterator[LogEvent]:
    """Entries of all streams of a group from a moment on; none if there is no such group yet."""
    try:
        with aws.translated():
            pages = account.client("logs").get_paginator("filter_log_events")
            for page in pages.paginate(logGroupName=group, startTime=since_ms):
                for each in page["events"]:
                    yield LogEvent(
                        id=each["eventId"],
                        time_ms=int(each["timestamp"]),
                        message=each["message"],
                    )
    except aws.Refused as exc:
        if exc.code != ABSENT:
            raise
