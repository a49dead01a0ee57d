"""State of a cluster's Swarm: a manager's answers as values."""

from __future__ import annotations

from swarmer.adapters.docker import Engine
from swarmer.core.healing.world import Swarm


def observe(engine: Engine | None, name: str | None) -> Swarm:
    """Return the state of one node and of the managers, or of all nodes (None).

    `engine` is None if no manager with a quorum answers. Raises docker.Unavailable.
    """
    if engine is None:
        return Swarm()
    found = engine.nodes() if name is None else (*engine.nodes(role="manager"), *engine.nodes(name=name))
    rows = {row.id: row for row in found if name is None or row.is_manager or row.name == name}
    draining = [row for row in rows.values() if row.name == name and row.availability == "drain"]
    return Swarm(
        has_quorum=True,
        rows=tuple(rows.values()),
        tasks={row.id: engine.tasks_to_move(row.id) for row in draining},
    )
