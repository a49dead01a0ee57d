"""The registry's proxy: who is answered, by whom, and when not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from node import registry_proxy
from node.registry_proxy import LeaseState, RegistryProxy
from swarmer.core import names

HERE, THERE = "127.0.0.2", "127.0.0.3"
PORT = 15000
REQUEST = b"GET /v2/ HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n\r\n"


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "REGISTRY_SOCKET", str(tmp_path / "registry.sock"))
    monkeypatch.setattr(names, "REGISTRY_PORT", PORT)
    monkeypatch.setattr(registry_proxy, "HOLDER_TIMEOUT_S", 1.0)


@contextlib.asynccontextmanager
async def registry(
    answer: bytes = b"HTTP/1.1 200 OK\r\n\r\nhere", delay_s: float = 0.0
) -> AsyncIterator[None]:
    """Stand-in for docker-registry behind the proxy."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(delay_s)
            writer.write(answer)
            await writer.drain()

    server = await asyncio.start_unix_server(reply, names.REGISTRY_SOCKET)
    async with server:
        yield


@contextlib.asynccontextmanager
async def opened(address: str, lease: LeaseState) -> AsyncIterator[RegistryProxy]:
    one = RegistryProxy(address, lease)
    task = asyncio.create_task(one.serve())
    await asyncio.sleep(0.05)
    yield one
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def ask(address: str, request: bytes = REQUEST) -> bytes:
    """Bytes that came back until the end of the connection."""
    reader, writer = await asyncio.open_connection(address, PORT)
    with contextlib.closing(writer):
        writer.write(request)
        try:
            return await asyncio.wait_for(reader.read(-1), 10)
        except OSError:
            return b""


async def under_way(one: RegistryProxy) -> asyncio.Task[bytes]:
    """Request that the proxy has admitted."""
    asked = asyncio.create_task(ask(HERE))
    while not one.connections:
        await asyncio.sleep(0.01)
    return asked


def serving(number: int = 1) -> LeaseState:
    return LeaseState(number=number, fresh_until_s=time.monotonic() + 60)


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(story())  # type: ignore[arg-type]


def test_the_holder_answers() -> None:
    async def story() -> None:
        async with registry(), opened(HERE, serving()):
            assert (await ask(HERE)).endswith(b"here")

    run(story)


def test_nothing_is_answered_without_a_fresh_lease() -> None:
    async def story() -> None:
        async with registry(), opened(HERE, LeaseState(number=1, fresh_until_s=time.monotonic() - 1)):
            assert await ask(HERE) == b""

    run(story)


def test_an_answer_that_was_under_way_when_the_lease_ended_does_not_get_out() -> None:
    async def story() -> None:
        lease = serving()
        async with registry(delay_s=0.3), opened(HERE, lease) as one:
            asked = await under_way(one)
            lease.number = 2  # won again, but it is another lease
            assert await asked == b""

    run(story)


def test_an_answer_waits_while_the_lease_is_confirmed_late() -> None:
    async def story() -> None:
        lease = serving()
        async with registry(delay_s=0.3), opened(HERE, lease) as one:
            asked = await under_way(one)
            lease.fresh_until_s = 0.0
            await asyncio.sleep(0.5)
            assert not asked.done()
            lease.fresh_until_s = time.monotonic() + 60
            assert (await asked).endswith(b"here")

    run(story)


def test_another_managers_proxy_leads_to_the_holder() -> None:
    async def story() -> None:
        async with registry(), opened(HERE, serving()), opened(THERE, LeaseState(holder=HERE)):
            assert (await ask(THERE)).endswith(b"here")

    run(story)


def test_two_proxies_that_each_take_the_other_for_the_holder_do_not_chase_each_other() -> None:
    async def story() -> None:
        async with opened(HERE, LeaseState(holder=THERE)), opened(THERE, LeaseState(holder=HERE)):
            began_s = time.monotonic()
            assert await ask(HERE) == b""
            assert time.monotonic() - began_s < 3

    run(story)


def test_who_comes_between_two_holders_waits_for_the_next() -> None:
    async def story() -> None:
        lease = LeaseState()
        async with registry(), opened(HERE, lease):
            asked = asyncio.create_task(ask(HERE))
            await asyncio.sleep(0.3)
            lease.number, lease.fresh_until_s = 2, time.monotonic() + 60
            assert (await asked).endswith(b"here")

    run(story)


def test_who_was_relayed_to_a_holder_that_hands_over_is_relayed_to_the_next() -> None:
    async def story() -> None:
        old, relay = serving(), LeaseState(holder=HERE)
        async with registry(), opened(HERE, old), opened(THERE, relay):
            old.is_draining = True
            asked = asyncio.create_task(ask(THERE))
            await asyncio.sleep(0.3)
            assert not asked.done()
            old.is_draining = False
            assert (await asked).endswith(b"here")

    run(story)


def test_a_call_relayed_to_a_holder_that_stands_still_is_answered_by_the_next() -> None:
    async def story() -> None:
        relay = LeaseState(holder=THERE)
        asked: list[bytes] = []

        async def stand_still(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.closing(writer):
                asked.append(await reader.read(1024))
                await reader.read()

        still = await asyncio.start_server(stand_still, THERE, PORT)
        async with still, registry(), opened(HERE, relay):
            call = asyncio.create_task(ask(HERE))
            while not asked:
                await asyncio.sleep(0.01)
            relay.holder, relay.number, relay.fresh_until_s = "", 2, time.monotonic() + 60
            assert (await call).endswith(b"here")

    run(story)


def test_draining_lets_what_is_under_way_come_to_its_end() -> None:
    async def story() -> None:
        lease = serving()
        async with registry(delay_s=0.4), opened(HERE, lease) as one:
            asked = await under_way(one)
            lease.is_draining = True
            await one.drain(5)
            assert (await asked).endswith(b"here")
            assert one.connections == set()

    run(story)


def test_draining_is_bounded() -> None:
    async def story() -> None:
        lease = serving()
        async with registry(delay_s=2), opened(HERE, lease) as one:
            asked = await under_way(one)
            lease.is_draining = True
            await asyncio.wait_for(one.drain(0.3), 5)
            assert await asked == b""

    run(story)


def test_a_registry_that_stands_still_does_not_hold_up_a_hand_over() -> None:
    async def story() -> None:
        lease = serving()
        async with registry(delay_s=3600), opened(HERE, lease) as one:
            asked = await under_way(one)
            lease.is_draining = True
            began_s = time.monotonic()
            await asyncio.wait_for(one.drain(0.3), 5)
            assert time.monotonic() - began_s < 1
            assert await asked == b""

    run(story)


def test_a_client_that_says_nothing_is_let_go() -> None:
    async def story() -> None:
        async with opened(HERE, LeaseState()):
            _, writer = await asyncio.open_connection(HERE, PORT)
            writer.close()
            await writer.wait_closed()

    run(story)


def test_a_client_that_vanished_without_a_word_is_noticed() -> None:
    async def run() -> None:
        lease = LeaseState(number=1, fresh_until_s=time.monotonic() + 10)
        async with registry(delay_s=0.3), opened(HERE, lease) as one:
            asking = await under_way(one)
            (connection,) = one.connections
            assert connection.writer
            connection = connection.writer.get_extra_info("socket")
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            idle_s = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            assert idle_s == registry_proxy.KEEPALIVE[socket.TCP_KEEPIDLE]
            await asking

    asyncio.run(run())


def test_the_proxys_unit_lets_it_open_more_than_systemds_1024_files() -> None:
    """Each connection takes two: of 600 at once, hundreds of nodes that pull one image, 418 were answered."""
    unit = (Path(registry_proxy.__file__).parent / "systemd/swarmer-registry.service").read_text()
    assert "\nLimitNOFILE=65536\n" in unit
