"""Serves the registry while this node holds its lease; decisions in swarmer/core/election.py.

Three threads share plain values: the gate (node/gate.py) lets answers out, a watcher reads the lock as it
changes, and the election confirms the lease, decides and acts.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from node.docker_registry import DockerRegistry
from node.gate import Door, Gate
from node.machine import alive, read, say
from swarmer.adapters.consul import Consul, Key, Unavailable
from swarmer.core import election, names
from swarmer.core.configuration import Machine
from swarmer.core.election import Lock, Tenure
from swarmer.core.service import Service

SESSION_FILE: Final = Path("/run/swarmer-registry.session")
"""A candidate that is started anew goes on with its session, and so with its lease."""
WATCH_TIMEOUT_S: Final = 10
START_TIMEOUT_S: Final = 10.0
"""A registry that does not answer by then gives up its lease: another node may do better."""
PROBE_INTERVAL_S: Final = 2.0
PROBE_TIMEOUT_S: Final = 1.0
SILENCE_TIMEOUT_S: Final = 5.0
"""A registry that has not answered for so long is killed; a busy machine takes its time (seen: 3 s)."""
NAME_INTERVAL_S: Final = 5.0
"""So often the holder looks whether its name still leads to it."""
LOCK_INTERVAL_S: Final = 5.0
"""So often the others look whether the lock is still whose they take it for."""
DRAIN_TIMEOUT_S: Final = 3.0
HEARTBEAT_INTERVAL_S: Final = 0.5
HEARTBEAT_TIMEOUT_S: Final = 2.0
"""A gate that has done nothing for so long hangs: this program stops telling systemd that it works."""
SUCCESSOR_TIMEOUT_S: Final = 3.0
"""A candidate that ends waits so long for the next holder, to relay to it what still comes."""
CHECK: Final = {"interval": "2s", "timeout": "5s", "FailuresBeforeCritical": 3, "status": "passing"}
"""The name of a registry goes when its lease does; a late answer of a busy machine is no reason."""


@dataclass
class Candidate:
    """One eligible node."""

    machine: Machine
    door: Door = field(default_factory=Door)
    consul: Consul = field(default_factory=lambda: Consul(timeout_s=election.FENCE_S))
    session: str | None = None
    lock: Lock | None = None
    leaves: bool = False
    registry: DockerRegistry = field(default_factory=DockerRegistry)
    changed: threading.Event = field(default_factory=threading.Event)
    _learning: threading.Lock = field(default_factory=threading.Lock)
    _confirmed_s: float = -election.CONFIRM_TIMEOUT_S
    _renewed_s: float = -election.SESSION_INTERVAL_S
    _free_since_s: float | None = None
    _heard_s: float = 0.0
    _asked_s: float = 0.0
    _handover: str = ""
    _unsure: str | None = None
    """A session whose release may or may not have been carried out: it is to be ended."""
    _is_named: bool | None = None
    """Whether the name leads here; None: Consul may know it from an earlier life of this node."""
    _since_s: float = 0.0
    """It has served without its name since then, where it does."""
    _verified_s: float = 0.0
    _doubted_s: float = 0.0
    _left_s: float = 0.0
    """It served last then."""
    _beat_s: float = 0.0
    """The gate's loop worked then."""
    _watcher: threading.Thread | None = None
    _gate: Gate | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    # -- threads ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Until SIGTERM; ends with the lease handed over."""
        self._loop = asyncio.get_running_loop()
        self._gate = Gate(self.machine.address, self.door)
        self._loop.add_signal_handler(signal.SIGTERM, self.leave)
        self._beat_s = time.monotonic()
        self._watcher = threading.Thread(target=self.watch, daemon=True)
        self._watcher.start()
        elected = asyncio.create_task(asyncio.to_thread(self.elect))
        tasks = (elected, asyncio.create_task(self._gate.serve()), asyncio.create_task(self.beat()))
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()

    async def beat(self) -> None:
        """For as long as the gate's loop does its work."""
        while True:
            self._beat_s = time.monotonic()
            await asyncio.sleep(HEARTBEAT_INTERVAL_S)

    def alive(self) -> None:
        """Tell systemd so, while the other threads work too: a lease without a gate serves nobody."""
        hangs = self._gate is not None and time.monotonic() - self._beat_s > HEARTBEAT_TIMEOUT_S
        if not hangs and (self._watcher is None or self._watcher.is_alive()):
            alive()

    def leave(self) -> None:
        """Hand over, then end."""
        self.leaves = True
        self.changed.set()

    def watch(self) -> None:
        """Keep `lock` as Consul has it."""
        consul, index = Consul(timeout_s=5), None
        while True:
            try:
                index, found = consul.watch(names.KV_REGISTRY, index, wait_s=WATCH_TIMEOUT_S)
                self.see(found)
            except Unavailable:
                index = None
                time.sleep(election.RENEW_S)

    def see(self, found: dict[str, Key]) -> None:
        """Take in what stands below the registry's prefix."""
        wish = found.get(names.KV_REGISTRY_HANDOVER)
        self._handover = wish.value if wish else ""
        self.learn(found.get(names.KV_REGISTRY_LOCK))
        self.changed.set()

    def learn(self, key: Key | None, *, known: Lock | None = None) -> None:
        """The lock's state, unless a newer one is known: two threads read it, and a server may be behind.

        `known` when a majority of them was asked: where that is older, or nothing, people deleted the lock or
        restored a snapshot. What the other thread read meanwhile is left alone.
        """
        address = election.holder_address(key.value) if key and key.session else ""
        with self._learning:
            is_truth = known is not None and known == self.lock
            if key is None:
                self.lock = Lock(session=None, number=0) if is_truth or self.lock is None else self.lock
            elif is_truth or self.lock is None or key.index >= self.lock.index:
                self.lock = Lock(session=key.session, number=key.lock_index, holder=address, index=key.index)
                self.door.holder = address if address != self.machine.address else ""
            is_free = self.lock.session is None
            self._free_since_s = (self._free_since_s or time.monotonic()) if is_free else None

    def elect(self) -> None:
        """Confirm, decide, act; sooner where the lock changed."""
        with contextlib.suppress(OSError):
            self.session = SESSION_FILE.read_text() or None
        while not (self.leaves and self.door.number is None):
            self.alive()
            self.confirm()
            try:
                decided = election.decide(self.tenure())
                self.alive()  # each question may take almost FENCE_S
                self.act(decided)
                if self.door.number is None and self.door.holder:
                    self.yield_name()
            except Unavailable as exc:
                say(f"registry: will try again: {exc}")
            self.check_process()
            self.check_name()
            self.doubt()
            self.changed.wait(election.RENEW_S)
            self.changed.clear()
        self.see_next_holder_in()

    def see_next_holder_in(self) -> None:
        """Relay until another serves, for a bounded time."""
        deadline_s = time.monotonic() + SUCCESSOR_TIMEOUT_S
        while time.monotonic() < deadline_s and not (self.door.holder and self.is_named_elsewhere()):
            self.alive()
            time.sleep(election.RENEW_S)
        # Who has just learnt this address is still let in.
        time.sleep(min(0.5, max(0.0, deadline_s - time.monotonic())))
        with contextlib.suppress(Unavailable):
            self.withdraw()
            for session in filter(None, (self.session, self._unsure)):
                self.consul.destroy_session(session)
        SESSION_FILE.unlink(missing_ok=True)

    # -- gather -----------------------------------------------------------------------------

    def tenure(self) -> Tenure:
        """What is known now."""
        number, lock, free_since_s = self.door.number, self.lock, self._free_since_s
        # Asked for only where it matters. One that nobody ever held is nobody's to leave.
        is_free = number is None and free_since_s is not None and lock is not None and lock.number > 0
        return Tenure(
            session=self.session,
            lock=lock,
            confirmed_s=time.monotonic() - self._confirmed_s,
            serves=number,
            unnamed_s=0.0 if number is None or self._is_named else time.monotonic() - self._since_s,
            leaves=self.leaves or (number is not None and self._handover == str(number)),
            beside_leader=is_free and self.consul.leader().rpartition(":")[0] == self.machine.address,
            free_s=time.monotonic() - free_since_s if free_since_s is not None else 0.0,
        )

    def confirm(self) -> None:
        """Have Consul confirm the session, and the lock where this node seems to hold it; or make a session.

        The clock is read before the question. Only what a majority of the servers confirms opens the gate:
        the watcher's server may be behind, and a leader that stood still renews sessions that are over.
        """
        asked_s, lock, key = time.monotonic(), self.lock, None
        holds = bool(self.session and lock and lock.session == self.session)
        try:
            if self._unsure:
                self.consul.destroy_session(self._unsure)
                self._unsure = None
            if holds:
                key = self.consul.get(names.KV_REGISTRY_LOCK, consistency="consistent")
                self.learn(key, known=lock)
            if not holds or asked_s - self._renewed_s >= election.SESSION_INTERVAL_S:
                self.renew(asked_s)
        except Unavailable:
            return
        self._confirmed_s = asked_s
        if self.session and key and key.session == self.session and key.lock_index == self.door.number:
            self.door.fresh_until_s = asked_s + election.FENCE_S

    def doubt(self) -> None:
        """Whether another still holds the lock. The watcher takes an older state, or none, for no news."""
        lock, now_s = self.lock, time.monotonic()
        if lock is None or lock.session in (None, self.session) or now_s - self._doubted_s < LOCK_INTERVAL_S:
            return
        self._doubted_s = now_s
        with contextlib.suppress(Unavailable):
            self.learn(self.consul.get(names.KV_REGISTRY_LOCK, consistency="consistent"), known=lock)

    def renew(self, asked_s: float) -> None:
        """The session, or make one. Raises Unavailable."""
        if self.session and not self.consul.renew_session(self.session):
            self.session = None
        if not self.session and not self.leaves:
            self.session = self.consul.create_session(
                names.SERVICE_REGISTRY, ttl_s=election.SESSION_TTL_S, lock_delay_s=election.LOCK_DELAY_S
            )
            SESSION_FILE.write_text(self.session)
        self._renewed_s = asked_s

    # -- act --------------------------------------------------------------------------------

    def act(self, action: election.Action) -> None:
        """One step; raises Unavailable."""
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
    def _mark(self) -> str:
        return election.holder_value(self.machine.name, self.machine.address)

    def acquire(self) -> None:
        """Where the lock is won, serve at once; where its delay still runs, try again soon."""
        if self.session and self.consul.acquire(names.KV_REGISTRY_LOCK, self._mark, self.session):
            key = self.consul.get(names.KV_REGISTRY_LOCK)
            self.learn(key)
            if key and key.session == self.session:
                self.serve(key.lock_index)
                return
        time.sleep(0.1)
        self.changed.set()

    def serve(self, number: int) -> None:
        """Start the registry, wait until it answers, open the gate, declare it."""
        self.registry.start(self.machine.name, number, self.secret())
        if not self.starts():
            self.give_up("it does not start")
            return
        self._is_named, self._since_s = None, time.monotonic()
        self.door.is_draining = False
        self.door.number = number
        self.confirm()
        self.declare()
        say(f"serves the registry under lease {number}")

    def secret(self) -> str:
        """The holders' common secret; the first of them makes it, under the lock.

        It is never overwritten: a holder that stood still may go on here after the next one has made it.
        """
        if (key := self.consul.get(names.KV_REGISTRY_SECRET)) is not None:
            return key.value
        made = secrets.token_hex(32)
        if self.consul.create(names.KV_REGISTRY_SECRET, made):
            return made
        return self.secret()

    def starts(self) -> bool:
        """Whether the registry answers in time; the lease is confirmed meanwhile."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s and self.registry.runs:
            if self.registry.answers(timeout_s=PROBE_TIMEOUT_S):
                self._heard_s = time.monotonic()
                return True
            self.alive()
            self.confirm()
            time.sleep(0.03)
        return False

    def declare(self) -> None:
        """The registry's name leads here."""
        address, port = self.machine.address, names.REGISTRY_PORT
        mine = Service(id=names.SERVICE_REGISTRY, name=names.SERVICE_REGISTRY, address=address, port=port)
        self.consul.register(mine, {**CHECK, "http": f"http://{address}:{port}/v2/"})
        self._is_named = True

    def check_name(self) -> None:
        """A Consul that lost its data does not know the name any more."""
        now_s = time.monotonic()
        if self.door.number is None or not self._is_named or now_s - self._verified_s < NAME_INTERVAL_S:
            return
        self._verified_s = now_s
        with contextlib.suppress(Unavailable):
            self._is_named = names.SERVICE_REGISTRY in {each.id for each in self.consul.services()}
            self._since_s = now_s

    def yield_name(self) -> None:
        """Withdraw once the next holder has the name: until then this door leads to it, and no other does."""
        if self._is_named is False:
            return
        if self.is_named_elsewhere() or time.monotonic() - self._left_s > NAME_INTERVAL_S:
            self.withdraw()

    def is_named_elsewhere(self) -> bool:
        """Whether the name leads to another node already; False where Consul does not say."""
        with contextlib.suppress(Unavailable):
            found = self.consul.healthy(names.SERVICE_REGISTRY)
            return any(each["Service"]["Address"] != self.machine.address for each in found)
        return False

    def withdraw(self) -> None:
        """The registry's name leads here no more."""
        if self._is_named is not False:
            self.consul.deregister(names.SERVICE_REGISTRY)
            self._is_named = False

    def check_process(self) -> None:
        """A registry that died or went deaf is ended; the next pass starts it under the same lease."""
        if self.door.number is None:
            return
        now_s = time.monotonic()
        if not self.registry.runs:
            self.end_process("it died")
        elif now_s - self._asked_s > (PROBE_INTERVAL_S if self._heard_s > self._asked_s else PROBE_TIMEOUT_S):
            self._asked_s = now_s
            if self.registry.answers(timeout_s=PROBE_TIMEOUT_S):
                self._heard_s = time.monotonic()
            elif now_s - self._heard_s > SILENCE_TIMEOUT_S:
                self.end_process("it does not answer")

    def end_process(self, reason: str) -> None:
        """The gate is shut first."""
        self.door.number, self._left_s = None, time.monotonic()
        if self.registry.end():
            say(f"ends the registry: {reason}")

    def stop(self, reason: str) -> None:
        """The lease is gone or unsure: nothing is answered here any more."""
        self.door.fresh_until_s = 0.0
        self.end_process(reason)

    def give_up(self, reason: str) -> None:
        """Free the lock for a node that can do better, and stand back for a while."""
        self.end_process(reason)
        self.door.fresh_until_s = 0.0
        self.release()
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s and not self.leaves:
            self.alive()
            self.confirm()
            time.sleep(election.RENEW_S)

    def hand_over(self) -> None:
        """Finish what is under way, free the lock; connections wait at the gate for the next holder."""
        say("hands the registry over")
        self.door.is_draining = True
        if self._gate and self._loop:
            drained = asyncio.run_coroutine_threadsafe(self._gate.drain(DRAIN_TIMEOUT_S), self._loop)
            while not drained.done():
                self.alive()
                self.confirm()
                time.sleep(0.02)
        self.end_process("handed over")
        self.door.fresh_until_s = 0.0
        try:
            self.release()
        finally:
            self.stand_back()

    def release(self) -> None:
        """Free the lock. Raises Unavailable: Consul may yet carry it out, without a lock-delay, when it comes
        to it. So nothing is served under that session any more; its end frees a lock that it still holds.
        """
        if self.session is None:
            return
        try:
            self.consul.release(names.KV_REGISTRY_LOCK, self._mark, self.session)
        except Unavailable:
            self._unsure, self.session = self.session, None
            SESSION_FILE.unlink(missing_ok=True)
            raise

    def stand_back(self) -> None:
        """Leave the lock to another, unless nobody wants it."""
        deadline_s = time.monotonic() + SUCCESSOR_TIMEOUT_S
        while not self.door.holder and time.monotonic() < deadline_s:
            self.alive()
            self.confirm()
            time.sleep(0.05)
        self.door.is_draining = False


def main() -> None:
    """Entry point of swarmer-registry.service."""
    asyncio.run(Candidate(read()).run())
    sys.exit(0)


if __name__ == "__main__":
    main()
