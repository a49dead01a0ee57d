"""Who stands for election when Swarm's leader is lost. By themselves its managers wait for 10 to 20 s.

Gather (node/succession.py) → decide (here) → act. Pure. Whoever stands, raft elects only whom a majority
votes for. What could do harm is one that stands without need and does not get the votes: the Swarm would have
no leader at all until Docker's managers elect one by themselves. Hence two proofs, the turns and the limit.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from swarmer.core.node import Manager

TURN_S: Final = 1.5
"""After it the next one stands: the first cannot, or its log is too short for the others' votes."""
LIMIT_S: Final = 8.0
"""Nobody stands later than that after the lost leader was asked and answered: no other leads before, but one
that stood. SwarmKit's managers begin no election within 10 ticks of 1 s (ElectionTick) of a heartbeat; the
first of them may be cut short, and the heartbeat be 1 s older than the answer."""


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


def is_due(place: int, *, lost_for_s: float) -> bool:
    """Whether the manager at that place stands by now."""
    return lost_for_s >= place * TURN_S
