"""Services of Swarm's routing mesh: the leader writes them into Consul, and every node declares its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from swarmer.adapters.catalogue import Catalogue, Refused, Unavailable, Watch
from swarmer.adapters.engine import Engine
from swarmer.adapters.engine import Unavailable as EngineUnavailable
from swarmer.core import names
from swarmer.core.registration import Options, Service, routing_mesh

RETRY_PAUSE_S: Final = 5.0
"""Pause before the routing mesh is read again after a failure."""
POLL_INTERVAL_S: Final = 2.0
"""Interval at which the leader observes services without running tasks, because it sees no task events of
other nodes. Also the interval at which a node checks whether it has joined the Swarm."""


@dataclass
class RoutingMesh:
    """Part of the registrator's loop. Its failures affect only the mesh: containers are declared all the
    same."""

    engine: Engine
    catalogue: Catalogue
    options: Options
    log: Callable[[str], None]
    services: list[Service] = field(default_factory=list)
    """Services that this node declares."""
    due_s: float = float("inf")
    """Monotonic time of the next `refresh`, if nothing happens earlier."""
    node_id: str = ""
    """Node ID in Swarm; empty if this engine is in no Swarm."""
    _watch: Watch | None = None
    _key_value: str = ""
    _logged: str = ""

    def fileno(self) -> int:
        """Descriptor that becomes readable when the key changes; -1 while no watch is open."""
        return self._watch.connection.fileno() if self._watch else -1

    def refresh(self) -> bool:
        """Update this node's Swarm and, on the leader, the published services; return whether anything
        changed."""
        self.due_s = float("inf")
        try:
            engine = self.engine.info()
            is_in = engine.swarm.state == "active"
            self.node_id = engine.swarm.node if is_in else ""
            if not is_in:
                self._close_watch()
                if engine.swarm.state == "pending":
                    # The node reboots or its managers are away, and no event reports its return.
                    self.due_s = time.monotonic() + POLL_INTERVAL_S
            else:
                self._ensure_watch()
                if engine.claims_control:
                    self._publish()
        except (EngineUnavailable, Unavailable, Refused) as exc:
            self._retry_later(exc)
        return self._update_services()

    def on_key_changed(self) -> bool:
        """Read the key's new value, or handle the loss of Consul; return whether anything changed."""
        if self._watch is None:
            return False
        try:
            self._key_value = self._watch.answer()
            self._watch.ask()
            if not self._key_value:
                # The key was deleted; the leader writes it again.
                self.due_s = time.monotonic()
        except (Unavailable, Refused) as exc:
            self._close_watch()
            self._retry_later(exc)
        return self._update_services()

    def _ensure_watch(self) -> None:
        if self._watch is None:
            watch = Watch.of(self.catalogue, names.KV_SWARM_MESH)
            watch.ask()
            self._watch = watch

    def _publish(self) -> None:
        nodes = self.engine.nodes()
        if not routing_mesh.is_leader(nodes, self.node_id):
            return
        found = routing_mesh.published(self.engine.services(), nodes)
        if found.is_waiting:
            self.due_s = time.monotonic() + POLL_INTERVAL_S
        if found.value != _value(self._key_value) and (found.value["services"] or self._key_value):
            self.catalogue.put(names.KV_SWARM_MESH, found.value)

    def _update_services(self) -> bool:
        found = routing_mesh.services(self._key_value, self.node_id, self.options)
        changed = found != self.services
        self.services = found
        return changed

    def _close_watch(self) -> None:
        if self._watch:
            self._watch.connection.close()
        self._watch = None

    def _retry_later(self, exc: Exception) -> None:
        self.due_s = time.monotonic() + RETRY_PAUSE_S
        if str(exc) != self._logged:
            self._logged = str(exc)
            self.log(f"the routing mesh waits: {exc}")


def _value(text: str) -> object:
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
