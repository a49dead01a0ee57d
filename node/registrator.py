"""Declares every running container of this node in Consul, for as long as it runs.

The program is one loop. An event leads to one inspection of one container, and only differences are written.
Everything is compared at the start, after every break and from time to time. The rules are in
swarmer/core/registration.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from node.catalog_sync import CatalogSync
from node.inspect_queue import InspectQueue
from node.routing_mesh import RoutingMesh
from swarmer.adapters.catalogue import Catalogue
from swarmer.adapters.catalogue import Unavailable as ConsulUnavailable
from swarmer.adapters.engine import Engine, Events
from swarmer.adapters.engine import Unavailable as EngineUnavailable
from swarmer.core import registration
from swarmer.core.registration import Options, Service, events, naming
from swarmer.core.state import Container

COMPARE_INTERVAL_S: Final = 10.0
"""Shortest interval between two full comparisons."""
LONGEST_COMPARE_INTERVAL_S: Final = 120.0
"""Longest interval between two full comparisons."""
COMPARE_PAUSE_FACTOR: Final = 1500.0
"""Ratio of the pause after a comparison to its CPU time: comparisons take at most 0.07 % of a core."""
FIRST_RETRY_PAUSE_S: Final = 0.1
"""Pause before the first retry; it doubles with each retry."""
LONGEST_RETRY_PAUSE_S: Final = 5.0
"""Longest pause between two retries."""
INSPECT_TIMEOUT_S: Final = 30.0
"""Timeout for dockerd's answer about one container; after it the container is inspected again."""
SELECT_TIMEOUT_S: Final = 30.0
"""Timeout for one wait of the loop, so that systemd's watchdog gets its signal in time."""


@dataclass
class KnownContainer:
    """One running container."""

    services: tuple[Service, ...]
    row: str = ""
    """Row of `docker ps` at the last inspection; empty if the container must be inspected again."""


@dataclass
class Registrator:
    """Loop that reads from the engine and writes to one Consul agent."""

    options: Options
    engine: Engine
    catalogue: Catalogue
    log: Callable[[str], None]
    notify_watchdog: Callable[[], None] = lambda: None
    known: dict[str, KnownContainer] = field(default_factory=dict)
    """Running containers by container ID; the last one started comes last."""
    failed: set[str] = field(default_factory=set)
    """Short IDs of failed containers, whose entries stay with `-deregister on-success`."""
    _events: Events | None = None
    _opened_ns: int = 0
    _last_ns: int = 0
    _engine_due_s: float = 0.0
    _compare_due_s: float = 0.0
    _retry_s: float = FIRST_RETRY_PAUSE_S
    _logged: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.mesh = RoutingMesh(self.engine, self.catalogue, self.options, self.log)
        self.sync = CatalogSync(self.catalogue, self.log, self._log_once)
        self.inspections = InspectQueue(self.engine)

    def run(self) -> None:
        """Run the loop for ever."""
        while True:
            self.notify_watchdog()
            self.step()

    def step(self) -> None:
        """Do what is due, then wait for the next event."""
        now_s = time.monotonic()
        if self._events is None and now_s >= self._engine_due_s:
            self.follow_events()
        if self._events is not None and now_s >= self._compare_at_s():
            self.compare_all()
        if self._events is not None and now_s >= self.mesh.due_s and self.mesh.refresh():
            self.write()
        self.wait()

    # -- follow ---------------------------------------------------------------------------

    def follow_events(self) -> None:
        """Follow the engine's events from the point of their loss, and schedule a full comparison."""
        try:
            self._events = self.engine.events(self._last_ns)
            self._opened_ns = time.time_ns()
            self.options = replace(self.options, engine=self.engine.info().id)
        except EngineUnavailable as exc:
            self.on_engine_lost(exc)
            return
        self.mesh.options = self.options
        self._compare_due_s = 0.0

    def on_engine_lost(self, exc: Exception) -> None:
        """Record that the engine is away. Declared services stay until the engine lists the running
        containers."""
        self.inspections.clear()
        if self._events:
            self._events.close()
        self._events = None
        self._engine_due_s = self._next_retry_s()
        self._log_once("engine", f"waits for Docker: {exc}")

    def on_consul_lost(self, exc: Exception) -> None:
        """Record that Consul is away. Known containers are kept. A full comparison follows when Consul is
        back."""
        self.sync.entries = None
        self._compare_due_s = self._next_retry_s()
        self._log_once("consul", f"waits for Consul: {exc}")

    def _next_retry_s(self) -> float:
        pause_s, self._retry_s = self._retry_s, min(2 * self._retry_s, LONGEST_RETRY_PAUSE_S)
        return time.monotonic() + pause_s

    def _compare_at_s(self) -> float:
        """Return the time of the next comparison. A comparison blocks the loop, so it waits while containers
        start, unless Docker or Consul was away."""
        is_urgent = self.sync.entries is None or not self._compare_due_s
        return self._compare_due_s + (COMPARE_INTERVAL_S if self.inspections and not is_urgent else 0)

    def wait(self) -> None:
        """Wait until an event or answer comes, or something is due."""
        due_s = self._engine_due_s if self._events is None else min(self._compare_at_s(), self.mesh.due_s)
        timeout_s = min(max(0.0, due_s - time.monotonic()), SELECT_TIMEOUT_S)
        sources = [self._events, self.catalogue.connection, self.mesh, *self.inspections.sources()]
        ready, _, _ = select.select(
            [each for each in sources if each and each.fileno() >= 0], [], [], timeout_s
        )
        if self._events in ready:
            self.handle_events()
        self.handle_answers(ready)
        if self.catalogue.connection in ready and self.catalogue.connection.is_cut():
            self.sync.entries, self._compare_due_s = None, 0.0
        if self.mesh in ready and self.mesh.on_key_changed():
            self.write()

    def handle_events(self) -> None:
        """Handle all pending events as one batch: the last event of each container counts."""
        try:
            found = self._events.read() if self._events else []
        except EngineUnavailable as exc:
            self.on_engine_lost(exc)
            return
        if not found:
            return
        self._last_ns = max(self._last_ns, *(event.time_ns for event in found))
        batch = events.batch(found, since_ns=self._opened_ns)
        touched = [
            key for container, end in batch.ended.items() for key in self.end_container(container, end)
        ]
        try:
            for container in batch.starting:
                self.inspections.request_early(container)
            for container in batch.started:
                self.inspections.on_start(container)
            for container in batch.changed:
                self.inspections.request(container)
        except EngineUnavailable as exc:
            self.on_engine_lost(exc)
            return
        finally:
            if touched:
                self.write(touched)
        if batch.is_about_swarm and self.mesh.node_id and self.mesh.refresh():
            self.write()

    # -- gather -----------------------------------------------------------------------------

    def handle_answers(self, ready: Collection[object]) -> None:
        """Handle answers about containers, and write the differences."""
        try:
            for container, inspected, row in self.inspections.answers(ready):
                self.write(self.update_container(container, inspected, row))
        except EngineUnavailable as exc:
            self.on_engine_lost(exc)

    def update_container(self, container: str, inspected: Container | None, row: str = "") -> list[str]:
        """Update a container; return the IDs of its services before and after. Raises EngineUnavailable."""
        short, known = container[: naming.SHORT_ID], self.known.get(container)
        # An unknown container may have entries from before this program's start.
        before = [service.id for service in known.services] if known else self.sync.ids_of(short)
        if inspected is None or not inspected.is_running:
            # The container ended after the event that led to this inspection; its end event is on the way.
            if inspected and self.options.deregister == "on-success" and events.has_failed(inspected):
                self.failed.add(short)
            self.forget_container(container)
            return before
        plan = registration.plan(
            inspected, self.options, repo_tags=self._repo_tags(inspected), peer=self._peer(inspected)
        )
        if plan.complaints:
            self._log_once(container, f"{naming.container_name(inspected)}: {'; '.join(plan.complaints)}")
        self.failed.discard(short)
        self.known.pop(container, None)
        self.known[container] = KnownContainer(plan.services, row)
        return [*before, *(service.id for service in plan.services)]

    def try_inspect(self, container: str, row: str) -> bool:
        """Inspect a container; return whether dockerd answered. Other containers must not wait for that
        answer.

        dockerd lists a container that hangs in its own start or stop, and answers no question about it.
        Raises EngineUnavailable.
        """
        try:
            inspected = self.engine.inspect(container)
        except EngineUnavailable as exc:
            self._log_once(container, f"{container[: naming.SHORT_ID]}: dockerd does not describe it: {exc}")
            self.inspections.request(container, row)
            return False
        self.update_container(container, inspected, row)
        return True

    def _repo_tags(self, inspected: Container) -> tuple[str, ...]:
        return self.engine.repo_tags(inspected.image_id) if naming.has_nameless_image(inspected) else ()

    def _peer(self, inspected: Container) -> Container | None:
        kind, _, other = inspected.network_mode.partition(":")
        return self.engine.inspect(other) if kind == "container" and other else None

    def end_container(self, container: str, end: events.End) -> list[str]:
        """Handle the end of a container; return the IDs of its services. An inspection would show no ports
        any more."""
        self.inspections.discard(container)
        ids, short = self.forget_container(container), container[: naming.SHORT_ID]
        if short in self.failed:
            ids += self.sync.ids_of(short)
        self.failed.discard(short)
        if end.has_failed and self.options.deregister == "on-success":
            self.failed.add(short)
        return ids

    def forget_container(self, container: str) -> list[str]:
        """Drop a container; return the IDs of its services."""
        self._logged.pop(container, None)
        return [service.id for service in self.known.pop(container, KnownContainer(())).services]

    def compare_all(self) -> None:
        """Compare the running containers with the declared services, and write the difference."""
        began_s, inspected_count, is_stuck = time.process_time(), 0, False
        self.inspections.discard_older(time.monotonic() - INSPECT_TIMEOUT_S)
        try:
            rows = self.engine.containers(everything=self.options.deregister == "on-success")
            running = {row.id: events.fingerprint(row) for row in rows if events.runs(row)}
            self.failed = {row.id[: naming.SHORT_ID] for row in rows if events.failed(row)}
            for container in self.known.keys() - running.keys():
                self.forget_container(container)
            for container, row in reversed(running.items()):  # `docker ps` lists the newest container first
                known = self.known.get(container)
                if known and known.row == row:
                    continue
                inspected_count += 1
                if not known and self.sync.entries is None and not is_stuck:
                    # An entry counts as stale only when every container is known.
                    is_stuck = not self.try_inspect(container, row)
                elif container not in self.inspections:
                    # dockerd answers slowly about containers that start or stop, so the other containers do
                    # not wait for this answer.
                    self.inspections.request(container, row)
            self.mesh.refresh()
        except EngineUnavailable as exc:
            self.on_engine_lost(exc)
            return
        try:
            self.sync.read()
        except ConsulUnavailable as exc:
            self.on_consul_lost(exc)
            return
        self._retry_s = FIRST_RETRY_PAUSE_S
        pause_s = self.options.resync or COMPARE_INTERVAL_S
        if not self.options.resync and not inspected_count:
            pause_s = min(
                max(COMPARE_INTERVAL_S, COMPARE_PAUSE_FACTOR * (time.process_time() - began_s)),
                LONGEST_COMPARE_INTERVAL_S,
            )
        self._compare_due_s = time.monotonic() + pause_s
        self.write()
        if self.sync.entries is not None:
            self._logged.pop("consul", None)
            self._logged.pop("engine", None)

    # -- act ------------------------------------------------------------------------------

    def write(self, touched: Iterable[str] | None = None) -> None:
        """Write the differences, of all services or of those `touched`."""
        # If two containers want one ID, the container that started last gets it.
        wanted = {service.id: service for known in self.known.values() for service in known.services}
        wanted |= {service.id: service for service in self.mesh.services}
        kept = set(self.failed)
        if touched is None:
            # These containers seem to run, and have not been inspected yet.
            kept |= {
                each[: naming.SHORT_ID] for each in self.inspections.containers() if each not in self.known
            }
        try:
            self.sync.write(wanted, touched, options=self.options, kept=kept)
        except ConsulUnavailable as exc:
            self.on_consul_lost(exc)

    def _log_once(self, about: str, text: str) -> None:
        """Log a text once for each subject."""
        if self._logged.get(about) != text:
            self._logged[about] = text
            self.log("".join(c if c.isprintable() else "?" for c in text[:500]))
