"""Raft term of a Swarm manager, from the files of its raft, because no API reports it.

SwarmKit encrypts only entries and snapshots. Format: etcd's wal/encoder.go (frames) and walpb.Record,
raftpb's HardState. The folder's name is SwarmKit's name for this format.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarmer.adapters import protobuf

FOLDER: Final = Path("/var/lib/docker/swarm/raft/wal-v3-encrypted")
HARD_STATE: Final = 3
"""Value of walpb.Record.type for a hard state."""
AT_ONCE: Final = 1 << 20
LARGEST: Final = 1 << 26
"""Maximum bytes of one record: the size of a whole file."""


@dataclass
class RaftLog:
    """Reader that continues at its last position: files only grow, and a new file begins with the state."""

    folder: Path = FOLDER
    _file: tuple[str, int] = ("", 0)
    """Name and inode. After leaving and joining again the name is the same."""
    _offset: int = 0
    _term: int = 0

    def term(self) -> int:
        """Last written term; 0 if it cannot be read. Raises no error."""
        try:
            last = max(path for path in self.folder.iterdir() if path.suffix == ".wal")
            file = last.name, last.stat().st_ino
            if self._file != file:
                self._file, self._offset, self._term = file, 0, 0
            self._read_on(last)
        except (OSError, ValueError):
            self._file, self._offset, self._term = ("", 0), 0, 0
        return self._term

    def _read_on(self, path: Path) -> None:
        with path.open("rb") as file:
            while True:
                file.seek(self._offset)
                head = file.read(8)
                size = _length(head)[0] if len(head) == 8 else 0
                if not 0 < size <= LARGEST:
                    return
                taken = self._take(head + file.read(max(size + 8, AT_ONCE)))
                self._offset += taken
                if not taken:
                    return

    def _take(self, chunk: bytes) -> int:
        """Read the terms of the whole records at the beginning of `chunk`; return their bytes."""
        at = 0
        while at + 8 <= len(chunk):
            size, padding = _length(chunk[at:])
            end = at + 8 + size + padding
            if not size or end > len(chunk):
                break
            record = chunk[at + 8 : at + 8 + size]
            if protobuf.integer(record, 1) == HARD_STATE:
                self._term = protobuf.integer(protobuf.within(record, 3), 1) or self._term
            at = end
        return at


def _length(frame: bytes) -> tuple[int, int]:
    """Number of bytes of the record, and of its padding to eight bytes; 0 if no record is written there
    yet."""
    (field,) = struct.unpack_from("<Q", frame)
    return field & ((1 << 56) - 1), (field >> 56) & 7 if field >> 63 else 0
