"""A candidate whose Consul is slow, behind, or led by a server that was replaced and does not know it yet."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from node import registry
from node.registry import RegistryElector
from node.registry_proxy import RegistryProxy
from swarmer.adapters.consul import Key, Unavailable
from swarmer.core import election, names
from swarmer.core.election import Acquire, Stay, Stop
from swarmer.core.state import ConsulMember, MemberStatus, RegistryLock
from tests.node.daemons.daemon import machine

MINE = Key("", session="old", lock_index=1, index=5)
THEIRS = Key("", session="theirs", lock_index=2, index=9)


@dataclass
class SlowConsul:
    """Consul that executes requests but loses its answers."""

    destroyed: list[str] = field(default_factory=list)
    is_slow: bool = True
    lock: Key | None = None
    """Lock in the majority of the servers; None: it was deleted."""
    has_majority: bool = True
    renews: bool = True
    leads: str = ""
    renewed: list[str] = field(default_factory=list)

    def release(self, *_: Any) -> None:
        if self.is_slow:
            raise Unavailable("timed out")

    def renew_session(self, session: str) -> bool:
        self.renewed.append(session)
        return self.renews

    def get(self, _: str, *, consistency: str) -> Key | None:
        assert consistency == "consistent"
        if not self.has_majority:
            raise Unavailable("no cluster leader")
        return self.lock

    def leader(self) -> str:
        return f"{self.leads}:8300"

    def members(self) -> tuple[ConsulMember, ...]:
        addresses = {machine("10.0.0.1").name: "10.0.0.1", "another": "10.0.0.3"}
        return tuple(
            ConsulMember(name=name, address=address, status=MemberStatus.ALIVE, is_server=True)
            for name, address in addresses.items()
        )

    def create_session(self, *_: Any, **__: Any) -> str:
        return "new"

    def destroy_session(self, session: str) -> None:
        self.destroyed.append(session)


@pytest.fixture
def candidate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RegistryElector:
    """Candidate that serves under lease 1; another manager is ready."""
    monkeypatch.setattr(registry, "SESSION_FILE", tmp_path / "session")
    registry.SESSION_FILE.write_text("old")
    found = RegistryElector(machine("10.0.0.1"), consul=SlowConsul(lock=MINE), session="old")  # type: ignore[arg-type]
    found.lock = RegistryLock(session="old", number=1)
    found.lease.number, found.lease.holder = 1, "10.0.0.2"
    return found


def test_nothing_is_served_any_more_under_a_lease_whose_release_was_not_answered(
    candidate: RegistryElector,
) -> None:
    """Consul may yet carry it out, and then another serves at once: a release knows no lock-delay."""
    with pytest.raises(Unavailable):
        candidate.hand_over()
    candidate.confirm()
    assert candidate.lease.fresh_until_s == 0.0
    assert election.decide(candidate.candidate_state()) == Stay()
    assert not candidate.lease.is_draining


def test_the_lock_that_it_may_still_hold_is_freed_with_its_session(candidate: RegistryElector) -> None:
    with pytest.raises(Unavailable):
        candidate.hand_over()
    candidate.confirm()
    assert candidate.consul.destroyed == ["old"]  # type: ignore[attr-defined]
    assert (candidate.session, registry.SESSION_FILE.read_text()) == ("new", "new")


def test_one_that_is_answered_keeps_its_session(candidate: RegistryElector) -> None:
    candidate.consul.is_slow = False  # type: ignore[attr-defined]
    candidate.hand_over()
    candidate.confirm()
    assert candidate.consul.destroyed == []  # type: ignore[attr-defined]
    assert candidate.session == "old"


def consul_of(candidate: RegistryElector) -> SlowConsul:
    found: object = candidate.consul
    assert isinstance(found, SlowConsul)
    return found


def is_open(candidate: RegistryElector) -> bool:
    return candidate.lease.is_fresh()


def test_the_proxy_opens_for_the_lock_that_a_majority_of_the_servers_confirms(
    candidate: RegistryElector,
) -> None:
    candidate.confirm()
    assert is_open(candidate)


def test_a_leader_that_was_replaced_and_renews_a_session_opens_no_proxy(candidate: RegistryElector) -> None:
    """The leader stood still, and answers from memory: the session is over, another manager serves."""
    consul_of(candidate).has_majority = False
    candidate.confirm()
    assert not is_open(candidate)


def test_a_holder_that_is_cut_off_from_consuls_leader_keeps_its_lease_through_another_server(
    candidate: RegistryElector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody else reaches both, so the session stays: a lease that ends here would be missing."""
    consul_of(candidate).has_majority = False
    other = SlowConsul(lock=MINE)
    monkeypatch.setattr(candidate.route, "connect", {"10.0.0.3": other}.get)
    candidate.confirm()
    assert not is_open(candidate)
    candidate.confirm()
    assert is_open(candidate)
    assert other.renewed == ["old"]


def test_a_server_that_lags_behind_revives_no_lease_that_was_given_up(
    candidate: RegistryElector,
) -> None:
    """A server with a full disk stays behind, and forwards queries: the session lives, another serves."""
    consul_of(candidate).is_slow = False
    candidate.release()
    candidate.lease.number = None
    consul_of(candidate).lock = THEIRS
    candidate.update_lock(MINE)
    candidate.confirm()
    assert election.decide(candidate.candidate_state()) == Stay()
    assert not is_open(candidate)


def test_a_lock_that_somebody_deleted_is_won_anew(candidate: RegistryElector) -> None:
    consul_of(candidate).lock = None
    candidate.confirm()
    assert not is_open(candidate)
    assert isinstance(election.decide(candidate.candidate_state()), Stop)
    candidate.lease.number = None
    assert election.decide(candidate.candidate_state()) == Acquire()


def test_a_lock_that_is_older_because_operators_restored_a_snapshot_is_won_anew(
    candidate: RegistryElector,
) -> None:
    consul_of(candidate).lock = Key("", session=None, lock_index=0, index=3)
    candidate.confirm()
    assert isinstance(election.decide(candidate.candidate_state()), Stop)


@pytest.mark.parametrize("lock", [None, Key("", session=None, lock_index=0, index=3)])
def test_a_lock_that_operators_deleted_or_restored_after_its_holder_died_is_won_by_another(
    candidate: RegistryElector, lock: Key | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its key does not change any more, so no watcher is told of it."""
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    candidate.lease.number = None
    candidate.on_keys_changed({names.KV_REGISTRY_LOCK: THEIRS})
    consul_of(candidate).lock = THEIRS
    candidate.recheck_lock()
    candidate.confirm()
    assert election.decide(candidate.candidate_state()) == Stay()
    consul_of(candidate).lock = lock
    now += registry.LOCK_INTERVAL_S
    candidate.recheck_lock()
    candidate.confirm()
    assert election.decide(candidate.candidate_state()) == Acquire()


def test_what_the_watcher_reads_while_a_majority_is_asked_counts(candidate: RegistryElector) -> None:
    """Else a lock that became free is taken for held until the watcher is told of it once more."""
    known = RegistryLock(session="theirs", number=2, index=9)
    free = Key("", session=None, lock_index=2, index=10)
    candidate.lock = known
    candidate.update_lock(free)
    candidate.update_lock(THEIRS, known=known)
    assert candidate.lock.session is None


def test_a_lock_that_is_free_opens_no_proxy_where_this_node_has_no_session_any_more(
    candidate: RegistryElector,
) -> None:
    """The node hands over, and its server is behind: the session ended, and the lock keeps its number."""
    candidate.is_leaving = True
    consul_of(candidate).renews = False
    consul_of(candidate).lock = Key("", session=None, lock_index=1, index=6)
    candidate.confirm()
    assert candidate.session is None
    assert not is_open(candidate)


def test_the_holders_session_is_renewed_long_before_it_ends(candidate: RegistryElector) -> None:
    for _ in range(3):
        candidate.confirm()
    assert consul_of(candidate).renewed == ["old"]
    assert election.SESSION_INTERVAL_S * 3 < election.SESSION_TTL_S


def test_who_has_no_lock_asks_for_none(candidate: RegistryElector) -> None:
    candidate.update_lock(THEIRS)
    consul_of(candidate).has_majority = False
    for _ in range(2):
        candidate.confirm()
    assert consul_of(candidate).renewed == ["old", "old"]


def test_a_free_lock_is_left_to_others_where_consuls_leader_is_on_the_same_machine(
    candidate: RegistryElector,
) -> None:
    candidate.lease.number = None
    candidate.update_lock(Key("", session=None, lock_index=1, index=6))
    candidate.confirm()
    assert election.decide(candidate.candidate_state()) == Acquire()
    consul_of(candidate).leads = "10.0.0.1"
    assert election.decide(candidate.candidate_state()) == Stay()


def test_a_program_whose_proxy_hangs_does_not_say_that_it_works(
    candidate: RegistryElector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd ends it then: a lease that is confirmed, and answers nobody, would stay for ever."""
    said: list[bool] = []
    monkeypatch.setattr(registry, "notify_watchdog", lambda: said.append(True))
    monkeypatch.setattr(registry, "HEARTBEAT_TIMEOUT_S", 0.3)
    monkeypatch.setattr(registry, "HEARTBEAT_INTERVAL_S", 0.05)

    async def hang() -> None:
        candidate._proxy = RegistryProxy("10.0.0.1", candidate.lease)
        beat = asyncio.create_task(candidate.record_heartbeats())
        await asyncio.sleep(0.1)
        candidate.notify_watchdog()
        assert said == [True]
        time.sleep(0.4)  # the fault
        candidate.notify_watchdog()
        assert said == [True]
        beat.cancel()

    asyncio.run(hang())
