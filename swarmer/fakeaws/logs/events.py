"""Requests about log events, with the filters, pages and limits of AWS.

Bare moto ignores a prefix of streams and every JSON pattern, answers pages of any size, and takes batches of
any size. https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from moto.logs.exceptions import InvalidParameterException, ResourceNotFoundException
from moto.logs.models import LogsBackend
from moto.logs.responses import LogsResponse

from swarmer.fakeaws.logs.filter_pattern import InvalidPattern, matcher

MAX_EVENTS: Final = 10_000
"""Number of events of a page or a batch."""
MAX_PAGE_BYTES: Final = 1_048_576
"""Number of bytes of the messages of a page."""
MAX_BATCH_BYTES: Final = 1_048_576
"""Number of bytes of a batch: of its messages, and EVENT_BYTES for each."""
EVENT_BYTES: Final = 26
MAX_EVENT_BYTES: Final = 1_048_576 - EVENT_BYTES
"""Number of bytes of an event that fits into a batch."""
MAX_SPAN_MS: Final = 24 * 3600 * 1000
"""Time between the first and the last event of a batch."""

put_request: Final = LogsResponse.put_log_events
put_events: Final = LogsBackend.put_log_events
_guard: Final = threading.Lock()

Key = tuple[int, int]
"""Place of an event in its order: its time, and the number that moto gave it."""


def extend() -> None:
    LogsResponse.filter_log_events = _filter_request
    LogsResponse.get_log_events = _get_request
    LogsResponse.put_log_events = _put_request
    LogsBackend.put_log_events = _put_events


def _group(self: Any) -> Any:
    """Log group of the request. Raises ResourceNotFoundException."""
    name = self._get_param("logGroupName") or str(self._get_param("logGroupIdentifier")).rpartition(":")[2]
    if name not in self.logs_backend.groups:
        raise ResourceNotFoundException()
    return self.logs_backend.groups[name]


def _stream(group: Any, name: str) -> Any:
    if name not in group.streams:
        raise ResourceNotFoundException("The specified log stream does not exist.")
    return group.streams[name]


# -- FilterLogEvents --------------------------------------------------------------------


def _filter_request(self: Any) -> str:
    group = _group(self)
    try:
        matches = matcher(self._get_param("filterPattern") or "")
    except InvalidPattern as exc:
        raise InvalidParameterException(str(exc)) from exc
    begin_ms, end_ms = self._get_param("startTime") or 0, self._get_param("endTime")
    found = [
        (stream.log_stream_name, event)
        for stream in _chosen(self, group)
        for event in list(stream.events)
        if event.timestamp >= begin_ms
        and (end_ms is None or event.timestamp <= end_ms)
        and matches(event.message)
    ]
    after = _parsed(self._get_param("nextToken"))
    rest = sorted((each for each in found if _key(each[1]) > after), key=lambda each: _key(each[1]))
    page = rest[: _fitting([event for _, event in rest], self._get_param("limit"))]
    answer: dict[str, Any] = {
        "events": [{**event.to_filter_dict(), "logStreamName": name} for name, event in page],
        "searchedLogStreams": [],
    }
    if len(page) < len(rest):
        answer["nextToken"] = _token(_key(page[-1][1]))
    return json.dumps(answer)


def _chosen(self: Any, group: Any) -> list[Any]:
    """Streams of the request, by name or prefix; all without either."""
    names, prefix = self._get_param("logStreamNames") or [], self._get_param("logStreamNamePrefix")
    if names and prefix:
        raise InvalidParameterException("logStreamNames and logStreamNamePrefix exclude each other")
    if names:
        return [_stream(group, name) for name in names]
    return [stream for name, stream in list(group.streams.items()) if name.startswith(prefix or "")]


# -- GetLogEvents -----------------------------------------------------------------------


def _get_request(self: Any) -> str:
    """AWS answers the given token again at the end of a stream."""
    stream = _stream(_group(self), self._get_param("logStreamName"))
    begin_ms, end_ms = self._get_param("startTime") or 0, self._get_param("endTime")
    events = sorted(
        (
            each
            for each in list(stream.events)
            if each.timestamp >= begin_ms and (end_ms is None or each.timestamp < end_ms)
        ),
        key=_key,
    )
    way, _, place = (self._get_param("nextToken") or "").partition("/")
    if way not in ("", "f", "b"):
        raise InvalidParameterException("The specified nextToken is invalid.")
    from_head = way == "f" or (not way and bool(self._get_param("startFromHead")))
    mark = _parsed(place)
    if way:
        events = [each for each in events if (_key(each) > mark if from_head else _key(each) < mark)]
    size = _fitting(events if from_head else events[::-1], self._get_param("limit"))
    page = events[:size] if from_head else events[len(events) - size :]
    first, last = (_key(page[0]), _key(page[-1])) if page else (mark, mark)
    answer = {
        "events": [each.to_response_dict() for each in page],
        "nextForwardToken": f"f/{_token(last)}",
        "nextBackwardToken": f"b/{_token(first)}",
    }
    return json.dumps(answer)


# -- pages ------------------------------------------------------------------------------


def _key(event: Any) -> Key:
    return int(event.timestamp), int(event.event_id)


def _token(key: Key) -> str:
    return f"{key[0]}.{key[1]}"


def _parsed(token: str | None) -> Key:
    """Place of the token; without a token the place before every event."""
    if not token:
        return (-1, -1)
    try:
        time_ms, number = map(int, token.split("."))
    except ValueError as exc:
        raise InvalidParameterException("The specified nextToken is invalid.") from exc
    return time_ms, number


def _fitting(events: Sequence[Any], limit: int | None) -> int:
    """Number of events, from the first, that fit into a page."""
    size = 0
    for number, event in enumerate(events):
        size += len(event.message.encode())
        if number >= min(int(limit or MAX_EVENTS), MAX_EVENTS) or (number and size > MAX_PAGE_BYTES):
            return number
    return len(events)


# -- PutLogEvents -----------------------------------------------------------------------


def _put_request(self: Any) -> Any:
    _check(self._get_param("logEvents") or ())
    return put_request(self)


def _check(events: Sequence[Mapping[str, Any]]) -> None:
    """Check a batch by AWS's rules for whole batches. Raises InvalidParameterException."""
    sizes = [len(each["message"].encode()) for each in events]
    if not sizes or len(sizes) > MAX_EVENTS:
        raise InvalidParameterException(f"a batch has 1 to {MAX_EVENTS} log events")
    if max(sizes) > MAX_EVENT_BYTES:
        raise InvalidParameterException(
            f"Log event too large: {max(sizes)} bytes exceeds limit of {MAX_EVENT_BYTES}"
        )
    if (size := sum(sizes) + EVENT_BYTES * len(sizes)) > MAX_BATCH_BYTES:
        raise InvalidParameterException(f"Upload too large: {size} bytes exceeds limit of {MAX_BATCH_BYTES}")
    times = [each["timestamp"] for each in events]
    if max(times) - min(times) > MAX_SPAN_MS:
        raise InvalidParameterException(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
        )


def _put_events(self: Any, *args: Any, **more: Any) -> Any:
    """Number the events of one batch at a time, because pages are ordered by these numbers."""
    with _guard:
        return put_events(self, *args, **more)
