"""The term that raft wrote last, out of a file that grows while it is read."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from swarmer.adapters import protobuf
from swarmer.adapters.raft_log import AT_ONCE, RaftLog

ENTRY, STATE = 2, 3


def frame(kind: int, data: bytes) -> bytes:
    """Frame in the format of etcd's encoder."""
    record = protobuf.number(1, kind) + protobuf.number(2, 0xDEADBEEF) + protobuf.text(3, data)
    padding = -len(record) % 8
    length = len(record) | ((0x80 | padding) << 56 if padding else 0)
    return struct.pack("<Q", length) + record + bytes(padding)


def state(term: int, commit: int = 7) -> bytes:
    return frame(STATE, protobuf.number(1, term) + protobuf.number(2, 300) + protobuf.number(3, commit))


def entry(size: int = 100) -> bytes:
    return frame(ENTRY, b"x" * size)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "0000000000000000-0000000000000000.wal"


def test_the_last_state_counts(file: Path) -> None:
    file.write_bytes(state(1) + entry() + state(2) + entry() + bytes(4096))
    assert RaftLog(file.parent).term() == 2


def test_it_reads_on_from_where_it_was(file: Path) -> None:
    written = state(1) + entry()
    file.write_bytes(written + bytes(4096))
    log = RaftLog(file.parent)
    assert log.term() == 1
    file.write_bytes(written + state(4) + bytes(4096))
    assert log.term() == 4
    assert log.term() == 4


def test_a_record_that_is_half_written_is_read_when_it_is_whole(file: Path) -> None:
    written, coming = state(1), state(2)
    file.write_bytes(written + coming[:12])
    log = RaftLog(file.parent)
    assert log.term() == 1
    file.write_bytes(written + coming + bytes(64))
    assert log.term() == 2


def test_a_new_file_begins_with_the_state(file: Path) -> None:
    file.write_bytes(state(1))
    log = RaftLog(file.parent)
    log.term()
    (file.parent / "0000000000000001-0000000000000abc.wal").write_bytes(state(3) + bytes(64))
    assert log.term() == 3


def test_a_manager_that_joined_anew_has_a_new_file_of_the_same_name(file: Path) -> None:
    file.write_bytes(state(9) + entry())
    log = RaftLog(file.parent)
    assert log.term() == 9
    other = file.with_suffix(".tmp")
    other.write_bytes(state(2) + bytes(4096))
    other.rename(file)
    assert log.term() == 2


def test_records_may_be_longer_than_what_is_read_at_once(file: Path) -> None:
    file.write_bytes(state(1) + entry(2 * AT_ONCE) + state(2) + entry(AT_ONCE) + state(3) + bytes(64))
    assert RaftLog(file.parent).term() == 3


@pytest.mark.parametrize("content", [b"", b"no log", b"\xff" * 64, frame(STATE, b"\x0b"), bytes(64)])
def test_what_cannot_be_read_is_no_term(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert RaftLog(file.parent).term() == 0


def test_where_there_is_no_file_there_is_no_term(tmp_path: Path) -> None:
    assert RaftLog(tmp_path).term() == 0
    assert RaftLog(tmp_path / "nowhere").term() == 0
