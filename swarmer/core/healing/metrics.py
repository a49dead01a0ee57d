"""Metrics of the functions: their counts, and the values that alarms watch."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

NAMESPACE: Final = "Swarmer"
DIMENSION_CLUSTER: Final = "cluster"
DIMENSION_SERVICE: Final = "service"
"""Dimension with the function's name; Powertools adds it."""


class Metric(StrEnum):
    """Names of metrics. Those that alarms watch are written as 0, too."""

    MESSAGES = "Messages"
    ADMITTED = "Admitted"
    ABANDONED = "Abandoned"
    BREAKER_OPEN = "BreakerOpen"
    REMOVED = "Removed"
    QUORUM_AT_RISK = "QuorumAtRisk"
    NO_REGISTRY = "NoRegistry"
    REVOKED = "Revoked"
    PURGED = "Purged"
    REPLACED = "Replaced"
    MALFORMED = "Malformed"
    FAILURES = "Failures"
    WAITED = "Waited"
    """Age in seconds of a message that is retried."""
