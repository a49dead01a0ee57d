"""The registry's lease: candidates as processes, each with a Consul agent of its own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from swarmer.core import election, names
from swarmer.local import environment
from tests.node.daemons import candidate_program, fake_registry
from tests.node.daemons.daemon import Daemon, eventually

GIVES_UP = [sys.executable, "-c", "raise SystemExit('no configuration')"]


@dataclass(frozen=True)
class Answer:
    """Answer to one GET /v2/; `lease` is None without an answer."""

    began_s: float
    ended_s: float
    door: str
    node: str | None
    lease: int | None


def ask(address: str, timeout_s: float = 12) -> Answer:
    began_s = time.monotonic()
    connection = http.client.HTTPConnection(address, names.REGISTRY_PORT, timeout=timeout_s)
    try:
        connection.request("GET", "/v2/")
        found = connection.getresponse()
        found.read()
        node, lease = found.headers[names.HEADER_NODE], int(found.headers[names.HEADER_LEASE])
        return Answer(began_s, time.monotonic(), address, node, lease)
    except (OSError, http.client.HTTPException):
        return Answer(began_s, time.monotonic(), address, None, None)
    finally:
        connection.close()


@dataclass
class Probe:
    """Asks at several doors, again and again."""

    addresses: list[str]
    answers: list[Answer] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Probe:
        self.threads = [threading.Thread(target=self._ask, args=(each,)) for each in self.addresses]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def _ask(self, address: str) -> None:
        while not self.over.is_set():
            self.answers.append(ask(address))
            self.over.wait(0.02)

    @property
    def good(self) -> list[Answer]:
        return [answer for answer in list(self.answers) if answer.lease is not None]

    def failed(self) -> list[Answer]:
        return [answer for answer in list(self.answers) if answer.lease is None]

    def newest(self) -> int:
        return max((answer.lease or 0 for answer in list(self.answers)), default=0)

    def assert_one_at_a_time(self) -> None:
        """Check that a request after an answer gets the same lease or a later one, at any door."""
        assert self.good
        holders: dict[int, str] = {}
        for answer in self.good:
            assert answer.lease is not None
            assert answer.node is not None
            assert holders.setdefault(answer.lease, answer.node) == answer.node
        latest_s: dict[int, float] = {}
        for answer in self.good:
            assert answer.lease is not None
            latest_s[answer.lease] = min(latest_s.get(answer.lease, answer.ended_s), answer.ended_s)
        for answer in self.good:
            assert answer.lease is not None
            known = [lease for lease, first_s in latest_s.items() if first_s < answer.began_s]
            assert answer.lease >= max(known, default=0), (answer, latest_s)


@dataclass
class Node:
    """A candidate and the Consul agent beside it."""

    agent: Daemon
    folder: Path
    command: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.command = [sys.executable, fake_registry.__file__, str(self.folder / "registry.sock")]

    @property
    def address(self) -> str:
        return self.agent.address

    @property
    def name(self) -> str:
        return self.agent.machine.name

    @property
    def session(self) -> str:
        return (self.folder / "session").read_text()

    def start(self) -> None:
        settings = {
            "address": self.address,
            "instance": self.agent.machine.identity.instance_id,
            "folder": str(self.folder),
            "command": self.command,
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", candidate_program.__name__, json.dumps(settings)],
                cwd=environment.ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)

    def registry_pid(self) -> int | None:
        """PID of the registry that this candidate has started."""
        found = subprocess.run(
            ["pgrep", "-f", f"{fake_registry.__file__} {self.folder}"], capture_output=True, check=False
        ).stdout.split()
        return int(found[0]) if found else None

    def cut(self) -> None:
        """SIGKILL to all of it, as systemd and a power cut do."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def said(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def nodes(left: Daemon, right: Daemon) -> Iterator[list[Node]]:
    """Two candidates that have not started."""
    # A unix socket's path is short: pytest's own folders are too deep.
    folder = Path(tempfile.mkdtemp(prefix="swarmer-"))
    made = []
    for agent in (left, right):
        (folder / agent.machine.name).mkdir()
        made.append(Node(agent, folder / agent.machine.name))
    yield made
    for node in made:
        node.cut()
        node.agent.thaw()
    shutil.rmtree(folder)


@pytest.fixture
def pair(nodes: list[Node]) -> tuple[Node, Node]:
    """The holder, and the other one; both run."""
    nodes[0].start()
    eventually(lambda: named(nodes[0].agent) == [nodes[0].address])
    nodes[1].start()
    eventually(lambda: ask(nodes[1].address).node == nodes[0].name)
    return nodes[0], nodes[1]


def named(agent: Daemon) -> list[str]:
    """Where the registry's name leads."""
    return [each.address for each in agent.api.healthy(names.SERVICE_REGISTRY)]


@contextlib.contextmanager
def probed(*nodes: Node) -> Iterator[Probe]:
    """Both doors asked all the while; one holder at a time."""
    with Probe([node.address for node in nodes]) as probe:
        yield probe
    probe.assert_one_at_a_time()


@contextlib.contextmanager
def always_named(agent: Daemon) -> Iterator[None]:
    """The registry's name leads somewhere all the while."""
    over, without = threading.Event(), []

    def watch() -> None:
        while not over.is_set():
            without.extend([] if named(agent) else [time.monotonic()])
            over.wait(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert without == []


def test_one_of_two_serves_and_both_doors_lead_to_it(nodes: list[Node]) -> None:
    with probed(*nodes) as probe:
        for node in nodes:
            node.start()
        eventually(lambda: {answer.door for answer in probe.good} == {node.address for node in nodes})
        holder = next(node for node in nodes if node.name == probe.good[0].node)
        eventually(lambda: named(nodes[0].agent) == [holder.address])
    assert {answer.node for answer in probe.good} == {holder.name}
    assert [node.registry_pid() is not None for node in nodes] == [node is holder for node in nodes]


def test_a_holder_whose_session_ended_stops_before_another_serves(pair: tuple[Node, Node]) -> None:
    holder, other = pair
    with probed(holder, other) as probe:
        lease = eventually(probe.newest)
        ended_s = time.monotonic()
        holder.agent.api.destroy_session(holder.session)
        eventually(lambda: probe.newest() > lease)
        new = [answer for answer in probe.good if answer.lease != lease]
    assert min(answer.ended_s for answer in new) - ended_s >= election.LOCK_DELAY_S
    assert "the lease is another's" in holder.said()
    eventually(lambda: len(named(other.agent)) == 1)


def test_a_candidate_that_ends_hands_over_and_no_call_fails(pair: tuple[Node, Node]) -> None:
    holder, other = pair
    with probed(other) as probe, always_named(other.agent):
        lease = eventually(probe.newest)
        began_s = time.monotonic()
        holder.signal(signal.SIGTERM)
        eventually(lambda: probe.newest() > lease)
        took_s = time.monotonic() - began_s
    assert probe.failed() == []
    assert holder.process
    assert holder.process.wait(10) == 0
    assert took_s < 5
    eventually(lambda: named(other.agent) == [other.address])
    assert holder.registry_pid() is None
    assert not (holder.folder / "session").exists()


def test_a_holder_that_is_asked_to_hands_over_and_stays(pair: tuple[Node, Node]) -> None:
    holder, other = pair
    with probed(holder, other) as probe, always_named(other.agent):
        lease = eventually(probe.newest)
        other.agent.api.put(names.KV_REGISTRY_HANDOVER, str(lease))
        eventually(lambda: probe.newest() > lease)
        eventually(lambda: named(holder.agent) == [other.address])
        eventually(lambda: ask(holder.address).node == other.name)
    assert probe.failed() == []
    assert holder.process
    assert holder.process.poll() is None


def test_a_candidate_that_is_killed_goes_on_under_its_lease(pair: tuple[Node, Node]) -> None:
    holder, other = pair
    before = ask(holder.address)
    holder.cut()
    holder.start()
    eventually(lambda: ask(holder.address).lease == before.lease)
    assert ask(other.address).node == holder.name


def test_a_registry_that_dies_is_started_again_under_the_same_lease(pair: tuple[Node, Node]) -> None:
    holder, other = pair
    with probed(holder, other) as probe:
        lease = eventually(probe.newest)
        pid = holder.registry_pid()
        assert pid
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: holder.registry_pid() not in (None, pid))
        after_s = time.monotonic()
        eventually(lambda: any(answer.began_s > after_s for answer in probe.good))
    assert {answer.lease for answer in probe.good} == {lease}


def test_a_registry_that_is_deaf_leaves_the_lease_to_another(pair: tuple[Node, Node]) -> None:
    """The next one on a machine that lacks processor time would be as slow."""
    holder, other = pair
    pid = holder.registry_pid()
    assert pid
    with probed(holder, other) as probe:
        lease = eventually(probe.newest)
        os.kill(pid, signal.SIGSTOP)
        eventually(lambda: probe.newest() > lease)
    eventually(lambda: ask(holder.address, timeout_s=2).node == other.name)
    eventually(lambda: named(other.agent) == [other.address])
    assert "the registry does not answer" in holder.said()
    assert holder.registry_pid() is None


def test_the_only_candidate_starts_a_deaf_registry_again(nodes: list[Node]) -> None:
    only = nodes[0]
    only.start()
    eventually(lambda: ask(only.address).node == only.name)
    pid = only.registry_pid()
    assert pid
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: only.registry_pid() not in (None, pid))
    eventually(lambda: ask(only.address, timeout_s=2).node == only.name)


def test_a_registry_that_does_not_start_leaves_the_lease_to_another(nodes: list[Node]) -> None:
    unfit, fit = nodes
    unfit.command = GIVES_UP
    unfit.start()
    eventually(lambda: "it does not start" in unfit.said())
    fit.start()
    eventually(lambda: ask(unfit.address).node == fit.name)
    eventually(lambda: named(fit.agent) == [fit.address])


def test_a_holder_whose_disk_takes_no_name_leaves_the_lease_to_another(nodes: list[Node]) -> None:
    unfit, fit = nodes
    with unfit.agent.that_cannot_write("services"):
        unfit.start()
        eventually(lambda: "Consul does not take its name" in unfit.said())
        fit.start()
        eventually(lambda: ask(unfit.address).node == fit.name)
        eventually(lambda: named(fit.agent) == [fit.address])


def test_a_name_that_consul_lost_is_declared_again(pair: tuple[Node, Node]) -> None:
    holder, other = pair
    holder.agent.api.deregister(names.SERVICE_REGISTRY)
    eventually(lambda: named(other.agent) == [])
    eventually(lambda: named(other.agent) == [holder.address])


def test_a_registry_that_is_not_there_leaves_the_lease_to_another(nodes: list[Node]) -> None:
    unfit, fit = nodes
    unfit.command = [str(unfit.folder / "nothing")]
    unfit.start()
    fit_starts = threading.Timer(1.0, fit.start)
    fit_starts.start()
    try:
        deadline_s = time.monotonic() + 5
        while time.monotonic() < deadline_s and ask(fit.address, timeout_s=0.5).node != fit.name:
            assert unfit.process
            if unfit.process.poll() is not None:
                unfit.start()  # as systemd does
            time.sleep(0.1)
    finally:
        fit_starts.join()
    assert ask(fit.address, timeout_s=0.5).node == fit.name


def test_a_holder_that_stood_still_answers_nothing_under_its_old_lease(pair: tuple[Node, Node]) -> None:
    holder, other = pair
    with probed(holder, other) as probe:
        lease = eventually(probe.newest)
        session = holder.session
        holder.signal(signal.SIGSTOP)
        holder.agent.api.destroy_session(session)
        eventually(lambda: probe.newest() > lease)
        holder.signal(signal.SIGCONT)
        again_s = time.monotonic()
        eventually(lambda: any(each.door == holder.address and each.began_s > again_s for each in probe.good))
    assert {answer.node for answer in probe.good if answer.lease != lease} == {other.name}


def test_a_holder_without_consul_falls_silent_by_its_own_clock(pair: tuple[Node, Node]) -> None:
    holder, other = pair
    with probed(holder, other) as probe:
        lease = eventually(probe.newest)
        holder.agent.freeze()
        frozen_s = time.monotonic()
        try:
            # Gossip notices, the lock's delay passes.
            eventually(lambda: probe.newest() > lease, within_s=30)
            eventually(lambda: holder.registry_pid() is None)
        finally:
            holder.agent.thaw()
        eventually(lambda: ask(holder.address).node == other.name)
        # The earlier declaration of this node is withdrawn: the name leads only to the new holder.
        eventually(lambda: named(other.agent) == [other.address])
    old = [answer.ended_s for answer in probe.good if answer.lease == lease]
    # The rest is this machine's own slowness, in this process' threads.
    assert max(old) - frozen_s < election.FENCE_S + election.STOP_S + 0.5
    eventually(holder.agent.is_member)


def test_the_candidates_of_a_cluster_have_different_sessions(pair: tuple[Node, Node]) -> None:
    holder, other = pair
    eventually(lambda: (other.folder / "session").exists())
    assert holder.session != other.session
