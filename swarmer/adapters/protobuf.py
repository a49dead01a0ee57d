"""Protocol Buffers' wire format: the part for a few small messages of Swarm's managers."""

from __future__ import annotations

import io
from collections.abc import Iterator


def number(field: int, value: int) -> bytes:
    """Field with an integer."""
    return _varint(field << 3) + _varint(value)


def text(field: int, value: bytes) -> bytes:
    """Field with bytes: a string, or a message."""
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field. Raises ValueError."""
    rest = io.BytesIO(message)
    while rest.tell() < len(message):
        field, kind = divmod(_read_varint(rest), 8)
        if kind == 0:
            yield field, _read_varint(rest)
            continue
        length = {1: 8, 2: 0, 5: 4}.get(kind)
        if length is None:
            raise ValueError("an answer that is not protobuf's")
        yield field, _read(rest, length or _read_varint(rest))


def within(message: bytes, field: int) -> bytes:
    """Message in that field; empty if there is none. Raises ValueError."""
    found = dict(fields(message)).get(field)
    return found if isinstance(found, bytes) else b""


def integer(message: bytes, field: int) -> int:
    """Integer in that field; 0 if there is none. Raises ValueError."""
    found = dict(fields(message)).get(field)
    return found if isinstance(found, int) else 0


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _read_varint(rest: io.BytesIO) -> int:
    found = shift = 0
    while True:
        (byte,) = _read(rest, 1)
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            return found
        shift += 7


def _read(rest: io.BytesIO, length: int) -> bytes:
    found = rest.read(length)
    if len(found) < length:
        raise ValueError("an answer that is cut off")
    return found
