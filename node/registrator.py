"""Declares every running container of this node in Consul: as soon as it runs, for as long as it runs.

One loop. An event leads to one look at one container and to writing what differs; at the start, after every
break and from time to time everything is compared. The rules are swarmer/core/registration.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from node.ledger import Ledger
from node.looks import Looks
from node.mesh import Mesh
from swarmer.adapters.catalogue import Catalogue
from swarmer.adapters.catalogue import Unavailable as ConsulUnavailable
from swarmer.adapters.engine import Engine, Events
from swarmer.adapters.engine import Unavailable as EngineUnavailable
from swarmer.core import registration
from swarmer.core.registration import Options, Service, events, naming

COMPARE_INTERVAL_S: Final = 10.0
"""Between two full comparisons, at least."""
LONGEST_COMPARE_INTERVAL_S: Final = 120.0
COMPARE_PAUSE_FACTOR: Final = 1500.0
"""A comparison costs at most this part of the pause after it: 0.07 % of a core."""
FIRST_RETRY_PAUSE_S: Final = 0.1
LONGEST_RETRY_PAUSE_S: Final = 5.0
INSPECT_TIMEOUT_S: Final = 30.0
"""With an answer about one container; then it is asked for again."""
SELECT_TIMEOUT_S: Final = 30.0
"""The watchdog wants to hear something."""


@dataclass
class Known:
    """One running container."""

    services: tuple[Service, ...]
    row: str = ""
    """What `docker ps` said of it when it was looked at; empty: to be looked at again."""


@dataclass
class Registrator:
    """Gathers from the engine, writes to one Consul agent."""

    options: Options
    engine: Engine
    catalogue: Catalogue
    say: Callable[[str], None]
    alive: Callable[[], None] = lambda: None
    known: dict[str, Known] = field(default_factory=dict)
    """By container id, the one that started last at the end."""
    failed: set[str] = field(default_factory=set)
    """Short ids of containers that failed, whose entries stay with `-deregister on-success`."""
    _events: Events | None = None
    _opened_ns: int = 0
    _last_ns: int = 0
    _engine_due_s: float = 0.0
    _compare_due_s: float = 0.0
    _retry_s: float = FIRST_RETRY_PAUSE_S
    _said: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.mesh = Mesh(self.engine, self.catalogue, self.options, self.say)
        self.ledger = Ledger(self.catalogue, self.say, self._news)
        self.looks = Looks(self.engine)

    def run(self) -> None:
        """For ever."""
        while True:
            self.alive()
            self.step()

    def step(self) -> None:
        """What is due, then wait for what comes."""
        now_s = time.monotonic()
        if self._events is None and now_s >= self._engine_due_s:
            self.listen()
        if self._events is not None and now_s >= self._compare_at_s():
            self.compare_all()
        if self._events is not None and now_s >= self.mesh.due_s and self.mesh.look():
            self.write()
        self.wait()

    # -- listen ---------------------------------------------------------------------------

    def listen(self) -> None:
        """Follow the engine's events from where we lost them; then everything is to be compared."""
        try:
            self._events = self.engine.events(self._last_ns)
            self._opened_ns = time.time_ns()
            self.options = replace(self.options, engine=str(self.engine.info().get("ID") or ""))
        except EngineUnavailable as exc:
            self.lose_engine(exc)
            return
        self.mesh.options = self.options
        self._compare_due_s = 0.0

    def lose_engine(self, exc: Exception) -> None:
        """What is declared stays until the engine says what runs."""
        self.looks.clear()
        if self._events:
            self._events.close()
        self._events = None
        self._engine_due_s = self._later()
        self._news("engine", f"waits for Docker: {exc}")

    def lose_consul(self, exc: Exception) -> None:
        """What is known is kept; everything is compared when Consul is back."""
        self.ledger.present = None
        self._compare_due_s = self._later()
        self._news("consul", f"waits for Consul: {exc}")

    def _later(self) -> float:
        pause_s, self._retry_s = self._retry_s, min(2 * self._retry_s, LONGEST_RETRY_PAUSE_S)
        return time.monotonic() + pause_s

    def _compare_at_s(self) -> float:
        """A comparison holds the loop up: while containers start it waits, unless something was away."""
        is_urgent = self.ledger.present is None or not self._compare_due_s
        return self._compare_due_s + (COMPARE_INTERVAL_S if self.looks and not is_urgent else 0)

    def wait(self) -> None:
        """Until something comes or is due."""
        due_s = self._engine_due_s if self._events is None else min(self._compare_at_s(), self.mesh.due_s)
        timeout_s = min(max(0.0, due_s - time.monotonic()), SELECT_TIMEOUT_S)
        sources = [self._events, self.catalogue.connection, self.mesh, *self.looks.sources()]
        ready, _, _ = select.select(
            [each for each in sources if each and each.fileno() >= 0], [], [], timeout_s
        )
        if self._events in ready:
            self.hear()
        self.see(ready)
        if self.catalogue.connection in ready and self.catalogue.connection.is_cut():
            self.ledger.present, self._compare_due_s = None, 0.0
        if self.mesh in ready and self.mesh.hear():
            self.write()

    def hear(self) -> None:
        """All events that have come, as one: the last of each container counts."""
        try:
            found = self._events.read() if self._events else []
        except EngineUnavailable as exc:
            self.lose_engine(exc)
            return
        if not found:
            return
        self._last_ns = max(self._last_ns, *(event.time_ns for event in found))
        batch = events.batch(found, since_ns=self._opened_ns)
        touched = [key for container, end in batch.ended.items() for key in self.end(container, end)]
        try:
            for container in batch.coming:
                self.looks.expect(container)
            for container in batch.started:
                self.looks.start(container)
            for container in batch.changed:
                self.looks.ask(container)
        except EngineUnavailable as exc:
            self.lose_engine(exc)
            return
        finally:
            if touched:
                self.write(touched)
        if batch.is_about_swarm and self.mesh.node_id and self.mesh.look():
            self.write()

    # -- gather -----------------------------------------------------------------------------

    def see(self, ready: Collection[object]) -> None:
        """Answers about containers have come: write what differs."""
        try:
            for container, inspected, row in self.looks.answers(ready):
                self.write(self.learn(container, inspected, row))
        except EngineUnavailable as exc:
            self.lose_engine(exc)

    def learn(self, container: str, inspected: Mapping[str, Any] | None, row: str = "") -> list[str]:
        """Ids of the services that a container was and is. Raises EngineUnavailable."""
        short, known = container[: naming.SHORT_ID], self.known.get(container)
        # Of one that was not known, what is declared may be from before.
        before = [service.id for service in known.services] if known else self.ledger.ids_of(short)
        if inspected is None or not registration.is_running(inspected):
            # It ended after whatever made us look; its event is on the way.
            if inspected and self.options.deregister == "on-success" and events.has_failed(inspected):
                self.failed.add(short)
            self.forget(container)
            return before
        plan = registration.plan(
            inspected, self.options, repo_tags=self._repo_tags(inspected), peer=self._peer(inspected)
        )
        if plan.complaints:
            self._news(container, f"{naming.container_name(inspected)}: {'; '.join(plan.complaints)}")
        self.failed.discard(short)
        self.known.pop(container, None)
        self.known[container] = Known(plan.services, row)
        return [*before, *(service.id for service in plan.services)]

    def learns(self, container: str, row: str) -> bool:
        """Whether dockerd tells what it is; where it does not, the others are not to wait for that.

        It lists a container that hangs in its own start or stop, and answers no question about it. Raises
        EngineUnavailable.
        """
        try:
            inspected = self.engine.inspect(container)
        except EngineUnavailable as exc:
            self._news(container, f"{container[: naming.SHORT_ID]}: dockerd does not say what it is: {exc}")
            self.looks.ask(container, row)
            return False
        self.learn(container, inspected, row)
        return True

    def _repo_tags(self, inspected: Mapping[str, Any]) -> tuple[str, ...]:
        if not naming.has_nameless_image(inspected):
            return ()
        return self.engine.repo_tags(str(inspected.get("Image")))

    def _peer(self, inspected: Mapping[str, Any]) -> Mapping[str, Any] | None:
        kind, _, other = registration.network_mode(inspected).partition(":")
        return self.engine.inspect(other) if kind == "container" and other else None

    def end(self, container: str, end: events.End) -> list[str]:
        """Ids of the services that it was; nothing is asked: its ports are gone already."""
        self.looks.drop(container)
        ids, short = self.forget(container), container[: naming.SHORT_ID]
        if short in self.failed:
            ids += self.ledger.ids_of(short)
        self.failed.discard(short)
        if end.has_failed and self.options.deregister == "on-success":
            self.failed.add(short)
        return ids

    def forget(self, container: str) -> list[str]:
        """Ids of the services that it was."""
        self._said.pop(container, None)
        return [service.id for service in self.known.pop(container, Known(())).services]

    def compare_all(self) -> None:
        """What runs, what is declared, and the difference."""
        began_s, looked, is_stuck = time.process_time(), 0, False
        self.looks.give_up(time.monotonic() - INSPECT_TIMEOUT_S)
        try:
            rows = self.engine.containers(everything=self.options.deregister == "on-success")
            running = {str(row["Id"]): events.fingerprint(row) for row in rows if events.runs(row)}
            self.failed = {str(row["Id"])[: naming.SHORT_ID] for row in rows if events.failed(row)}
            for container in self.known.keys() - running.keys():
                self.forget(container)
            for container, row in reversed(running.items()):  # `docker ps` has the newest first
                known = self.known.get(container)
                if known and known.row == row:
                    continue
                looked += 1
                if not known and self.ledger.present is None and not is_stuck:
                    # Before all is known nobody can say what is stale.
                    is_stuck = not self.learns(container, row)
                elif container not in self.looks:
                    # dockerd is slow about containers that come and go: nobody else waits for them.
                    self.looks.ask(container, row)
            self.mesh.look()
        except EngineUnavailable as exc:
            self.lose_engine(exc)
            return
        try:
            self.ledger.read()
        except ConsulUnavailable as exc:
            self.lose_consul(exc)
            return
        self._retry_s = FIRST_RETRY_PAUSE_S
        pause_s = self.options.resync or COMPARE_INTERVAL_S
        if not self.options.resync and not looked:
            pause_s = min(
                max(COMPARE_INTERVAL_S, COMPARE_PAUSE_FACTOR * (time.process_time() - began_s)),
                LONGEST_COMPARE_INTERVAL_S,
            )
        self._compare_due_s = time.monotonic() + pause_s
        self.write()
        if self.ledger.present is not None:
            self._said.pop("consul", None)
            self._said.pop("engine", None)

    # -- act ------------------------------------------------------------------------------

    def write(self, touched: Iterable[str] | None = None) -> None:
        """Write the differences, of all services or of those `touched`."""
        # Of two containers that want one id, the one that started last has it.
        wanted = {service.id: service for known in self.known.values() for service in known.services}
        wanted |= {service.id: service for service in self.mesh.services}
        kept = set(self.failed)
        if touched is None:
            # What runs, by all appearance, and was not seen yet.
            kept |= {each[: naming.SHORT_ID] for each in self.looks.containers() if each not in self.known}
        try:
            self.ledger.write(wanted, touched, options=self.options, kept=kept)
        except ConsulUnavailable as exc:
            self.lose_consul(exc)

    def _news(self, about: str, text: str) -> None:
        """Said once."""
        if self._said.get(about) != text:
            self._said[about] = text
            self.say("".join(c if c.isprintable() else "?" for c in text[:500]))
