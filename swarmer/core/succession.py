"""Who stands for election when Swarm's leader is lost. By themselves its managers wait for 10 to 20 s.

Gather (node/succession.py) → decide (here) → act. Pure. Whoever stands, raft elects only whom a majority
votes for, and nobody is deposed but the leader of the term that is stood against. What could do harm is to
stand against one that lives, or two at once: the Swarm would have no leader at all until Docker's managers
elect one. Hence two proofs of the loss, and the turns.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from swarmer.core.node import Manager

TURN_INTERVAL_S: Final = 1.5
"""After it the next one stands: the first cannot, or its log is too short for the others' votes."""
SILENCE_GRACE_S: Final = 2.0
"""So long the Swarm must not have answered: one answer that is late proves nothing."""
ELECTION_TIMEOUT_S: Final = 9.0
"""Later nobody stands: Docker's managers do, from 10 ticks of 1 s (SwarmKit's ElectionTick) on."""


@dataclass(frozen=True)
class Sight:
    """What one manager sees while its Swarm answers nothing."""

    me: str
    """This engine's id in the Swarm."""
    managers: Collection[Manager]
    """As the leader listed them last."""
    alive: Collection[str]
    """Addresses of Consul's living members."""
    restarted: bool = False
    """This manager's engine, since then: if it led, it does no more, and the others do not know."""

    @property
    def led(self) -> bool:
        """This manager, as the leader that was seen last."""
        return any(each.leads and each.node == self.me for each in self.managers)


def place(sight: Sight) -> int | None:
    """How many stand before this manager; None where there is no proof of a loss, or no majority to win.

    One that sees no majority of the managers alive may be cut off itself.
    """
    leader = next((each for each in sight.managers if each.leads), None)
    living = sorted(each.node for each in sight.managers if each.address in sight.alive)
    if leader is None or sight.me not in living or 2 * len(living) <= len(sight.managers):
        return None
    if sight.led:
        return 0 if sight.restarted else None
    return None if leader.node in living else living.index(sight.me)


def is_due(place: int, *, lost_for_s: float, silent_s: float) -> bool:
    """Whether the manager at that place stands now.

    `lost_for_s`: from the first proof until the Swarm was asked once more, in vain: what was asked before may
    hang though the one that stood first leads by now. `silent_s`: since the Swarm was asked and answered.
    """
    return lost_for_s >= place * TURN_INTERVAL_S and SILENCE_GRACE_S <= silent_s < ELECTION_TIMEOUT_S
