"""Roles in the Swarm that an operator changed: managers that get their role back.

Gather (node/agent.py) → decide (here) → act. Pure. The Swarm's leader promotes, because only a manager can.
It needs no lock: a promotion adds a voter that answers, as each arrival does. Removals are judged under the
voting lock, and they go on where a promotion came between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from swarmer.core.state import SwarmNode


def to_promote(
    rows: Iterable[SwarmNode], *, managers: Collection[str], leaving: Collection[str]
) -> SwarmNode | None:
    """Return the row of a demoted manager that gets its role back now; None if there is none.

    `rows`: every row of the Swarm about these nodes. `managers`: names of nodes that are managers by their
    description. `leaving`: names of nodes that a function removes. It demotes them itself.

    The node must be out of the managers' raft, since Swarm takes a moment for a demotion. A node with two
    rows has joined again, and Swarm may not have noticed yet which of them is dead. One row at a time is
    enough, because the next pass comes within seconds.
    """
    found = [row for row in rows if row.name in managers and row.name not in leaving]
    names = [row.name for row in found]
    return next((row for row in found if _was_demoted(row) and names.count(row.name) == 1), None)


def _was_demoted(row: SwarmNode) -> bool:
    return row.is_ready and not row.is_manager


def by_name(rows: Iterable[SwarmNode]) -> dict[str, SwarmNode]:
    """Rows of `docker node ls` by host name. A failed join leaves a dead row: a ready one wins."""
    # A node that is still joining has no name yet.
    named = sorted((row for row in rows if row.name), key=lambda row: row.is_ready)
    return {row.name: row for row in named}
