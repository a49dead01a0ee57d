"""Listening sockets, bound before the slow import of moto."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import Final

from swarmer.fakeaws.base.errors import ListenError

IP_FREEBIND: Final = 15
"""Number of Linux's option to bind an address before it exists (ip(7)); Python 3.11 has no name for it."""
BACKLOG: Final = 128
"""Number of connections that wait until the server accepts them."""


@dataclass(frozen=True)
class Address:
    """Host and TCP port to listen at."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Parse `host:port`. Raises ListenError."""
        host, _, port = text.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise ListenError(f"{text!r} is no address to listen at; right would be 127.0.0.1:4566")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def bind(address: Address) -> socket.socket:
    """Bind a listening socket. Clients may connect at once and wait. Raises ListenError.

    The address need not exist yet: a Docker network may create it later.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    try:
        bound.bind((address.host, address.port))
        bound.listen(BACKLOG)
    except OSError as exc:
        bound.close()
        raise ListenError(_explain(address, exc)) from exc
    return bound


def _explain(address: Address, exc: OSError) -> str:
    if exc.errno == errno.EADDRINUSE:
        return (
            f"{address} is taken by another process: stop it (`ss -ltnp 'sport = :{address.port}'` "
            f"names it) or choose another port"
        )
    return f"cannot listen at {address}: {exc.strerror or exc}"
