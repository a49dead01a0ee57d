"""HTTP/1.1 over one persistent connection: unix socket, TCP or TLS. Every failure is `Unavailable`.

The module is for resident programs that answer within milliseconds. The standard library's client costs 8 MB
of memory, and a third of a millisecond in each call.
"""

from __future__ import annotations

import json
import socket
import weakref
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

LARGEST_HEAD: Final = 65536


class Unavailable(Exception):
    """The server did not answer, or its answer is no HTTP."""


@dataclass(frozen=True)
class Address:
    """Address of a listening server."""

    path: str = ""
    """Path of a unix socket; empty if `host` and `port` count."""
    host: str = ""
    port: int = 0
    tls: Mapping[str, str] | None = None
    """Files for TLS: `ca`, `cert`, `key`, each optional; `insecure` accepts any server. None: plain HTTP."""

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"

    def connect(self, timeout_s: float) -> socket.socket:
        """Connected socket. Raises Unavailable."""
        connection = socket.socket(socket.AF_UNIX) if self.path else None
        try:
            if connection:
                connection.settimeout(timeout_s)
                connection.connect(self.path)
                return connection
            connection = socket.create_connection((self.host, self.port), timeout_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Keepalive lets a waiting connection notice a peer that vanished without closing it.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return connection if self.tls is None else self._wrapped(connection, self.tls)
        except (OSError, ValueError) as exc:
            if connection:
                connection.close()
            raise Unavailable(f"{self}: {exc}") from exc

    def _wrapped(self, connection: socket.socket, files: Mapping[str, str]) -> socket.socket:
        import ssl  # costs 4 MB, so only users of TLS import it

        context = ssl.create_default_context(cafile=files.get("ca") or None)
        if files.get("insecure"):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if files.get("cert"):
            context.load_cert_chain(files["cert"], files.get("key") or None)
        return context.wrap_socket(connection, server_hostname=self.host)


@dataclass(frozen=True)
class Response:
    """Answer of any status."""

    status: int
    headers: Mapping[str, str]
    """Values by lower-case name."""
    body: bytes

    def json(self) -> Any:
        """JSON value of the body; None if the body is empty. Raises Unavailable."""
        try:
            return json.loads(self.body.decode(errors="replace") or "null")
        except (ValueError, RecursionError) as exc:
            raise Unavailable(f"an answer that is no JSON: {self.body[:80]!r}") from exc

    def text(self) -> str:
        """Body as one line."""
        return " ".join(self.body.decode(errors="replace").split())[:300]


@dataclass
class Connection:
    """Connection that is opened when it is needed, and again after the server closed it."""

    address: Address
    timeout_s: float = 10.0
    headers: Mapping[str, str] = field(default_factory=dict)
    _socket: socket.socket | None = None
    _close: Callable[[], object] | None = None
    """Function that closes the socket, also when this connection is garbage."""
    _buffer: bytearray = field(default_factory=bytearray)
    _reading: Generator[None, None, Response] | None = None
    """Generator of an answer whose first bytes have arrived."""

    def request(self, method: str, target: str, body: object = None) -> Response:
        """Send a request that is safe to repeat. `target`: path and query, quoted. Raises Unavailable."""
        was_kept = self._socket is not None
        try:
            self.send(method, target, body)
            return self.receive()
        except Unavailable as exc:
            # A second connection helps only if the server closed the first one meanwhile.
            if not was_kept or isinstance(exc.__cause__, TimeoutError):
                raise
        self.send(method, target, body)
        return self.receive()

    def send(self, method: str, target: str, body: object = None) -> None:
        """Send only the request: `receive` reads its answer. `body`: bytes, or a value for JSON."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.address.host or 'localhost'}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if data or method != "GET":
            lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
        try:
            self._connected().sendall("\r\n".join([*lines, "\r\n"]).encode("latin-1") + data)
        except (OSError, UnicodeError) as exc:
            self.close()
            raise Unavailable(f"{self.address}: {exc}") from exc
        except Unavailable:
            self.close()
            raise

    def receive(self) -> Response:
        """Answer to the sent request. Raises Unavailable."""
        try:
            return self._answer()
        except (OSError, ValueError, IndexError) as exc:
            self.close()
            raise Unavailable(f"{self.address}: {exc}") from exc

    def poll(self) -> Response | None:
        """The whole answer if it has arrived, else None; it does not wait. Raises Unavailable."""
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
        """File descriptor for `select`; -1 while there is no connection."""
        return self._socket.fileno() if self._socket else -1

    def is_cut(self) -> bool:
        """Whether the server ended the connection or sends bytes, while no answer is pending."""
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
        """Close the connection; the next request opens another."""
        if self._close:
            self._close()
        self._socket, self._close, self._buffer, self._reading = None, None, bytearray(), None

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = self.address.connect(self.timeout_s)
            # The garbage collector may finalize the socket first, and then `__del__` would be too late.
            self._close = weakref.finalize(self, self._socket.close)
        return self._socket

    def _answer(self) -> Response:
        """Read an answer; after an interruption the next call continues. Raises OSError, ValueError,
        IndexError."""
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


# The functions below do not refer to their connection. So a connection that is dropped in the middle of an
# answer is freed at once, with its socket.


def _response(buffer: bytearray) -> Generator[None, None, Response]:
    """Parse an answer from the buffer, and remove the bytes that were read. Yields when bytes are missing."""
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
    """Bytes before `end`; both leave the buffer."""
    size = buffer.index(end)
    data = bytes(buffer[:size])
    del buffer[: size + len(end)]
    return data


def is_nothing_there(exc: Exception) -> bool:
    """Whether the error of a non-blocking socket means that nothing can be read yet."""
    # TLS has its own errors for this.
    return isinstance(exc, BlockingIOError) or type(exc).__name__ == "SSLWantReadError"
