"""HTTP/1.1 over one connection that is kept: unix socket, TCP or TLS. Every failure is `Unavailable`.

For programs that stay resident and answer within milliseconds: the standard library's client costs 8 MB of
memory and a third of a millisecond of each call for what is not needed here.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

LARGEST_HEAD: Final = 65536


class Unavailable(Exception):
    """Nobody answered, or not in HTTP."""


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    path: str = ""
    """Of a unix socket; or `host` and `port`."""
    host: str = ""
    port: int = 0
    tls: Mapping[str, str] | None = None
    """None: plain. Else files: `ca`, `cert`, `key`, as far as there are; `insecure`: whoever answers."""

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"

    def connect(self, timeout_s: float) -> socket.socket:
        """A connected socket. Raises Unavailable."""
        connection = socket.socket(socket.AF_UNIX) if self.path else None
        try:
            if connection:
                connection.settimeout(timeout_s)
                connection.connect(self.path)
                return connection
            connection = socket.create_connection((self.host, self.port), timeout_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A peer that vanished without a word is noticed by a connection that only waits.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return connection if self.tls is None else self._wrapped(connection, self.tls)
        except (OSError, ValueError) as exc:
            if connection:
                connection.close()
            raise Unavailable(f"{self}: {exc}") from exc

    def _wrapped(self, connection: socket.socket, files: Mapping[str, str]) -> socket.socket:
        import ssl  # 4 MB that only those pay who use TLS

        context = ssl.create_default_context(cafile=files.get("ca") or None)
        if files.get("insecure"):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if files.get("cert"):
            context.load_cert_chain(files["cert"], files.get("key") or None)
        return context.wrap_socket(connection, server_hostname=self.host)


@dataclass(frozen=True)
class Response:
    """An answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes

    def json(self) -> Any:
        """The body's value; None where it is empty. Raises Unavailable."""
        try:
            return json.loads(self.body.decode(errors="replace") or "null")
        except (ValueError, RecursionError) as exc:
            raise Unavailable(f"an answer that is no JSON: {self.body[:80]!r}") from exc

    def text(self) -> str:
        """The body as one line."""
        return " ".join(self.body.decode(errors="replace").split())[:300]


@dataclass
class Connection:
    """One connection, opened when it is needed and again where the server closed it meanwhile."""

    address: Address
    timeout_s: float = 10.0
    headers: Mapping[str, str] = field(default_factory=dict)
    _socket: socket.socket | None = None
    _buffer: bytearray = field(default_factory=bytearray)
    _reading: Generator[None, None, Response] | None = None
    """The answer that has begun to come."""

    def request(self, method: str, target: str, body: object = None) -> Response:
        """`target` is path and query, quoted. Only what may be asked twice. Raises Unavailable."""
        was_kept = self._socket is not None
        try:
            self.send(method, target, body)
            return self.receive()
        except Unavailable as exc:
            # Only a connection that the server closed meanwhile is worth another one.
            if not was_kept or isinstance(exc.__cause__, TimeoutError):
                raise
        self.send(method, target, body)
        return self.receive()

    def send(self, method: str, target: str, body: object = None) -> None:
        """The question alone: `receive` is its answer. `body`: bytes, or a value of JSON."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.address.host or 'localhost'}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if data or method != "GET":
            lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
        try:
            self._socket = self._socket or self.address.connect(self.timeout_s)
            self._socket.sendall("\r\n".join([*lines, "\r\n"]).encode("latin-1") + data)
        except (OSError, UnicodeError) as exc:
            self.close()
            raise Unavailable(f"{self.address}: {exc}") from exc
        except Unavailable:
            self.close()
            raise

    def receive(self) -> Response:
        """The answer to what was sent. Raises Unavailable."""
        try:
            return self._answer()
        except (OSError, ValueError, IndexError) as exc:
            self.close()
            raise Unavailable(f"{self.address}: {exc}") from exc

    def poll(self) -> Response | None:
        """The answer once all of it is there, None until then: does not wait. Raises Unavailable."""
        if self._socket:
            self._socket.setblocking(False)
        try:
            response = self._answer()
        except (OSError, ValueError, IndexError) as exc:
            if is_nothing_there(exc):
                return None
            self.close()
            raise Unavailable(f"{self.address}: {exc}") from exc
        finally:
            if self._socket:
                self._socket.settimeout(self.timeout_s)
        return response

    def fileno(self) -> int:
        """To be selected on; -1 while there is no connection."""
        return self._socket.fileno() if self._socket else -1

    def is_cut(self) -> bool:
        """Whether the server ended it, or speaks unasked; for a connection on which no answer is due."""
        if self._socket is None:
            return False
        try:
            self._socket.setblocking(False)
            self._socket.recv(1)
        except OSError as exc:
            if is_nothing_there(exc):
                self._socket.settimeout(self.timeout_s)
                return False
        self.close()
        return True

    def close(self) -> None:
        """The next request opens it anew."""
        if self._socket:
            self._socket.close()
        self._socket, self._buffer, self._reading = None, bytearray(), None

    def __del__(self) -> None:
        self.close()

    def _answer(self) -> Response:
        """Goes on where it was interrupted. Raises OSError, ValueError, IndexError."""
        self._reading = self._reading or _response(self._buffer)
        try:
            while True:
                next(self._reading)
                self._buffer += self._read()
        except StopIteration as end:
            self._reading = None
            response: Response = end.value
        if response.headers.get("connection", "").lower() == "close":
            self.close()
        return response

    def _read(self) -> bytes:
        data = self._socket.recv(262144) if self._socket else b""
        if not data:
            raise OSError("the connection ended")
        return data


# Nothing below knows its connection: one forgotten in the middle of an answer goes at once, with its socket.


def _response(buffer: bytearray) -> Generator[None, None, Response]:
    """Yields when the buffer, from which it takes what it has read, is short of bytes."""
    while b"\r\n\r\n" not in buffer:
        if len(buffer) > LARGEST_HEAD:
            raise ValueError("an endless head")
        yield
    first, *lines = _taken(buffer, b"\r\n\r\n").decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/1."):
        raise ValueError(f"no HTTP: {first[:40]!r}")
    status, pairs = int(first.split()[1]), (line.partition(":")[::2] for line in lines)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    return Response(status, headers, (yield from _body(buffer, status, headers)))


def _body(buffer: bytearray, status: int, headers: Mapping[str, str]) -> Generator[None, None, bytes]:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        chunks = []
        while chunk := (yield from _chunk(buffer)):
            chunks.append(chunk)
        return b"".join(chunks)
    if status in (204, 304):
        return b""
    if "content-length" in headers:
        return (yield from _exactly(buffer, int(headers["content-length"])))
    raise ValueError("an answer of unknown length")


def _chunk(buffer: bytearray) -> Generator[None, None, bytes]:
    while b"\r\n" not in buffer:
        yield
    data = yield from _exactly(buffer, int(_taken(buffer, b"\r\n").partition(b";")[0], 16) + 2)
    return data[:-2]


def _exactly(buffer: bytearray, size: int) -> Generator[None, None, bytes]:
    while len(buffer) < size:
        yield
    data = bytes(buffer[:size])
    del buffer[:size]
    return data


def _taken(buffer: bytearray, end: bytes) -> bytes:
    """What comes before `end`, which goes with it."""
    size = buffer.index(end)
    data = bytes(buffer[:size])
    del buffer[: size + len(end)]
    return data


def is_nothing_there(exc: Exception) -> bool:
    """Whether a socket that does not wait said that there is nothing to read yet."""
    # TLS has a way of its own to say so.
    return isinstance(exc, BlockingIOError) or type(exc).__name__ == "SSLWantReadError"
