"""Events of a cluster as they appear. CloudWatch Logs may list an entry seconds after newer entries."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from swarmer.core.cluster_events import ClusterEvent
from swarmer.provider import Provider

OVERLAP_MS: Final = 60_000
"""Time before the newest entry that each query covers again, in milliseconds."""
POLL_INTERVAL_S: Final = 2.0
"""Interval between two queries, in seconds."""


def follow(
    provider: Provider, since_ms: int, pause: Callable[[float], None] = time.sleep
) -> Iterator[list[ClusterEvent]]:
    """Lists of new events, oldest first, each entry once. The first list may be empty."""
    shown: dict[str, int] = {}
    while True:
        new = [each for each in provider.events(since_ms) if each.id not in shown]
        yield new
        shown.update({each.id: each.time_ms for each in new})
        since_ms = max([since_ms, *(at - OVERLAP_MS for at in shown.values())])
        shown = {name: at for name, at in shown.items() if at >= since_ms}
        pause(POLL_INTERVAL_S)
