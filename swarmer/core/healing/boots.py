"""How many launches of a group failed in a row, from Auto Scaling's own record of its activities.

So the count needs no memory of ours, survives everything and starts anew with the first instance that is let
in. A launch that never made an instance (no capacity, a quota) costs nothing and is no failed boot.

Source: AWS Knowledge Center, "Why did my lifecycle actions fail"; an abandoned launch reads "Instance failed
to complete user's Lifecycle Action: Lifecycle Action with token … was abandoned: Lifecycle Action Completed
with ABANDON Result".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

LAUNCHING: Final = "Launching a new EC2 instance"
ABANDONED: Final = "Lifecycle Action"
ENDED_BADLY: Final = frozenset(("Cancelled", "Failed"))


@dataclass(frozen=True, kw_only=True)
class Activity:
    """One entry of DescribeScalingActivities."""

    description: str
    status: str
    """Successful, Failed, Cancelled, or one of the states on the way there."""
    message: str = ""


def failed_in_a_row(activities: Iterable[Activity], *, but: str = "") -> int:
    """`activities`: newest first, as Auto Scaling gives them. `but`: an instance that is left out.

    Two functions may give up the same instance: the second would count it twice, and open the breaker early.
    """
    count = 0
    for activity in activities:
        if not activity.description.startswith(LAUNCHING) or (but and but in activity.description):
            continue
        if activity.status == "Successful":
            break
        if activity.status in ENDED_BADLY and ABANDONED in activity.message:
            count += 1
    return count
