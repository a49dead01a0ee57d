"""The stream that a node writes, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from swarmer.adapters import aws as adapter
from swarmer.adapters.log_stream import LogStream
from swarmer.core import remote_output
from swarmer.core.remote_output import LIMIT, OUT, Chunk
from tests.fakeaws.client import Aws

GROUP = "/swarmer/t/exec"


@pytest.fixture
def logs(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Client of CloudWatch Logs, with the log group. Programs find the endpoint in their environment."""
    values = {"AWS_ENDPOINT_URL": aws.server.url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    for key, value in values.items():
        monkeypatch.setenv(key, value)
    client = aws.client("logs")
    client.create_log_group(logGroupName=GROUP)
    yield client


def stream(name: str = "one") -> LogStream:
    return LogStream(GROUP, name, "us-east-1")


def messages(logs: Any, name: str = "one") -> list[str]:
    """All messages of a stream; a page has a megabyte of them."""
    found: list[str] = []
    following: dict[str, str] = {}
    while True:
        page = logs.get_log_events(logGroupName=GROUP, logStreamName=name, startFromHead=True, **following)
        if page["nextForwardToken"] == following.get("nextToken"):
            return found
        following = {"nextToken": page["nextForwardToken"]}
        found += [each["message"] for each in page["events"]]


def test_messages_are_in_the_stream_in_their_order(logs: Any) -> None:
    written = stream()
    written.create()
    written.put(["a", "b"])
    written.put(["c"])
    assert messages(logs) == ["a", "b", "c"]


def test_a_stream_that_exists_is_taken(logs: Any) -> None:
    first, second = stream(), stream()
    first.create()
    second.create()
    second.put(["a"])
    assert messages(logs) == ["a"]


def test_the_largest_request_is_taken(logs: Any) -> None:
    written = stream()
    written.create()
    sent = [remote_output.encode(Chunk(number, OUT, bytes(LIMIT))) for number in range(6)]
    for some in remote_output.batches(sent):
        written.put(some)
    assert messages(logs) == sent


def test_a_group_that_is_not_there_is_one_error(logs: Any) -> None:
    logs.delete_log_group(logGroupName=GROUP)
    with pytest.raises(adapter.Refused, match="log group does not exist"):
        stream().create()
    with pytest.raises(adapter.Refused, match="log group does not exist"):
        stream().put(["a"])
