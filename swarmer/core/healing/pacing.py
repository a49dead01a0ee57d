"""Pauses of a message before its next observation.

The queue does the waiting: the message becomes visible again after the pause. A pause grows with the time
already waited. So a quick change is noticed at once, and a message that waits for an hour is not received a
thousand times. The queues' redrive policies are calculated from `receives`.
"""

from __future__ import annotations

from typing import Final

INITIAL_DELAY_S: Final = 8
"""Delay before a launched instance is first observed. Every instance takes longer to join."""
SHORTEST_PAUSE_S: Final = 2
"""Shortest pause between two observations of a node."""
LONGEST_PAUSE_S: Final = 60
"""Longest pause between two observations of a node."""
PAUSE_FACTOR: Final = 0.08
"""Ratio of a pause to the time already waited: a change is noticed with a delay of a tenth at most."""
LONGEST_RETRY_PAUSE_S: Final = 120
"""Longest pause before a failed message is retried."""
SWEEP_RETRY_PAUSE_S: Final = 1
"""Pause before a sweep is retried, if an event about a loss started it."""
SCHEDULED_SWEEP_PAUSE_S: Final = 10
"""Pause before a sweep is retried, if the schedule started it."""
SWEEP_TIMEOUT_S: Final = 60
"""Timeout for the retries of a sweep after an event. After it the next scheduled sweep takes over."""
HEARTBEAT_TIMEOUT_S: Final = 300
"""Timeout of a termination hook after its last heartbeat: five pauses and the duration of a function."""
LAUNCH_MARGIN_S: Final = 180
"""Time by which a launch hook outlasts the deadline, so that the function can log why a node is given up."""


def pause_s(waited_s: float) -> int:
    """Return the pause before the next observation, given the seconds already waited."""
    return round(min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, waited_s * PAUSE_FACTOR)))


def retry_s(receives: int, waited_s: float) -> int:
    """Return the pause after a failure at the `receives`-th receive (from 1) of a message of that age in
    seconds.

    Most receives may have been waits instead of failures, so the pause is at most half of the time already
    waited.
    """
    doubled_s = SHORTEST_PAUSE_S << min(receives - 1, 8)
    return min(LONGEST_RETRY_PAUSE_S, doubled_s, max(SHORTEST_PAUSE_S, round(waited_s / 2)))


def receives(waited_s: float) -> int:
    """Return the number of receives of a message that waits for `waited_s` seconds."""
    count, now_s = 1, 0.0
    while now_s < waited_s:
        now_s += pause_s(now_s)
        count += 1
    return count
