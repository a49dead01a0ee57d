"""Demoted managers in the Swarm, which get their role back.

Gather (node/agent.py) → decide (here) → act. Pure. The Swarm's leader promotes, without a lock.
docs/adr/0011-roles-are-the-descriptions.md has the reasons.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from swarmer.core.state import SwarmNode

DEMOTION_S: Final = 10.0
"""Grace period for a demotion before the node is promoted, in seconds.

dockerd waits for a worker's certificate when it stops its manager. A promotion before that takes 32 s: the
certificate never comes ("failed to get worker role after manager stop" in dockerd's log, seen with 26.1).
"""


def demoted(
    rows: Iterable[SwarmNode], *, managers: Collection[str], leaving: Collection[str]
) -> list[SwarmNode]:
    """List the rows of demoted managers that get their role back.

    `rows`: every row of the Swarm about these nodes. `managers`: names of nodes that are managers by their
    description. `leaving`: names of nodes that a function removes, because the function demotes them itself.

    The node must be out of the managers' raft, because Swarm takes a moment for a demotion. A node with two
    rows has joined again, and Swarm may still list the dead row as ready.
    """
    found = [row for row in rows if row.name in managers and row.name not in leaving]
    names = [row.name for row in found]
    return [row for row in found if _was_demoted(row) and names.count(row.name) == 1]


@dataclass
class Demotions:
    """Demoted managers, with the times since which they have been demoted."""

    _since_s: dict[str, float] = field(default_factory=dict)

    def to_promote(self, rows: Iterable[SwarmNode], now_s: float) -> SwarmNode | None:
        """Return the row to promote now; None if there is none. The next pass promotes the next row.

        `rows`: every row of `demoted`. `now_s`: the time on a clock that never goes back.
        """
        known = {row.id: row for row in rows}
        self._since_s = {name: self._since_s.get(name, now_s) for name in known}
        return next((row for name, row in known.items() if now_s - self._since_s[name] >= DEMOTION_S), None)


def _was_demoted(row: SwarmNode) -> bool:
    return row.is_ready and not row.is_manager


def by_name(rows: Iterable[SwarmNode]) -> dict[str, SwarmNode]:
    """Rows of `docker node ls` by host name. A failed join leaves a dead row, so a ready row wins."""
    # A node that is still joining has no name yet.
    named = sorted((row for row in rows if row.name), key=lambda row: row.is_ready)
    return {row.name: row for row in named}
