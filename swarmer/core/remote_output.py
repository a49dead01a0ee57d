"""Output of a command on a node as log events, in the order of their numbers. Pure.

Run Command's own result is short, and every user who may list invocations can read it. So the output goes to
a log group. The message of each event is one JSON object:

    {"n": number from 0, "s": "out" or "err", "d": bytes in base64}
    {"n": number, "exit": status}      the last one of a command that ended
    {"n": number, "error": reason}     the last one of a command that could not be run to its end

Standard library only: it runs on nodes.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Final

OUT: Final = "out"
ERR: Final = "err"
"""Names of the two streams."""
LIMIT: Final = 180_000
"""Maximum number of bytes of output in one event, so that its message stays below 256 KiB."""
MOST_MESSAGES: Final = 10_000
MOST_BYTES: Final = 1_048_576
"""Limits of one request to append events. Each message counts MESSAGE_OVERHEAD more than its bytes.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html"""
MESSAGE_OVERHEAD: Final = 26


@dataclass(frozen=True)
class Chunk:
    """A piece of output."""

    number: int
    stream: str
    """OUT or ERR."""
    data: bytes


@dataclass(frozen=True)
class End:
    """End of a command."""

    number: int
    status: int | None
    """Exit status; None if the command was not run to its end."""
    error: str = ""
    """Reason for that, for the operator."""


Event = Chunk | End


def chunks(pieces: Iterable[tuple[str, bytes]], first: int) -> list[Chunk]:
    """Join neighbouring pieces of a stream, and cut them into chunks, numbered from `first`."""
    joined = (
        (stream, b"".join(data for _, data in some)) for stream, some in groupby(pieces, key=itemgetter(0))
    )
    cut = (
        (stream, data[begin : begin + LIMIT])
        for stream, data in joined
        for begin in range(0, len(data), LIMIT)
    )
    return [Chunk(number, stream, data) for number, (stream, data) in enumerate(cut, first)]


def batches(messages: Iterable[str]) -> Iterator[list[str]]:
    """Divide messages among requests."""
    batch, size = list[str](), 0
    for message in messages:
        more = len(message.encode()) + MESSAGE_OVERHEAD
        if batch and (size + more > MOST_BYTES or len(batch) == MOST_MESSAGES):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += more
    if batch:
        yield batch


def encode(event: Event) -> str:
    """Write the message of an event."""
    if isinstance(event, Chunk):
        data = base64.b64encode(event.data).decode()
        return json.dumps({"n": event.number, "s": event.stream, "d": data}, separators=(",", ":"))
    if event.status is None:
        return json.dumps({"n": event.number, "error": event.error})
    return json.dumps({"n": event.number, "exit": event.status})


def decode(message: str) -> Event:
    """Read the message of an event. Raises ValueError if it is none."""
    try:
        found = json.loads(message)
        number = int(found["n"])
        if "d" in found:
            return Chunk(number, _stream(found["s"]), base64.b64decode(found["d"], validate=True))
        if "error" in found:
            return End(number, None, str(found["error"]))
        return End(number, int(found["exit"]))
    except (KeyError, TypeError, binascii.Error) as exc:
        raise ValueError(f"not an event of a command: {exc!r}") from exc


def _stream(name: str) -> str:
    if name not in (OUT, ERR):
        raise ValueError(f"not an event of a command: {name!r} is no stream")
    return name


@dataclass
class Receiver:
    """Receiver of a command's events. They may come late, twice and in any order."""

    _next: int = 0
    _early: dict[int, Event] = field(default_factory=dict)

    @property
    def has_gap(self) -> bool:
        """Whether an event is missing before one that was received."""
        return bool(self._early)

    def take(self, messages: Iterable[str]) -> Iterator[Event]:
        """Add messages, and yield the events that are next. Raises ValueError."""
        for event in map(decode, messages):
            if event.number >= self._next:
                self._early[event.number] = event
        while self._next in self._early:
            self._next += 1
            yield self._early.pop(self._next - 1)
