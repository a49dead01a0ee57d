"""Calls the registry like its users, every PERIOD_S, independent of earlier calls.

The probe is outside the product: it uses sockets and http.client, and no module of swarmer/ or node/. Ports,
header names and one key of Consul are repeated here, because any user would have to know them.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final, Self

from chaos.evidence import DOOR, PERIOD_S, PULL, PUSH, WALL, Call

REGISTRY_PORT: Final = 5000
CONSUL_PORT: Final = 8500
LOCK: Final = "swarmer/registry/lock"
NODE_HEADER: Final = "X-Swarmer-Node"
LEASE_HEADER: Final = "X-Swarmer-Lease"
REPOSITORY: Final = "faults"
CALL_S: Final = 10.0
"""Timeout for a pull or a step of a push, shorter than that of any Docker client."""
DOOR_S: Final = 1.0
DNS_S: Final = 2.0
DNS_TRIES: Final = 2
PUSH_PERIOD_S: Final = 2.0
"""Interval between pushes through each resolver. A push makes far more requests to S3 than a pull, and the
simulated S3 is one process. More pushes would overload it."""
WATCH_PERIOD_S: Final = 0.2
WORKERS: Final = 400
"""Number of threads, more than can wait at the same time. Each PERIOD_S adds 2 pulls and pushes of up to
CALL_S each, and a call to every node's :5000 of up to DOOR_S."""
ALIVE: Final = 1
"""Value of Serf's member status for a live member."""
ERRORS: Final = (OSError, http.client.HTTPException, ValueError, KeyError)


@dataclass(frozen=True, kw_only=True)
class Target:
    """Cluster from the probe's point of view."""

    domain: str
    resolvers: tuple[str, ...]
    """Nodes that resolve names and outlive the fault."""
    doors: tuple[str, ...]
    """All managers."""
    walls: tuple[str, ...]
    """All other nodes; they must not listen on :5000."""
    servers: tuple[str, ...]
    """Consul servers that outlive the fault and are asked for members and lock."""
    network: str
    """CIDR of the cluster, also for later nodes. Addresses outside it are never called."""

    @property
    def registry(self) -> str:
        return f"registry.service.{self.domain}"


@dataclass
class Reply:
    """Answer to one request."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Refused(OSError):
    """The answer is no success; the text has the reason."""


# -- names ----------------------------------------------------------------------------------------


def question(name: str, number: int) -> bytes:
    """DNS query for the A records of `name` (RFC 1035, 4.1)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)


def _skip_name(packet: bytes, at: int) -> int:
    while packet[at]:
        if packet[at] & 0xC0:
            return at + 2
        at += packet[at] + 1
    return at + 1


def addresses(packet: bytes, number: int) -> list[str]:
    """A records of an answer. Raises Refused if it has none."""
    try:
        found, flags, questions, answers = struct.unpack_from("!4H", packet)
        at = 12
        for _ in range(questions):
            at = _skip_name(packet, at) + 4
        records = []
        for _ in range(answers):
            at = _skip_name(packet, at)
            kind, _, _, size = struct.unpack_from("!2HIH", packet, at)
            if kind == 1:
                records.append(socket.inet_ntoa(packet[at + 10 : at + 10 + size]))
            at += 10 + size
    except (struct.error, IndexError) as exc:
        raise Refused("an answer that is no DNS") from exc
    if found != number or not records:
        raise Refused(f"the name has no address (code {flags & 15})")
    return records


def resolve(target: Target, resolver: str) -> str:
    """Address of the registry from the node `resolver`, port 53."""
    for remaining in reversed(range(DNS_TRIES)):
        number = int.from_bytes(os.urandom(2))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(DNS_S)
            sock.connect((resolver, 53))
            sock.send(question(target.registry, number))
            try:
                address = addresses(sock.recv(4096), number)[0]
            except TimeoutError:
                if not remaining:
                    raise
                continue
        if IPv4Address(address) not in IPv4Network(target.network):
            raise Refused(f"{address} is not in the cluster's network")
        return address
    raise Refused("the name was not resolved")


# -- the registry ---------------------------------------------------------------------------------


def ask(
    address: str,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    timeout_s: float = CALL_S,
    port: int = REGISTRY_PORT,
) -> Reply:
    """Send one request on a separate connection."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout_s)
    try:
        connection.request(method, path, body=body, headers={"Content-Type": "application/octet-stream"})
        answer = connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def expect(reply: Reply, status: int, step: str) -> Reply:
    """Reply with the status. Raises Refused for any other status."""
    if reply.status != status:
        raise Refused(f"{step}: {reply.status} {reply.body[:120].decode(errors='replace')}")
    return reply


def digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def blob_path(name: str) -> str:
    return f"/v2/{REPOSITORY}/blobs/{name}"


def upload(address: str, blob: bytes, acknowledge: Callable[[str], None]) -> Reply:
    """Upload by POST, PUT, HEAD. `acknowledge` gets the blob as soon as the registry answers 201."""
    started = expect(ask(address, "POST", blob_path("uploads/"), body=b""), 202, "POST")
    location = started.headers["Location"]
    path = "/" + location.split("://", 1)[-1].split("/", 1)[1]
    joint = "&" if "?" in path else "?"
    expect(ask(address, "PUT", f"{path}{joint}digest={digest(blob)}", body=blob), 201, "PUT")
    acknowledge(digest(blob))
    return expect(ask(address, "HEAD", blob_path(digest(blob))), 200, "HEAD")


# -- the probe ------------------------------------------------------------------------------------


@dataclass
class Probe:
    """Context that makes calls from its beginning to its end."""

    target: Target
    calls: list[Call] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    """Digests of every acknowledged blob."""
    consul_noticed: list[tuple[float, str]] = field(default_factory=list)
    """Moment and text of each change in Consul's reports."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(WORKERS))
    _tickers: list[threading.Thread] = field(default_factory=list)
    _blob: bytes = field(default_factory=lambda: os.urandom(512))

    def __enter__(self) -> Self:
        self.wait_for_a_push()
        for resolver in self.target.resolvers:
            self._every(PERIOD_S, self.pull, resolver)
            self._every(PUSH_PERIOD_S, self.push, resolver)
        for door in self.target.doors:
            self._every(PERIOD_S, self.knock, door)
        for wall in self.target.walls:
            self._every(PERIOD_S, self.knock_at_wall, wall)
        self._tickers.append(threading.Thread(target=self.watch, daemon=True))
        for ticker in self._tickers:
            ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for ticker in self._tickers:
            ticker.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _every(self, period_s: float, call: Callable[[str], None], via: str) -> None:
        """Begin a call in each period without waiting for it: a hanging call must not delay others."""

        def tick() -> None:
            next_s = time.monotonic()
            while not self._stop.is_set():
                self._pool.submit(call, via)
                next_s += period_s
                self._stop.wait(max(0.0, next_s - time.monotonic()))

        self._tickers.append(threading.Thread(target=tick, daemon=True))

    def wait_for_a_push(self, within_s: float = 30.0) -> None:
        """Wait for the first pushed blob, because later calls pull it."""
        deadline_s = time.monotonic() + within_s
        while True:
            try:
                upload(self._address(), self._blob, self.acknowledged.append)
                return
            except ERRORS:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.5)

    def _address(self) -> str:
        return resolve(self.target, self.target.resolvers[0])

    def _record(self, kind: str, via: str, call: Callable[[], Reply]) -> None:
        began_s, error, node, lease = time.monotonic(), "", "", None
        try:
            headers = call().headers
            node, number = headers.get(NODE_HEADER, ""), headers.get(LEASE_HEADER)
            lease = int(number) if number else None
        except ERRORS as exc:
            error = f"{type(exc).__name__}: {exc}"
        self.calls.append(
            Call(
                kind=kind,
                via=via,
                began_s=began_s,
                ended_s=time.monotonic(),
                error=error,
                node=node,
                lease=lease,
            )
        )

    def pull(self, resolver: str) -> None:
        """Pull by name, resolved by the node `resolver`."""

        def call() -> Reply:
            reply = ask(resolve(self.target, resolver), "GET", blob_path(digest(self._blob)))
            if expect(reply, 200, "GET").body != self._blob:
                raise Refused("GET: the blob is another")
            return reply

        self._record(PULL, resolver, call)

    def push(self, resolver: str) -> None:
        """Push a new blob."""
        blob = os.urandom(256)
        self._record(
            PUSH, resolver, lambda: upload(resolve(self.target, resolver), blob, self.acknowledged.append)
        )

    def knock(self, door: str) -> None:
        """Ask one manager, independent of the name's address."""
        self._record(DOOR, door, lambda: expect(ask(door, "GET", "/v2/", timeout_s=DOOR_S), 200, "GET"))

    def knock_at_wall(self, wall: str) -> None:
        """Ask a node that is no manager. A refusal is right, and costs one packet each way."""
        self._record(WALL, wall, lambda: ask(wall, "GET", "/v2/", timeout_s=DOOR_S))

    # -- Consul's reports -----------------------------------------------------------------------

    def watch(self) -> None:
        """Watch dead members and the registry's lock, through any server, until the end."""
        before: dict[str, Any] | None = None
        while not self._stop.wait(WATCH_PERIOD_S):
            seen = self._seen()
            if seen is None:
                continue
            if before is not None and seen != before:
                changed = next(key for key in seen if seen[key] != before[key])
                self.consul_noticed.append((time.monotonic(), f"{changed}: {seen[changed]}"))
            before = seen

    def _seen(self) -> dict[str, Any] | None:
        for server in self.target.servers:
            with contextlib.suppress(*ERRORS):
                members = self._consul(server, "agent/members")
                (lock,) = self._consul(server, f"kv/{LOCK}?stale")
                return {
                    "not alive": sorted(each["Name"] for each in members if each["Status"] != ALIVE),
                    "lock": (lock.get("Session") is not None, lock["LockIndex"]),
                }
        return None

    @staticmethod
    def _consul(server: str, path: str) -> Any:
        reply = ask(server, "GET", f"/v1/{path}", timeout_s=1.0, port=CONSUL_PORT)
        return json.loads(expect(reply, 200, path).body)

    # -- at the end -----------------------------------------------------------------------------

    def lost(self, within_s: float = 30.0) -> list[str]:
        """Acknowledged blobs that are missing; a blob without an answer counts as missing."""
        missing = []
        deadline_s = time.monotonic() + within_s
        for name in self.acknowledged:
            while (status := self._status(name)) not in (200, 404) and time.monotonic() < deadline_s:
                time.sleep(0.2)
            if status != http.HTTPStatus.OK:
                missing.append(name)
        return missing

    def _status(self, name: str) -> int:
        try:
            reply = ask(self._address(), "GET", blob_path(name))
        except ERRORS:
            return 0
        is_whole = digest(reply.body) == name
        return reply.status if reply.status != http.HTTPStatus.OK or is_whole else 0


def survivors(every: Sequence[str], victims: Sequence[str]) -> tuple[str, ...]:
    """Nodes outside the fault; all nodes if it hits every one."""
    return tuple(each for each in every if each not in victims) or tuple(every)
