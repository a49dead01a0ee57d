"""Failover after the loss of the Swarm's leader. Without it the managers wait for 10 to 20 s before an
election.

Gather (node/swarm_failover.py) → decide (here) → act. Pure. The decision needs two proofs of the loss, and
managers stand in turn. docs/adr/0018-swarm-failover.md has the reasons.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from swarmer.core.state import SwarmNode

TURN_INTERVAL_S: Final = 1.5
"""Interval between the turns of two managers. The earlier one may be unable to stand, or its log may be too
short for the votes of the others."""
SILENCE_GRACE_S: Final = 2.0
"""Grace period for an answer of the Swarm before a manager stands for election: one late answer proves
little."""
ELECTION_TIMEOUT_S: Final = 9.0
"""Timeout for standing. Docker's managers stand by themselves after 10 ticks of 1 s (SwarmKit's
ElectionTick)."""


@dataclass(frozen=True)
class ManagerView:
    """View of one manager while its Swarm does not answer."""

    me: str
    """Node ID of this engine in the Swarm."""
    managers: Collection[SwarmNode]
    """Managers in the leader's last list."""
    alive: Collection[str]
    """Addresses of Consul's living members."""
    restarted: bool = False
    """Whether this manager's engine has restarted since then. If it led, it has lost the lead, and the other
    managers do not know."""

    @property
    def was_leader(self) -> bool:
        """Whether this manager was the last known leader."""
        return any(each.is_leader and each.id == self.me for each in self.managers)


def turn(view: ManagerView) -> int | None:
    """Return the number of managers that stand before this one.

    None: the loss is not proved, or no majority can be won. If most managers seem dead, this manager may be
    cut off itself.
    """
    leader = next((each for each in view.managers if each.is_leader), None)
    living = sorted(each.id for each in view.managers if each.address in view.alive)
    if leader is None or view.me not in living or 2 * len(living) <= len(view.managers):
        return None
    if view.was_leader:
        return 0 if view.restarted else None
    return None if leader.id in living else living.index(view.me)


def is_due(turn: int, *, lost_for_s: float, silent_s: float) -> bool:
    """Whether the manager at that turn stands now.

    `lost_for_s`: seconds from the first proof to the last unanswered query of the Swarm. An earlier query may
    hang although the first candidate leads now. `silent_s`: seconds since the start of the last answered
    query.
    """
    return lost_for_s >= turn * TURN_INTERVAL_S and SILENCE_GRACE_S <= silent_s < ELECTION_TIMEOUT_S
