"""Reader of log groups of CloudWatch Logs. Every failure is `aws.Unavailable`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from swarmer.adapters import aws
from swarmer.adapters.operator import Account

ABSENT: Final = "ResourceNotFoundException"
"""Error code for a log group, or a stream, that does not exist yet."""


@dataclass(frozen=True, kw_only=True)
class LogEvent:
    """One entry of a log group."""

    id: str
    time_ms: int
    """Milliseconds since 1970."""
    message: str


def page(account: Account, group: str, stream: str, token: str = "") -> tuple[list[str], str]:
    """Some messages of a stream after the token, oldest first, and the token after them.

    An empty token is the position before the first message. If the returned token equals the given one, there
    are no more messages for now; earlier pages may be empty, too. A missing stream has no message.
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
    """Entries of all streams of a group since a moment; none if the group does not exist yet."""
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
