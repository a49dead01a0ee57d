"""Number of a group's launches that failed in a row, from Auto Scaling's own record of its activities.

The count needs no state of the functions, so it survives everything. It starts again with the first admitted
instance. A launch that made no instance (no capacity, a quota) costs nothing and does not count.

Source: AWS Knowledge Center, "Why did my lifecycle actions fail". The message of an abandoned launch is
"Instance failed to complete user's Lifecycle Action: Lifecycle Action with token … was abandoned: Lifecycle
Action Completed with ABANDON Result".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

LAUNCHING: Final = "Launching a new EC2 instance"
"""Start of the description of a launch."""
ABANDONED: Final = "Lifecycle Action"
"""Part of the message of an abandoned launch."""
ENDED_BADLY: Final = frozenset(("Cancelled", "Failed"))
"""Statuses of a launch that failed."""


@dataclass(frozen=True, kw_only=True)
class Activity:
    """One entry of DescribeScalingActivities."""

    description: str
    status: str
    """Status: Successful, Failed, Cancelled, or one of the states before these."""
    message: str = ""


def failed_in_a_row(activities: Iterable[Activity], *, but: str = "") -> int:
    """Count the failed launches since the last success, without the instance `but`.

    `activities` come newest first, as Auto Scaling lists them. Two functions may give up the same instance.
    Without `but` the second function would count it twice, and open the breaker early.
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
