"""Calls a registry from outside while something happens to it; knows nothing of the product but its names."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import threading
import time
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import dns.exception
import dns.resolver

from tests.faults.evidence import Answer

PERIOD_S = 0.1
TIMEOUT_S = 2.0
NAME = "registry.service.swarmer"
REPOSITORY = "probe/blobs"
FAILURES = (OSError, http.client.HTTPException, dns.exception.DNSException, ValueError)


@dataclass
class Probe:
    """A context: calls from enter to exit. `resolvers`: nodes whose port 53 is asked; `doors`: managers."""

    resolvers: Sequence[str]
    doors: Sequence[str]
    answers: list[Answer] = field(default_factory=list)
    failed: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {"pull": [], "push": []})
    """By kind: when each failed call began and ended."""
    calls: dict[str, int] = field(default_factory=lambda: {"pull": 0, "push": 0})
    acknowledged: list[str] = field(default_factory=list)
    """Digests of blobs whose push was answered with 201."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Probe:
        first = push(self.where(self.resolvers[0]), b"pulled again and again")
        self.acknowledged.append(first)
        for resolver in self.resolvers:
            self._start(lambda at=resolver: self._call("pull", lambda: self.pull(at, first)))
        self._start(lambda: self._call("push", lambda: self.push(self.resolvers[0])))
        for door in self.doors:
            self._start(lambda at=door: self.look(at))
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _start(self, once: Callable[[], None]) -> None:
        def loop() -> None:
            while not self._stop.is_set():
                began_s = time.monotonic()
                once()
                self._stop.wait(max(0.0, PERIOD_S - (time.monotonic() - began_s)))

        thread = threading.Thread(target=loop)
        self._threads.append(thread)
        thread.start()

    def _call(self, kind: str, once: Callable[[], None]) -> None:
        began_s = time.monotonic()
        self.calls[kind] += 1
        try:
            once()
        except FAILURES:
            self.failed[kind].append((began_s, time.monotonic()))

    def where(self, resolver_at: str) -> str:
        """Address of the registry, as a node's port 53 has it."""
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [resolver_at]
        return str(resolver.resolve(NAME, "A", lifetime=TIMEOUT_S)[0].to_text())

    def pull(self, resolver_at: str, digest: str) -> None:
        """One blob, by name."""
        self.get(self.where(resolver_at), f"/v2/{REPOSITORY}/blobs/{digest}")

    def push(self, resolver_at: str) -> None:
        """One new blob, by name."""
        self.acknowledged.append(push(self.where(resolver_at), os.urandom(512)))

    def look(self, door: str) -> None:
        """A manager's own door; whether it answers is its affair, under which lease is ours."""
        with contextlib.suppress(*FAILURES):
            self.get(door, "/v2/")

    def get(self, address: str, path: str) -> None:
        """Raises one of FAILURES unless the answer is 200; keeps its evidence."""
        began_s = time.monotonic()
        connection = http.client.HTTPConnection(address, 5000, timeout=TIMEOUT_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise ValueError(f"{path}: {answer.status}")
        node, lease = answer.headers["X-Swarmer-Node"], int(answer.headers["X-Swarmer-Lease"])
        self.answers.append(Answer(began_s, time.monotonic(), lease, node))

    def lost(self, resolver_at: str) -> list[str]:
        """Acknowledged pushes that are not there."""
        address = self.where(resolver_at)
        return [digest for digest in self.acknowledged if not exists(address, digest)]


def push(address: str, content: bytes) -> str:
    """Digest of a blob that the registry acknowledged; raises one of FAILURES."""
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    connection = http.client.HTTPConnection(address, 5000, timeout=TIMEOUT_S * 2)
    try:
        connection.request("POST", f"/v2/{REPOSITORY}/blobs/uploads/", body=b"")
        begun = connection.getresponse()
        begun.read()
        if begun.status != http.HTTPStatus.ACCEPTED:
            raise ValueError(f"POST: {begun.status}")
        place = urllib.parse.urlsplit(begun.headers["Location"])
        query = f"{place.query}&{urllib.parse.urlencode({'digest': digest})}"
        headers = {"Content-Type": "application/octet-stream"}
        connection.request("PUT", f"{place.path}?{query}", body=content, headers=headers)
        done = connection.getresponse()
        done.read()
        if done.status != http.HTTPStatus.CREATED:
            raise ValueError(f"PUT: {done.status}")
    finally:
        connection.close()
    return digest


def exists(address: str, digest: str) -> bool:
    """Whether the registry has the blob."""
    connection = http.client.HTTPConnection(address, 5000, timeout=TIMEOUT_S * 2)
    try:
        connection.request("HEAD", f"/v2/{REPOSITORY}/blobs/{digest}")
        return connection.getresponse().status == http.HTTPStatus.OK
    finally:
        connection.close()
