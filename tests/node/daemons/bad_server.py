"""Servers that do not do what they should."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextlib.contextmanager
def answering(*answers: bytes, hangs: bool = False) -> Iterator[int]:
    """A port where each request gets the next of `answers`, the last one again and again.

    `hangs`: the connection then stays open, and silent.
    """
    held: list[socket.socket] = []
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()

        def serve() -> None:
            remaining = list(answers)
            while True:
                connection, _ = listener.accept()
                held.append(connection)
                if over.is_set():
                    return
                with contextlib.suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(remaining[0])
                    if not (hangs and len(remaining) == 1):
                        connection.close()
                if len(remaining) > 1:
                    del remaining[0]

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield address[1]
        finally:
            over.set()
            socket.create_connection(address).close()
            thread.join()
            for connection in held:
                connection.close()


def nobody() -> int:
    """A port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
