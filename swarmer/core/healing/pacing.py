"""How long a message waits until it is looked at again.

Waiting is done by the queue: the message becomes visible again. A pause grows with what was waited already,
so what is quick is noticed at once and what takes an hour does not receive its message a thousand times: see
`receives`, which the queues' redrive policies are made of.
"""

from __future__ import annotations

from typing import Final

INITIAL_DELAY_S: Final = 8
"""Nobody is a member sooner after its launch; until then a look is for nothing."""
SHORTEST_PAUSE_S: Final = 2
LONGEST_PAUSE_S: Final = 60
PAUSE_FACTOR: Final = 0.08
"""A tenth later than necessary, at most."""
LONGEST_RETRY_PAUSE_S: Final = 120
SWEEP_RETRY_PAUSE_S: Final = 1
SCHEDULED_SWEEP_PAUSE_S: Final = 10
SWEEP_TIMEOUT_S: Final = 60
"""After that what an event left to wait for is the next schedule's."""
HEARTBEAT_TIMEOUT_S: Final = 300
"""A termination hook ends so long after its last heartbeat: five pauses and what a function takes."""
LAUNCH_MARGIN_S: Final = 180
"""A launch hook outlasts the deadline by so much: it is the function that says why a node is given up."""


def pause_s(waited_s: float) -> int:
    """Until the next look, after so long a wait."""
    return round(min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, waited_s * PAUSE_FACTOR)))


def retry_s(receives: int, waited_s: float) -> int:
    """Until the next try, after what failed at the `receives`-th one (from 1) of a message that is so old.

    Most receives may have been waits, not failures: so never longer than half of what was waited already.
    """
    doubled_s = SHORTEST_PAUSE_S << min(receives - 1, 8)
    return min(LONGEST_RETRY_PAUSE_S, doubled_s, max(SHORTEST_PAUSE_S, round(waited_s / 2)))


def receives(waited_s: float) -> int:
    """How often a message is received that waits for so long."""
    count, now_s = 1, 0.0
    while now_s < waited_s:
        now_s += pause_s(now_s)
        count += 1
    return count
