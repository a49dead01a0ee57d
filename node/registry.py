"""Serves the registry while this node holds its lease; decisions are in swarmer/core/election.py.

Three threads share plain values. The proxy (node/registry_proxy.py) passes answers on. A watcher reads the
lock as it changes. The election confirms the lease, decides and acts.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from node.consul_route import LeaderRoute
from node.docker_registry import DockerRegistry
from node.machine import log, notify_watchdog, read_machine
from node.registry_proxy import LeaseState, RegistryProxy
from swarmer.adapters.consul import Consul, Key, Unavailable
from swarmer.core import election, names
from swarmer.core.configuration import Machine
from swarmer.core.election import CandidateState
from swarmer.core.service import Service
from swarmer.core.state import RegistryLock

SESSION_FILE: Final = Path("/run/swarmer-registry.session")
"""File with the ID of the session. A restarted candidate continues its session, and so its lease."""
WATCH_TIMEOUT_S: Final = 10
"""Timeout of one blocking query for the lock."""
START_TIMEOUT_S: Final = 10.0
"""Timeout for the registry's first answer. After it the node gives up the lease, so that another node can
try."""
PROBE_INTERVAL_S: Final = 2.0
"""Interval between two probes of a registry that answers."""
PROBE_TIMEOUT_S: Final = 1.0
"""Timeout of one probe; also the interval of probes of a silent registry."""
NAME_INTERVAL_S: Final = 5.0
"""Interval at which the holder checks that its name still leads to it."""
LOCK_INTERVAL_S: Final = 5.0
"""Interval at which the other candidates check that the lock's holder is still the same."""
DRAIN_TIMEOUT_S: Final = 3.0
"""Timeout for requests under way during a hand-over."""
HEARTBEAT_INTERVAL_S: Final = 0.5
"""Interval between two heartbeats of the proxy's loop."""
HEARTBEAT_TIMEOUT_S: Final = 2.0
"""Timeout for the heartbeat of the proxy's loop. After it systemd gets no more signs of life."""
SUCCESSOR_TIMEOUT_S: Final = 3.0
"""Timeout for the next holder when a candidate ends. Until then it relays to the next holder."""
CHECK: Final = {"interval": "2s", "timeout": "5s", "FailuresBeforeCritical": 3, "status": "passing"}
"""Definition of Consul's check. It is lenient because the name of a registry ends with its lease anyway, and
a busy machine answers late."""


@dataclass
class RegistryElector:
    """One eligible node in the election of the registry's holder."""

    machine: Machine
    lease: LeaseState = field(default_factory=LeaseState)
    consul: Consul = field(default_factory=lambda: Consul(timeout_s=election.FENCE_S))
    """The own agent: it declares the registry's name."""
    route: LeaderRoute = field(init=False)
    """Route to Consul's leader, because the leader knows the session and the lock."""
    session: str | None = None
    lock: RegistryLock | None = None
    is_leaving: bool = False
    registry: DockerRegistry = field(default_factory=DockerRegistry)
    changed: threading.Event = field(default_factory=threading.Event)
    _lock_guard: threading.Lock = field(default_factory=threading.Lock)
    _confirmed_s: float = -election.CONFIRM_TIMEOUT_S
    _renewed_s: float = -election.SESSION_INTERVAL_S
    _free_since_s: float | None = None
    _answered_s: float = 0.0
    _probed_s: float = 0.0
    _handover: str = ""
    _uncertain_session: str | None = None
    """ID of a session whose release is uncertain; it has to be destroyed."""
    _is_named: bool | None = None
    """Whether the name leads here; None if Consul may know it from an earlier life of this node."""
    _unnamed_since_s: float = 0.0
    """Monotonic time since which the holder has served without its name."""
    _name_checked_s: float = 0.0
    _lock_checked_s: float = 0.0
    _stopped_s: float = 0.0
    """Monotonic time at which this node last stopped serving."""
    _heartbeat_s: float = 0.0
    """Monotonic time of the last heartbeat of the proxy's loop."""
    _watcher: threading.Thread | None = None
    _proxy: RegistryProxy | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    def __post_init__(self) -> None:
        connect = functools.partial(Consul, timeout_s=election.FENCE_S)
        self.route = LeaderRoute(self.consul, self.machine.name, connect)

    # -- threads ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until SIGTERM, and hand the lease over at the end."""
        self._loop = asyncio.get_running_loop()
        self._proxy = RegistryProxy(self.machine.address, self.lease)
        self._loop.add_signal_handler(signal.SIGTERM, self.begin_shutdown)
        self._heartbeat_s = time.monotonic()
        self._watcher = threading.Thread(target=self.watch, daemon=True)
        self._watcher.start()
        elected = asyncio.create_task(asyncio.to_thread(self.elect))
        tasks = (
            elected,
            asyncio.create_task(self._proxy.serve()),
            asyncio.create_task(self.record_heartbeats()),
        )
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()

    async def record_heartbeats(self) -> None:
        """Record heartbeats for as long as the proxy's loop works."""
        while True:
            self._heartbeat_s = time.monotonic()
            await asyncio.sleep(HEARTBEAT_INTERVAL_S)

    def notify_watchdog(self) -> None:
        """Signal systemd that the program works if the other threads work too: a lease without a proxy is
        useless."""
        hangs = self._proxy is not None and time.monotonic() - self._heartbeat_s > HEARTBEAT_TIMEOUT_S
        if not hangs and (self._watcher is None or self._watcher.is_alive()):
            notify_watchdog()

    def begin_shutdown(self) -> None:
        """Begin the shutdown of this program: it hands over first."""
        self.is_leaving = True
        self.changed.set()

    def watch(self) -> None:
        """Keep `lock` as Consul has it."""
        consul, index = Consul(timeout_s=5), None
        while True:
            try:
                index, found = consul.watch(names.KV_REGISTRY, index, wait_s=WATCH_TIMEOUT_S)
                self.on_keys_changed(found)
                self.route.return_after(lambda: consul.get(names.KV_REGISTRY_LOCK, consistency="consistent"))
            except Unavailable:
                index = None
                time.sleep(election.CONFIRM_INTERVAL_S)

    def on_keys_changed(self, found: dict[str, Key]) -> None:
        """Handle new values of the keys below the registry's prefix."""
        handover = found.get(names.KV_REGISTRY_HANDOVER)
        self._handover = handover.value if handover else ""
        self.update_lock(found.get(names.KV_REGISTRY_LOCK))
        self.changed.set()

    def update_lock(self, key: Key | None, *, known: RegistryLock | None = None) -> None:
        """Update the lock's state, unless a newer state is known: two threads read it, and a server may lag
        behind.

        Pass `known`, the lock before the query, if a majority of the servers was asked. If their answer is
        older or empty, an operator deleted the lock or restored a snapshot. A lock that the other thread read
        meanwhile stays.
        """
        found = _registry_lock(key) if key else None
        with self._lock_guard:
            is_authoritative = known is not None and known == self.lock
            if found is None:
                if is_authoritative or self.lock is None:
                    self.lock = RegistryLock(session=None, number=0)
            elif is_authoritative or self.lock is None or found.index >= self.lock.index:
                self.lock = found
                self.lease.holder = found.address if found.address != self.machine.address else ""
            is_free = self.lock.session is None
            self._free_since_s = (self._free_since_s or time.monotonic()) if is_free else None

    def elect(self) -> None:
        """Confirm, decide and act in a loop; a change of the lock starts the next pass early."""
        with contextlib.suppress(OSError):
            self.session = SESSION_FILE.read_text() or None
        while not (self.is_leaving and self.lease.number is None):
            self.notify_watchdog()
            self.confirm()
            try:
                decided = election.decide(self.candidate_state())
                self.notify_watchdog()  # each question may take almost FENCE_S
                self.act(decided)
                if self.lease.number is None and self.lease.holder:
                    self.withdraw_after_successor()
            except Unavailable as exc:
                log(f"registry: will try again: {exc}")
            self.check_process()
            self.check_name()
            self.recheck_lock()
            self.changed.wait(election.CONFIRM_INTERVAL_S)
            self.changed.clear()
        self.wait_for_successor()

    def wait_for_successor(self) -> None:
        """Relay until another node serves, for a bounded time."""
        deadline_s = time.monotonic() + SUCCESSOR_TIMEOUT_S
        while time.monotonic() < deadline_s and not (self.lease.holder and self.is_named_elsewhere()):
            self.notify_watchdog()
            time.sleep(election.CONFIRM_INTERVAL_S)
        # Clients that have just resolved this address still get answers.
        time.sleep(min(0.5, max(0.0, deadline_s - time.monotonic())))
        with contextlib.suppress(Unavailable):
            self.withdraw()
            for session in filter(None, (self.session, self._uncertain_session)):
                self.route.agent.destroy_session(session)
        SESSION_FILE.unlink(missing_ok=True)

    # -- gather -----------------------------------------------------------------------------

    def candidate_state(self) -> CandidateState:
        """Return the state of this candidate."""
        number, lock, free_since_s = self.lease.number, self.lock, self._free_since_s
        # The state includes Consul's leader only if a decision needs it. A lock without any former holder is
        # free to all candidates.
        is_free = number is None and free_since_s is not None and lock is not None and lock.number > 0
        return CandidateState(
            session=self.session,
            lock=lock,
            confirmed_s=time.monotonic() - self._confirmed_s,
            serving=number,
            silent_s=self.silent_s() if number is not None else 0.0,
            unnamed_s=0.0 if number is None or self._is_named else time.monotonic() - self._unnamed_since_s,
            is_leaving=self.is_leaving or (number is not None and self._handover == str(number)),
            is_beside_leader=is_free and self.leader_address() == self.machine.address,
            free_s=time.monotonic() - free_since_s if free_since_s is not None else 0.0,
        )

    def read_lock(self) -> Key | None:
        """Return the lock as a majority of the servers knows it. Raises Unavailable."""
        return self.route.agent.get(names.KV_REGISTRY_LOCK, consistency="consistent")

    def leader_address(self) -> str:
        """Return the address of Consul's leader; empty if there is none. Raises Unavailable."""
        return self.route.agent.leader().rpartition(":")[0]

    def confirm(self) -> None:
        """Have Consul confirm the session and, if this node seems to hold it, the lock; or create a session.

        The clock is read before the query. The proxy may answer only after an answer that a majority of the
        servers confirmed. The watcher's server may lag behind, and a leader that stood still renews sessions
        that have ended.
        """
        asked_s, lock, key = time.monotonic(), self.lock, None
        holds = bool(self.session and lock and lock.session == self.session)
        try:
            if self._uncertain_session:
                self.route.agent.destroy_session(self._uncertain_session)
                self._uncertain_session = None
            if holds:
                key = self.read_lock()
                self.update_lock(key, known=lock)
            if not holds or asked_s - self._renewed_s >= election.SESSION_INTERVAL_S:
                self.renew(asked_s)
        except Unavailable:
            self.route.on_failure()
            return
        self.route.on_answer()
        self._confirmed_s = asked_s
        if self.session and key and key.session == self.session and key.lock_index == self.lease.number:
            self.lease.fresh_until_s = asked_s + election.FENCE_S

    def recheck_lock(self) -> None:
        """Check whether another node still holds the lock. The watcher cannot notice that an operator deleted
        the lock or set it back to an older state."""
        lock, now_s = self.lock, time.monotonic()
        is_held_elsewhere = lock is not None and lock.session not in (None, self.session)
        if not is_held_elsewhere or now_s - self._lock_checked_s < LOCK_INTERVAL_S:
            return
        self._lock_checked_s = now_s
        with contextlib.suppress(Unavailable):
            self.update_lock(self.read_lock(), known=lock)

    def renew(self, asked_s: float) -> None:
        """Renew the session, or create one. Raises Unavailable."""
        if self.session and not self.route.agent.renew_session(self.session):
            self.session = None
        if not self.session and not self.is_leaving:
            self.session = self.route.agent.create_session(
                names.SERVICE_REGISTRY,
                node=self.machine.name,
                ttl_s=election.SESSION_TTL_S,
                lock_delay_s=election.LOCK_DELAY_S,
            )
            SESSION_FILE.write_text(self.session)
        self._renewed_s = asked_s

    # -- act --------------------------------------------------------------------------------

    def act(self, action: election.Action) -> None:
        """Take one step. Raises Unavailable."""
        match action:
            case election.Acquire():
                self.acquire()
            case election.Serve(number):
                self.serve(number)
            case election.Stop(reason):
                self.stop(reason)
            case election.Declare():
                self.declare()
            case election.GiveUp(reason):
                self.give_up(reason)
            case election.HandOver():
                self.hand_over()
            case election.Stay():
                pass

    @property
    def _lock_value(self) -> str:
        return election.holder_value(self.machine.name, self.machine.address)

    def acquire(self) -> None:
        """Try to get the lock: serve at once after success, or retry soon during the lock-delay."""
        if self.session and self.route.agent.acquire(names.KV_REGISTRY_LOCK, self._lock_value, self.session):
            key = self.route.agent.get(names.KV_REGISTRY_LOCK)
            self.update_lock(key)
            if key and key.session == self.session:
                self.serve(key.lock_index)
                return
        time.sleep(0.1)
        self.changed.set()

    def serve(self, number: int) -> None:
        """Start the registry, wait until it answers, open the proxy, declare the name."""
        self.registry.start(self.machine.name, number, self.secret())
        if not self.wait_until_ready():
            self.give_up("it does not start")
            return
        self._is_named, self._unnamed_since_s = None, time.monotonic()
        self.lease.is_draining = False
        self.lease.number = number
        self.confirm()
        self.declare()
        log(f"serves the registry under lease {number}")

    def secret(self) -> str:
        """Return the holders' common secret. The first holder creates it, under the lock.

        It is never overwritten. A holder that stood still may continue here after the next holder created the
        secret.
        """
        if (key := self.route.agent.get(names.KV_REGISTRY_SECRET)) is not None:
            return key.value
        made = secrets.token_hex(32)
        if self.route.agent.create(names.KV_REGISTRY_SECRET, made):
            return made
        return self.secret()

    def wait_until_ready(self) -> bool:
        """Whether the registry answers in time; the lease is confirmed meanwhile."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s and self.registry.runs:
            if self.registry.answers(timeout_s=PROBE_TIMEOUT_S):
                self._answered_s = time.monotonic()
                return True
            self.notify_watchdog()
            self.confirm()
            time.sleep(0.03)
        return False

    def declare(self) -> None:
        """Declare the registry's name for this node."""
        address, port = self.machine.address, names.REGISTRY_PORT
        mine = Service(id=names.SERVICE_REGISTRY, name=names.SERVICE_REGISTRY, address=address, port=port)
        self.consul.register(mine, {**CHECK, "http": f"http://{address}:{port}/v2/"})
        self._is_named = True

    def check_name(self) -> None:
        """Check that Consul still has the name. Consul may have lost its data."""
        now_s = time.monotonic()
        if self.lease.number is None or not self._is_named or now_s - self._name_checked_s < NAME_INTERVAL_S:
            return
        self._name_checked_s = now_s
        with contextlib.suppress(Unavailable):
            self._is_named = names.SERVICE_REGISTRY in {each.id for each in self.consul.services()}
            self._unnamed_since_s = now_s

    def withdraw_after_successor(self) -> None:
        """Withdraw the name after the next holder has it. Until then the name leads only to this node's
        proxy."""
        if self._is_named is False:
            return
        if self.is_named_elsewhere() or time.monotonic() - self._stopped_s > NAME_INTERVAL_S:
            self.withdraw()

    def is_named_elsewhere(self) -> bool:
        """Whether the name already leads to another node; False if Consul does not answer."""
        with contextlib.suppress(Unavailable):
            found = self.route.agent.healthy(names.SERVICE_REGISTRY)
            return any(each.address != self.machine.address for each in found)
        return False

    def withdraw(self) -> None:
        """Withdraw the registry's name from this node."""
        if self._is_named is not False:
            self.consul.deregister(names.SERVICE_REGISTRY)
            self._is_named = False

    def silent_s(self) -> float:
        """Seconds since the registry's process answered last; 0 if the last probe was answered."""
        return 0.0 if self._answered_s > self._probed_s else time.monotonic() - self._answered_s

    def check_process(self) -> None:
        """Probe the registry. If it died, the next pass starts it again under the same lease."""
        if self.lease.number is None:
            return
        now_s = time.monotonic()
        interval_s = PROBE_INTERVAL_S if self._answered_s > self._probed_s else PROBE_TIMEOUT_S
        if not self.registry.runs:
            self.end_process("it died")
        elif now_s - self._probed_s > interval_s:
            self._probed_s = now_s
            if self.registry.answers(timeout_s=PROBE_TIMEOUT_S):
                self._answered_s = time.monotonic()

    def end_process(self, reason: str) -> None:
        """End the process, after the proxy is shut."""
        self.lease.number, self._stopped_s = None, time.monotonic()
        if self.registry.end():
            log(f"ends the registry: {reason}")

    def stop(self, reason: str) -> None:
        """Stop answering, because the lease is lost or unsure."""
        self.lease.fresh_until_s = 0.0
        self.end_process(reason)

    def give_up(self, reason: str) -> None:
        """Free the lock for a node that may be faster, and make no attempt for a while."""
        self.stop(reason)
        self.release()
        self.wait_for_other_holder()

    def hand_over(self) -> None:
        """Finish open requests and free the lock; connections wait at the proxy for the next holder."""
        log("hands the registry over")
        self.lease.is_draining = True
        if self._proxy and self._loop:
            drained = asyncio.run_coroutine_threadsafe(self._proxy.drain(DRAIN_TIMEOUT_S), self._loop)
            while not drained.done():
                self.notify_watchdog()
                self.confirm()
                time.sleep(0.02)
        self.end_process("handed over")
        self.lease.fresh_until_s = 0.0
        try:
            self.release()
        finally:
            self.wait_for_other_holder()

    def release(self) -> None:
        """Free the lock. Raises Unavailable.

        Consul may execute a release later, and then without a lock-delay. Therefore nothing is served under
        that session any more. The end of the session frees a lock that it still holds.
        """
        if self.session is None:
            return
        try:
            self.route.agent.release(names.KV_REGISTRY_LOCK, self._lock_value, self.session)
        except Unavailable:
            self._uncertain_session, self.session = self.session, None
            SESSION_FILE.unlink(missing_ok=True)
            raise

    def wait_for_other_holder(self) -> None:
        """Leave the lock to another node for a while."""
        deadline_s = time.monotonic() + SUCCESSOR_TIMEOUT_S
        while not self.lease.holder and time.monotonic() < deadline_s:
            self.notify_watchdog()
            self.confirm()
            time.sleep(0.05)
        self.lease.is_draining = False


def _registry_lock(key: Key) -> RegistryLock:
    return election.registry_lock(key.value, session=key.session, number=key.lock_index, index=key.index)


def main() -> None:
    """Run the candidate: entry point of swarmer-registry.service."""
    asyncio.run(RegistryElector(read_machine()).run())
    sys.exit(0)


if __name__ == "__main__":
    main()
