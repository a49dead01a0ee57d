"""Output of a command as events: nothing is lost, added or mixed up on the way."""

from __future__ import annotations

import json
import random

import pytest

from swarmer.core import remote_output
from swarmer.core.remote_output import ERR, LIMIT, OUT, Chunk, End, Event, Receiver


def test_an_event_is_read_as_it_was_written() -> None:
    for event in (Chunk(0, OUT, b"\x00\xff\n"), Chunk(7, ERR, b""), End(8, 0), End(9, None, 'no "words"\n')):
        assert remote_output.decode(remote_output.encode(event)) == event


def test_the_messages_are_those_of_the_contract() -> None:
    assert json.loads(remote_output.encode(Chunk(3, OUT, b"hi"))) == {"n": 3, "s": "out", "d": "aGk="}
    assert json.loads(remote_output.encode(End(4, 2))) == {"n": 4, "exit": 2}
    assert json.loads(remote_output.encode(End(4, None, "gone"))) == {"n": 4, "error": "gone"}


@pytest.mark.parametrize(
    "message",
    [
        *("", "{}", "[]", "1", '{"n": 0}', '{"n": "a", "exit": 0}', '{"n": 0, "d": "aGk="}'),
        *('{"n": 0, "s": "in", "d": "aGk="}', '{"n": 0, "s": "out", "d": "?"}', '{"n": 0, "exit": null}'),
    ],
)
def test_another_message_is_refused(message: str) -> None:
    with pytest.raises(ValueError):
        remote_output.decode(message)


def test_pieces_of_one_stream_become_one_chunk() -> None:
    pieces = [(OUT, b"a"), (OUT, b"b"), (ERR, b"c"), (OUT, b"d")]
    assert remote_output.chunks(pieces, 5) == [Chunk(5, OUT, b"ab"), Chunk(6, ERR, b"c"), Chunk(7, OUT, b"d")]


def test_a_long_piece_is_cut_and_stays_whole() -> None:
    data = random.Random(1).randbytes(2 * LIMIT + 1)
    found = remote_output.chunks([(OUT, data)], 0)
    assert [len(each.data) for each in found] == [LIMIT, LIMIT, 1]
    assert b"".join(each.data for each in found) == data


def test_the_longest_message_fits_into_an_event() -> None:
    longest = remote_output.encode(Chunk(10**9, OUT, bytes(LIMIT)))
    assert len(longest) + remote_output.MESSAGE_OVERHEAD <= 256 * 1024


def test_requests_stay_within_their_limits_and_keep_the_order() -> None:
    messages = [f"{number:0{size}}" for number, size in enumerate([600_000, 600_000, 1] + [9] * 25_000)]
    batches = list(remote_output.batches(messages))
    assert [each for batch in batches for each in batch] == messages
    assert len(batches) == 4
    for batch in batches:
        assert len(batch) <= remote_output.MOST_MESSAGES
        size = sum(len(each) + remote_output.MESSAGE_OVERHEAD for each in batch)
        assert size <= remote_output.MOST_BYTES


def test_a_request_is_not_empty() -> None:
    assert list(remote_output.batches([])) == []


def test_events_in_any_order_come_out_in_theirs() -> None:
    events: list[Event] = [*(Chunk(number, OUT, bytes([number])) for number in range(50)), End(50, 0)]
    messages = [remote_output.encode(each) for each in events] * 2
    random.Random(2).shuffle(messages)
    receiver = Receiver()
    found = [event for begin in range(0, 102, 7) for event in receiver.take(messages[begin : begin + 7])]
    assert found == events
    assert not receiver.has_gap


def test_a_gap_holds_back_what_follows() -> None:
    receiver = Receiver()
    chunks = (Chunk(0, OUT, b"a"), Chunk(1, OUT, b"b"))
    first, second = map(remote_output.encode, chunks)
    end = remote_output.encode(End(2, 0))
    assert list(receiver.take([first, end])) == [Chunk(0, OUT, b"a")]
    assert receiver.has_gap
    assert list(receiver.take([second])) == [Chunk(1, OUT, b"b"), End(2, 0)]
    assert not receiver.has_gap
