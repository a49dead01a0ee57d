"""The registry's proxy: every manager listens on :5000, and the lease holder answers.

Bytes are relayed as they come. The registry itself writes its node and lease into the headers. On the holder
an answer passes only while the lease is fresh. Other managers relay a connection to the holder's proxy, so
that clients with an outdated address get answers too. Connections wait while the lease moves between holders.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from swarmer.core import names

CHUNK: Final = 256 * 1024
"""Size of one read in bytes."""
HOLDER_TIMEOUT_S: Final = 8.0
"""Timeout for a connection that waits for a holder."""
POLL_INTERVAL_S: Final = 0.02
"""Interval between two checks of the lease."""
CONNECT_TIMEOUT_S: Final = 2.0
"""Timeout for connecting to the holder."""
SILENCE_TIMEOUT_S: Final = 0.5
"""Timeout for a silent relay to a former holder. A holder answers its requests before it hands over."""
IDLE_GRACE_S: Final = 0.15
"""Grace period without traffic, after the last answer, before a connection counts as idle."""
KEEPALIVE: Final = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}
"""Seconds, seconds and count of TCP keepalive, which detects a vanished client after a minute."""
RELAYED: Final = b"SWARMER-RELAYED\n"
"""First bytes from another proxy. Such a connection is not relayed a second time."""


@dataclass
class LeaseState:
    """State that the election shares with the proxy: plain attributes, each written by one thread."""

    number: int | None = None
    """Number of the lease under which the registry's process answers on its socket."""
    fresh_until_s: float = 0.0
    """Monotonic time until which the lease is confirmed."""
    is_draining: bool = False
    holder: str = ""
    """Address of the current holder if it is another node."""

    def is_fresh(self, number: int | None = None) -> bool:
        """Whether answers may pass under the lease `number`; None stands for any lease."""
        mine = self.number
        return mine is not None and number in (None, mine) and time.monotonic() < self.fresh_until_s


@dataclass(eq=False)
class ProxiedConnection:
    """One connection that this node answers."""

    number: int
    """Number of the lease under which it was accepted."""
    active_s: float = 0.0
    """Monotonic time of the last bytes in either direction."""
    awaits_answer: bool = True
    writer: asyncio.StreamWriter | None = None

    def is_idle(self) -> bool:
        """Whether nothing is under way on the connection."""
        return not self.awaits_answer and time.monotonic() - self.active_s > IDLE_GRACE_S


@dataclass
class RegistryProxy:
    """Server for one address."""

    address: str
    lease: LeaseState
    connections: set[ProxiedConnection] = field(default_factory=set)

    async def serve(self) -> None:
        """Accept connections for ever."""
        server = await asyncio.start_server(self._accept, self.address, names.REGISTRY_PORT, limit=CHUNK)
        async with server:
            await server.serve_forever()

    async def drain(self, within_s: float) -> None:
        """Wait for open requests, and cut the connections that remain after `within_s` seconds."""
        deadline_s = time.monotonic() + within_s
        while self.connections and time.monotonic() < deadline_s:
            for connection in list(self.connections):
                if connection.writer and connection.is_idle():
                    connection.writer.close()
            await asyncio.sleep(POLL_INTERVAL_S)
        for connection in list(self.connections):
            # There is no wait, because a registry that stands still keeps its own end of the connection open.
            if connection.writer:
                connection.writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            try:
                _enable_keepalive(writer)
                await self._route(reader, writer)
            finally:
                writer.close()

    async def _route(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(CHUNK)
        is_relayed = first.startswith(RELAYED)
        if is_relayed:
            first = first.removeprefix(RELAYED) or await reader.read(CHUNK)
        if not first:
            return
        deadline_s = time.monotonic() + HOLDER_TIMEOUT_S
        while time.monotonic() < deadline_s:
            serves = self.lease.number is not None and not self.lease.is_draining
            if serves and self.lease.is_fresh():
                # A refused connection means that the process has just died, and that the next one is
                # starting.
                with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
                    return await self._answer(first, reader, writer)
            elif not serves and is_relayed:
                return None  # the other proxy knows the new holder now or soon
            elif not serves and self.lease.holder:
                with contextlib.suppress(OSError, TimeoutError):
                    if await self._relay(self.lease.holder, first, reader, writer):
                        return None
            await asyncio.sleep(POLL_INTERVAL_S)
        return None

    async def _relay(
        self, holder: str, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Relay to the holder. False if no byte came back and no request was lost: the request can be sent
        elsewhere."""
        connected = asyncio.open_connection(holder, names.REGISTRY_PORT, limit=CHUNK)
        there, onward = await asyncio.wait_for(connected, CONNECT_TIMEOUT_S)
        request, answer = StreamCopier(reader, onward), StreamCopier(there, writer)
        with contextlib.closing(onward):
            onward.write(RELAYED + first)
            cutting = asyncio.create_task(self._cut_stale_relay(holder, answer, onward))
            try:
                with contextlib.suppress(OSError):
                    await _copy_both_ways(request, answer)
            finally:
                cutting.cancel()
        return bool(request.copied_bytes or answer.copied_bytes or reader.at_eof())

    async def _cut_stale_relay(self, holder: str, answer: StreamCopier, onward: asyncio.StreamWriter) -> None:
        """Cut a relay to a node that has lost the lease and is silent, because it stands still or is gone."""
        while self.lease.number is None and self.lease.holder in ("", holder):
            await asyncio.sleep(POLL_INTERVAL_S)
        copied_bytes = -1
        while copied_bytes != answer.copied_bytes:
            copied_bytes = answer.copied_bytes
            await asyncio.sleep(SILENCE_TIMEOUT_S)
        onward.transport.abort()

    async def _answer(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer through the registry of this node. The end of the lease ends the connection."""
        number = self.lease.number
        if number is None:
            return
        # This precedes the first await, so that a drain sees the connection from here on.
        connection = ProxiedConnection(number, time.monotonic(), True, writer)
        self.connections.add(connection)
        try:
            there, onward = await asyncio.open_unix_connection(names.REGISTRY_SOCKET, limit=CHUNK)
            with contextlib.closing(onward):
                onward.write(first)
                await _copy_both_ways(
                    StreamCopier(reader, onward, lambda: self._may_send_request(connection)),
                    StreamCopier(there, writer, lambda: self._may_send_answer(connection)),
                )
        finally:
            self.connections.discard(connection)

    async def _may_send_request(self, connection: ProxiedConnection) -> bool:
        connection.awaits_answer, connection.active_s = True, time.monotonic()
        return await self._wait_until_fresh(connection)

    async def _may_send_answer(self, connection: ProxiedConnection) -> bool:
        may = await self._wait_until_fresh(connection)
        connection.awaits_answer, connection.active_s = False, time.monotonic()
        return may

    async def _wait_until_fresh(self, connection: ProxiedConnection) -> bool:
        """Wait until the lease is confirmed again; False once another node holds it."""
        deadline_s = time.monotonic() + HOLDER_TIMEOUT_S
        while not self.lease.is_fresh(connection.number):
            if self.lease.number != connection.number or time.monotonic() > deadline_s:
                return False
            await asyncio.sleep(POLL_INTERVAL_S)
        return True


def _enable_keepalive(writer: asyncio.StreamWriter) -> None:
    """Enable keepalive. A node that is cut off sends no FIN, and hand-overs would wait for its
    connections."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


@dataclass
class StreamCopier:
    """Copier of one direction of a connection."""

    source: asyncio.StreamReader
    sink: asyncio.StreamWriter
    may_copy: Callable[[], Awaitable[bool]] | None = None
    copied_bytes: int = 0
    """Number of bytes copied so far."""

    async def run(self) -> None:
        """Copy until the source ends or `may_copy` returns False, which cuts the connection."""
        while chunk := await self.source.read(CHUNK):
            if self.may_copy is not None and not await self.may_copy():
                self.sink.transport.abort()
                return
            self.copied_bytes += len(chunk)
            self.sink.write(chunk)
            await self.sink.drain()


async def _copy_both_ways(request: StreamCopier, answer: StreamCopier) -> None:
    """Copy both directions until the answering side ends; the requesting side may end earlier."""
    sending = asyncio.create_task(_copy_request(request))
    try:
        await answer.run()
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await sending


async def _copy_request(copier: StreamCopier) -> None:
    await copier.run()
    if copier.sink.can_write_eof():
        copier.sink.write_eof()
