"""The metrics of the functions: what they count and what the alarms look at."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

NAMESPACE: Final = "Swarmer"
DIMENSION_CLUSTER: Final = "cluster"
DIMENSION_SERVICE: Final = "service"
"""The function; Powertools adds it."""


class Measure(StrEnum):
    """Names of metrics; those that alarms watch are written as 0, too."""

    MESSAGES = "Messages"
    ADMITTED = "Admitted"
    ABANDONED = "Abandoned"
    BREAKER_OPEN = "BreakerOpen"
    DEPARTED = "Departed"
    QUORUM_AT_RISK = "QuorumAtRisk"
    NO_REGISTRY = "NoRegistry"
    DEPOSED = "Deposed"
    PURGED = "Purged"
    REPLACED = "Replaced"
    MALFORMED = "Malformed"
    FAILURES = "Failures"
    WAITED = "Waited"
    """Seconds, of a message that has to come again."""
