"""Entries after interruptions and missed events: never lost, never stale."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Callable

import pytest

from swarmer.core.registration import MARKER, Service
from tests.node.lab import ADDRESS, Agent, Dockerd, until


def test_after_kill_9_the_first_comparison_makes_the_catalogue_right(agent: Agent, dockerd: Dockerd) -> None:
    agent.start()
    for name in ("kept", "gone"):
        dockerd.run(name)
    until(lambda: len(agent.ports()) == 2)
    kept = agent.ports()["n1:kept:80"]
    agent.kill()
    dockerd.docker("rm", "-f", "gone")
    fresh = dockerd.run("fresh")
    # No second comparison is in time to fix it. `make bench-registrator` measures the first one.
    agent.start("-resync", "3600")
    until(agent.has(kept=kept, fresh=fresh))


def test_a_stopped_dockerd_takes_its_containers_along_and_brings_some_back(
    agent: Agent, dockerd: Dockerd
) -> None:
    agent.start()
    dockerd.run("once")
    before = dockerd.run("again", "--restart", "always")
    until(lambda: len(agent.ports()) == 2)
    dockerd.stop()
    until(lambda: agent.said("waits for Docker"))
    dockerd.start()
    until(lambda: dockerd.docker("port", "again", check=False))
    until(agent.has(again=dockerd.port("again")))
    assert dockerd.port("again") != before


def test_a_killed_dockerd_is_followed_when_it_is_back(agent: Agent, dockerd: Dockerd) -> None:
    agent.start()
    dockerd.run("again", "--restart", "always")
    until(agent.ports)
    dockerd.stop(kill=True)
    until(lambda: agent.said("waits for Docker"))
    assert agent.ports()  # nobody knows better
    dockerd.start()
    until(lambda: dockerd.docker("port", "again", check=False))
    fresh = dockerd.run("fresh")
    until(agent.has(again=dockerd.port("again"), fresh=fresh))


def test_a_consul_that_forgot_everything_is_told_again(agent: Agent, dockerd: Dockerd) -> None:
    agent.start()
    port = dockerd.run("web")
    until(agent.has(web=port))
    agent.consul.stop()
    shutil.rmtree(agent.consul.folder / "data")
    agent.consul.start()
    until(agent.has(web=port))


def test_what_happened_while_consul_was_away_is_caught_up(agent: Agent, dockerd: Dockerd) -> None:
    agent.start()
    port = dockerd.run("old")
    until(agent.has(old=port))
    agent.consul.stop()
    dockerd.docker("rm", "-f", "old")
    fresh = dockerd.run("fresh")
    until(lambda: agent.said("waits for Consul"))
    agent.consul.start()
    until(agent.has(fresh=fresh))


def test_consul_may_come_after_the_registrator(agent: Agent, dockerd: Dockerd) -> None:
    agent.consul.stop()
    port = dockerd.run("web")
    agent.start()
    until(lambda: agent.said("waits for Consul"))
    agent.consul.start()
    until(agent.has(web=port))


def test_a_host_that_changed_its_name_leaves_nothing_under_the_old_one(
    agent: Agent, dockerd: Dockerd
) -> None:
    agent.start("-hostname", "before")
    port = dockerd.run("web")
    until(lambda: agent.ports() == {"before:web:80": port})
    agent.kill()
    agent.start()
    until(agent.has(web=port))


def test_what_somebody_removed_is_declared_again(agent: Agent, dockerd: Dockerd) -> None:
    agent.start("-resync", "1")
    port = dockerd.run("web")
    until(agent.has(web=port))
    agent.consul.client().deregister("n1:web:80")
    until(agent.has(web=port))


def test_entries_without_its_marker_are_nobodys_business(agent: Agent, dockerd: Dockerd) -> None:
    client = agent.consul.client()
    for key, meta in (("n1:old:80", {}), ("n2:web:80", {MARKER: "n2"}), ("registry", {"k": "v"})):
        client.register(Service(id=key, name="x", address=ADDRESS, port=1, meta=meta))
    agent.start("-cleanup", "-resync", "1")
    dockerd.run("web")
    until(lambda: "n1:web:80" in agent.ports())
    dockerd.docker("rm", "-f", "web")
    until(lambda: "n1:web:80" not in agent.ports())
    assert set(agent.ports()) == {"n1:old:80", "n2:web:80", "registry"}


def test_where_nothing_changes_nothing_is_written(agent: Agent, dockerd: Dockerd) -> None:
    agent.start("-resync", "1")
    health = ("--health-cmd", "true", "--health-interval", "1h", "-e", "SERVICE_CHECK_TTL=1h")
    dockerd.run("web", *health)
    until(agent.ports)
    time.sleep(1.5)
    before = agent.log.read_text()
    index = agent.consul.client()._api.catalog.services()[0]
    time.sleep(3)
    assert agent.consul.client()._api.catalog.services()[0] == index
    assert agent.log.read_text() == before


# -- events that are lost -------------------------------------------------------------------------


class Ear:
    """A door to dockerd through which no event comes while it is deaf."""

    def __init__(self, path: str, engine: str) -> None:
        self.is_deaf = False
        self._engine = engine
        self._sockets = [socket.socket(socket.AF_UNIX)]
        self._sockets[0].bind(path)
        self._sockets[0].listen()
        self._threads: list[threading.Thread] = []
        self._run(self._serve)

    def close(self) -> None:
        """Cut all connections, and accept no new one."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for each in self._sockets:
            each.close()

    def _run(self, target: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._threads[-1].start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._sockets[0].accept()
                upstream = socket.socket(socket.AF_UNIX)
                self._sockets += [client, upstream]
                upstream.connect(self._engine)
                first = client.recv(65536)
                upstream.sendall(first)
                self._run(self._pump, client, upstream, False)
                self._run(self._pump, upstream, client, b"/events" in first)

    def _pump(self, source: socket.socket, sink: socket.socket, is_events: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not (is_events and self.is_deaf):
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)


def test_what_no_event_told_is_seen_by_the_next_comparison(
    agent: Agent, dockerd: Dockerd, request: pytest.FixtureRequest
) -> None:
    ear = Ear(f"{dockerd.folder}/ear.sock", f"{dockerd.folder}/docker.sock")
    request.addfinalizer(ear.close)
    agent.docker_host = f"unix://{dockerd.folder}/ear.sock"
    agent.start("-resync", "1")
    port = dockerd.run("heard")
    until(agent.has(heard=port))
    ear.is_deaf = True
    dockerd.docker("rm", "-f", "heard")
    port = dockerd.run("unheard")
    until(agent.has(unheard=port))
    dockerd.docker("restart", "-t", "0", "unheard")
    until(agent.has(unheard=dockerd.port("unheard")))
    ear.close()
    until(lambda: agent.said("waits for Docker"))
