"""Addresses to listen at, bound before anything slow happens."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import Final

from swarmer.fakeaws.base.errors import ListenError

IP_FREEBIND: Final = 15
"""Linux: an address may be bound before it exists (ip(7)). Python 3.11 has no name for it."""
BACKLOG: Final = 128


@dataclass(frozen=True)
class Address:
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """From `host:port`. Raises ListenError."""
        host, _, port = text.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise ListenError(f"{text!r} is no address to listen at; right would be 127.0.0.1:4566")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def bind(address: Address) -> socket.socket:
    """A listening socket; clients may connect at once and wait until they are served. Raises ListenError.

    The address need not exist yet: a docker network may bring it later.
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
