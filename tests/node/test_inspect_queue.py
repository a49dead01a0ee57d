"""Inspections of containers, against an engine that answers when it is told to."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.inspect_queue import MOST_ASKED, MOST_EARLY, InspectQueue
from swarmer.adapters.engine import Engine, Unavailable
from swarmer.adapters.http import Address


class SlowEngine:
    """Takes questions; answers them one by one, in pieces if asked to."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "docker.sock")
        self.asked: list[socket.socket] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(self.path)
        self._listening.listen(MOST_ASKED)

    def take(self) -> socket.socket:
        """The next connection on which something is asked."""
        connection, _ = self._listening.accept()
        connection.settimeout(5)
        self.asked.append(connection)
        assert connection.recv(65536).startswith(b"GET ")
        return connection

    def is_asked(self) -> bool:
        """Whether a client waits for a new connection."""
        return bool(select.select([self._listening], [], [], 0)[0])

    def close(self) -> None:
        for each in (*self.asked, self._listening):
            each.close()


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[SlowEngine]:
    found = SlowEngine(tmp_path)
    yield found
    found.close()


@pytest.fixture
def queue(slow: SlowEngine) -> Iterator[InspectQueue]:
    found = InspectQueue(Engine(Address(path=slow.path), _api="/v1.41"))
    yield found
    found.clear()
    while found.engine._idle:
        found.engine._idle.pop().close()


def answer(connection: socket.socket, *, runs: bool) -> None:
    body = json.dumps({"Id": "c", "State": {"Running": runs}}).encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def told(queue: InspectQueue) -> list[str]:
    """Containers of which something is told now."""
    return [container for container, _, _ in queue.answers(list(queue.sources()))]


def test_an_inspection_from_before_the_start_is_enough(queue: InspectQueue, slow: SlowEngine) -> None:
    queue.request_early("c")
    waiting = slow.take()
    queue.on_start("c")
    assert told(queue) == []
    answer(waiting, runs=True)
    assert told(queue) == ["c"]
    assert "c" not in queue
    assert not slow.is_asked()


def test_the_answer_may_come_before_the_event(queue: InspectQueue, slow: SlowEngine) -> None:
    queue.request_early("c")
    answer(slow.take(), runs=True)
    assert told(queue) == ["c"]
    queue.on_start("c")
    assert "c" not in queue


def test_an_answer_from_before_the_start_tells_nothing(queue: InspectQueue, slow: SlowEngine) -> None:
    queue.request_early("c")
    waiting = slow.take()
    queue.on_start("c")
    answer(waiting, runs=False)
    assert told(queue) == []
    assert "c" in queue
    # The connection is kept, so the second question comes on it.
    assert waiting.recv(65536).startswith(b"GET ")
    answer(waiting, runs=False)
    assert told(queue) == ["c"]
    queue.request_early("d")
    assert waiting.recv(65536).startswith(b"GET ")
    answer(waiting, runs=False)
    assert told(queue) == []
    queue.on_start("d")
    assert "d" in queue


def test_what_was_asked_before_the_end_counts_no_more(queue: InspectQueue, slow: SlowEngine) -> None:
    queue.request_early("c")
    answer(slow.take(), runs=True)
    queue.discard("c")
    assert told(queue) == []
    queue.on_start("c")
    assert "c" in queue


def test_nobody_waits_for_an_answer_of_which_a_part_is_there(queue: InspectQueue, slow: SlowEngine) -> None:
    queue.request("slow")
    slow.take().sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{")
    queue.request("fast")
    answer(slow.take(), runs=True)
    assert told(queue) == ["fast"]
    slow.asked[0].sendall(b"}")
    assert told(queue) == ["slow"]


def test_those_that_start_leave_room_for_others_and_the_rest_has_its_turn(
    queue: InspectQueue, slow: SlowEngine
) -> None:
    for number in range(MOST_EARLY + 1):
        queue.request_early(f"early{number}")
    assert len(queue) == MOST_EARLY
    for number in range(MOST_ASKED):
        queue.request(f"c{number}")
    assert len(queue.sources()) == MOST_ASKED
    assert len(queue) == MOST_EARLY + MOST_ASKED
    answer(slow.take(), runs=True)
    assert told(queue) == ["early0"]
    assert len(queue.sources()) == MOST_ASKED
    assert f"c{MOST_ASKED - 1}" in queue


def test_an_engine_that_closed_what_was_kept_is_asked_again(queue: InspectQueue, slow: SlowEngine) -> None:
    queue.request("first")
    kept = slow.take()
    answer(kept, runs=True)
    assert told(queue) == ["first"]
    queue.request("c")
    kept.close()
    assert told(queue) == []
    slow.take().close()
    with pytest.raises(Unavailable):
        told(queue)
