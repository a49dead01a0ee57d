"""Who stands for election when Swarm's leader is lost. By themselves its managers wait for 10 to 20 s.

Gather (node/succession.py) → decide (here) → act. Pure. Whoever stands, raft elects only whom a majority
votes for. What could do harm is one that stands without need and does not get the votes: the Swarm would have
no leader at all until Docker's managers elect one by themselves. Hence the turns and the limit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

TURN_S: Final = 1.5
"""After it the next one stands: the first cannot, or its log is too short for the others' votes."""
DOCKER_ELECTS_S: Final = 10.0
"""SwarmKit's ElectionTick: nobody begins an election sooner after a leader's last heartbeat. Who stands
within that time of having seen it lead comes into nobody's way."""
HEARTBEAT_S: Final = 1.0
"""Between two of them: the last may have come so long before it was seen."""


def turn(
    managers: Mapping[str, bool], alive: Collection[str], me: str, *, restarted: bool = False
) -> int | None:
    """How many stand before the manager at `me`; None where there is no need, or no majority to win.

    `managers`: address → whether it leads, as last seen. `alive`: addresses of Consul's living members. One
    that sees no majority of the managers alive may be cut off itself. `restarted`: this manager's engine,
    since then: it leads nobody any more, and the others take it for their leader still.
    """
    leader = next((each for each, leads in managers.items() if leads), "")
    living = sorted(each for each in managers if each in alive)
    if not leader or me not in living or 2 * len(living) <= len(managers):
        return None
    if leader == me:
        return 0 if restarted else None
    return None if leader in alive else living.index(me)


def is_due(place: int, *, lost_for_s: float) -> bool:
    """Whether the manager at that place stands by now."""
    return lost_for_s >= place * TURN_S


def is_late(*, seen_ago_s: float) -> bool:
    """Whether the leader was seen so long ago that another one may lead."""
    return seen_ago_s >= DOCKER_ELECTS_S - HEARTBEAT_S
