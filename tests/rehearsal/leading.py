"""A watch on the name of the Swarm's leader, from outside: its addresses, and how long requests take."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.exception
import dns.resolver

from swarmer.core import names

LONGEST_S = 30.0
"""Timeout for one request, in seconds: long enough to see how long it takes."""


@dataclass
class Watch:
    """Everything that was seen, in order."""

    door: str
    """Address of the node that answers for the name."""
    domain: str
    answers: list[tuple[str, ...]] = field(default_factory=list)
    """Addresses of the name, at each look."""
    requests_s: list[float] = field(default_factory=list)
    """Duration of each request to the first address."""

    def look(self) -> tuple[str, ...]:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.lifetime = [self.door], 3.0
        try:
            found = resolver.resolve(f"{names.SERVICE_DOCKER}.service.{self.domain}", "A")
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.exception.Timeout):
            return ()
        return tuple(sorted(str(each) for each in found))

    def ask(self, address: str) -> None:
        began_s = time.monotonic()
        connection = http.client.HTTPConnection(address, names.DOCKER_PORT, timeout=LONGEST_S)
        try:
            connection.request("GET", "/services")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            pass  # refused: the client knows at once
        finally:
            connection.close()
        self.requests_s.append(time.monotonic() - began_s)


@contextmanager
def watching(door: str, domain: str) -> Iterator[Watch]:
    """Look twice a second, and ask the first address each time, until the block ends."""
    watch, stop = Watch(door, domain), threading.Event()

    def run() -> None:
        while not stop.wait(0.5):
            found = watch.look()
            watch.answers.append(found)
            if found:
                watch.ask(found[0])

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join()
