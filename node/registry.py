"""Serves the registry while this node holds its lease; decisions in swarmer/core/election.py.

Three threads share plain values: the gate (node/gate.py) lets answers out, a watcher reads the lock as it
changes, and the election confirms the lease, decides and acts.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from node.gate import Door, Gate
from node.machine import alive, read, say
from swarmer.adapters.consul import Consul, Key, Unavailable
from swarmer.core import election, names
from swarmer.core.configuration import Machine
from swarmer.core.election import Lock, Tenure
from swarmer.core.registration import Service

COMMAND: Final = ("/usr/bin/docker-registry", "serve", "/etc/swarmer/registry.yml")
SESSION_FILE: Final = Path("/run/swarmer-registry.session")
"""A candidate that is started anew goes on with its session, and so with its lease."""
WATCH_S: Final = 10
START_S: Final = 10.0
"""A registry that does not answer by then gives up its lease: another node may do better."""
HEARTBEAT_S: Final = 1.0
DEAF_S: Final = 3.0
"""A registry that has not answered for so long is killed."""
DRAIN_S: Final = 3.0
LEAVE_S: Final = 3.0
"""A candidate that ends waits so long for the next holder, to relay to it what still comes."""
CHECK: Final = {"interval": "2s", "timeout": "2s", "status": "passing"}


class _Unix(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(names.REGISTRY_SOCKET)


@dataclass
class Candidate:
    """One eligible node."""

    machine: Machine
    door: Door = field(default_factory=Door)
    consul: Consul = field(default_factory=lambda: Consul(timeout_s=election.FENCE_S))
    session: str | None = None
    lock: Lock | None = None
    leaves: bool = False
    process: subprocess.Popen[bytes] | None = None
    changed: threading.Event = field(default_factory=threading.Event)
    _learning: threading.Lock = field(default_factory=threading.Lock)
    _confirmed_s: float = -election.GIVE_UP_S
    _heard_s: float = 0.0
    _asked_s: float = 0.0
    _handover: str = ""
    _is_declared: bool = True
    """Until proved otherwise: Consul keeps what an earlier life of this node declared."""
    _gate: Gate | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    # -- threads ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Until SIGTERM; ends with the lease handed over."""
        self._loop = asyncio.get_running_loop()
        self._gate = Gate(self.machine.address, self.door)
        self._loop.add_signal_handler(signal.SIGTERM, self.leave)
        threading.Thread(target=self.watch, daemon=True).start()
        elected = asyncio.create_task(asyncio.to_thread(self.elect))
        gate = asyncio.create_task(self._gate.serve())
        await asyncio.wait((elected, gate), return_when=asyncio.FIRST_COMPLETED)
        for task in (elected, gate):
            if task.done():
                task.result()

    def leave(self) -> None:
        """Hand over, then end."""
        self.leaves = True
        self.changed.set()

    def watch(self) -> None:
        """Keep `lock` as Consul has it."""
        consul, index = Consul(timeout_s=5), None
        while True:
            try:
                index, found = consul.watch(names.KV_REGISTRY, index, wait_s=WATCH_S)
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

    def learn(self, key: Key | None) -> None:
        """The lock's state, unless a newer one is known: two threads read it."""
        address = election.holder_address(key.value) if key and key.session else ""
        with self._learning:
            if key is None:
                # A server that is behind does not know the lock yet; nobody ever deletes it.
                self.lock = self.lock or Lock(session=None, number=0)
                return
            if self.lock is None or key.index >= self.lock.index:
                self.lock = Lock(session=key.session, number=key.lock_index, holder=address, index=key.index)
                self.door.holder = address if address != self.machine.address else ""

    def elect(self) -> None:
        """Confirm, decide, act; sooner where the lock changed."""
        with contextlib.suppress(OSError):
            self.session = SESSION_FILE.read_text() or None
        while not (self.leaves and self.process is None):
            alive()
            self.confirm()
            try:
                self.act(election.decide(self.tenure()))
                if self.process is None and self.door.holder:
                    self.withdraw()
            except Unavailable as exc:
                say(f"registry: will try again: {exc}")
            self.check_process()
            self.changed.wait(election.RENEW_S)
            self.changed.clear()
        self.see_next_holder_in()

    def see_next_holder_in(self) -> None:
        """Relay until another serves, for a bounded time."""
        deadline_s = time.monotonic() + LEAVE_S
        while not self.door.holder and time.monotonic() < deadline_s:
            alive()
            time.sleep(election.RENEW_S)
        time.sleep(min(1.0, max(0.0, deadline_s - time.monotonic())))
        with contextlib.suppress(Unavailable):
            self.withdraw()
            if self.session:
                self.consul.destroy_session(self.session)
        SESSION_FILE.unlink(missing_ok=True)

    # -- gather -----------------------------------------------------------------------------

    def tenure(self) -> Tenure:
        """What is known now."""
        number = self.door.number
        return Tenure(
            session=self.session,
            lock=self.lock,
            confirmed_s=time.monotonic() - self._confirmed_s,
            serves=number,
            leaves=self.leaves or (number is not None and self._handover == str(number)),
        )

    def confirm(self) -> None:
        """Have Consul confirm the session, or make one. The clock is read before the question."""
        asked_s = time.monotonic()
        try:
            if self.session and not self.consul.renew_session(self.session):
                self.session = None
            if not self.session and not self.leaves:
                self.session = self.consul.create_session(
                    names.SERVICE_REGISTRY, ttl_s=election.TTL_S, lock_delay_s=election.LOCK_DELAY_S
                )
                SESSION_FILE.write_text(self.session)
        except Unavailable:
            return
        self._confirmed_s = asked_s
        lock = self.lock
        if self.session and lock and lock.session == self.session:
            self.door.fresh_until_s = asked_s + election.FENCE_S

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
        headers = f"{{{names.HEADER_NODE}: [{self.machine.name}], {names.HEADER_LEASE}: ['{number}']}}"
        kept = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "PATH"))}
        # docker-registry panics where this is set.
        kept.pop("AWS_CA_BUNDLE", None)
        Path(names.REGISTRY_SOCKET).unlink(missing_ok=True)
        try:
            self.process = subprocess.Popen(COMMAND, env=kept | {"REGISTRY_HTTP_HEADERS": headers})
        except OSError as exc:
            say(f"registry: {exc}")
        if not self.starts():
            self.give_up()
            return
        self.door.is_draining = False
        self.door.number = number
        self.confirm()
        self.declare()
        say(f"serves the registry under lease {number}")

    def starts(self) -> bool:
        """Whether the registry answers in time; the lease is confirmed meanwhile."""
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s and self.process and self.process.poll() is None:
            if self.answers(timeout_s=1):
                self._heard_s = time.monotonic()
                return True
            alive()
            self.confirm()
            time.sleep(0.03)
        return False

    def answers(self, *, timeout_s: float) -> bool:
        """Whether docker-registry itself answers."""
        connection = _Unix("registry", timeout=timeout_s)
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def declare(self) -> None:
        """The registry's name leads here."""
        address, port = self.machine.address, names.REGISTRY_PORT
        mine = Service(id=names.SERVICE_REGISTRY, name=names.SERVICE_REGISTRY, address=address, port=port)
        self.consul.register(mine, {**CHECK, "http": f"http://{address}:{port}/v2/"})
        self._is_declared = True

    def withdraw(self) -> None:
        """The registry's name leads here no more."""
        if self._is_declared:
            self.consul.deregister(names.SERVICE_REGISTRY)
            self._is_declared = False

    def check_process(self) -> None:
        """A registry that died or went deaf is ended; the next pass starts it under the same lease."""
        if self.process is None or self.door.number is None:
            return
        now_s = time.monotonic()
        if self.process.poll() is not None:
            self.end_process("it died")
        elif now_s - self._asked_s > HEARTBEAT_S:
            self._asked_s = now_s
            if self.answers(timeout_s=0.3):
                self._heard_s = time.monotonic()
            elif now_s - self._heard_s > DEAF_S:
                self.end_process("it does not answer")

    def end_process(self, reason: str) -> None:
        """The gate is shut first."""
        self.door.number = None
        process, self.process = self.process, None
        if process:
            say(f"ends the registry: {reason}")
            process.kill()
            process.wait()

    def stop(self, reason: str) -> None:
        """The lease is gone or unsure: nothing is answered here any more, and the name leads elsewhere."""
        self.door.fresh_until_s = 0.0
        self.end_process(reason)
        self.withdraw()

    def give_up(self) -> None:
        """Free the lock for a node that can do better, and stand back for a while."""
        self.end_process("it does not start")
        if self.session:
            self.consul.release(names.KV_REGISTRY_LOCK, self._mark, self.session)
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s and not self.leaves:
            alive()
            self.confirm()
            time.sleep(election.RENEW_S)

    def hand_over(self) -> None:
        """Finish what is under way, free the lock; connections wait at the gate for the next holder."""
        say("hands the registry over")
        self.door.is_draining = True
        if self._gate and self._loop:
            drained = asyncio.run_coroutine_threadsafe(self._gate.drain(DRAIN_S), self._loop)
            while not drained.done():
                alive()
                self.confirm()
                time.sleep(0.02)
        self.end_process("handed over")
        self.door.fresh_until_s = 0.0
        if self.session:
            self.consul.release(names.KV_REGISTRY_LOCK, self._mark, self.session)
        self.stand_back()

    def stand_back(self) -> None:
        """Leave the lock to another, unless nobody wants it; the name moves once somebody has it."""
        deadline_s = time.monotonic() + LEAVE_S
        while not self.door.holder and time.monotonic() < deadline_s:
            alive()
            self.confirm()
            time.sleep(0.05)
        self.door.is_draining = False
        self.withdraw()


def main() -> None:
    """Entry point of swarmer-registry.service."""
    asyncio.run(Candidate(read()).run())
    sys.exit(0)


if __name__ == "__main__":
    main()
