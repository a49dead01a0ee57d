"""Rule for a validated cluster: several observations in a row without a problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from swarmer.core.health import Status

REQUIRED_CHECKS: Final = 3
"""Number of required observations in a row without a problem."""
OBSERVATION_INTERVAL_S: Final = 0.4
"""Pause between two observations, in seconds."""


@dataclass
class Streak:
    """Count of observations in a row without a problem."""

    length: int = 0

    def add(self, status: Status) -> bool:
        """Count one observation; return whether the cluster counts as validated."""
        self.length = self.length + 1 if status.validated else 0
        return self.length >= REQUIRED_CHECKS

    def note(self, status: Status) -> str:
        """Text for the waiting operator: the number of passed checks, or the first problem."""
        return f"check {self.length} of {REQUIRED_CHECKS} passed" if self.length else status.problems[0]
