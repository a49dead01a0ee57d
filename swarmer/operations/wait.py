"""When a cluster counts as validated: several looks in a row that find nothing wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from swarmer.core.health import Status

LOOKS: Final = 3
"""Number of looks in a row that must find nothing."""
PAUSE_S: Final = 0.4
"""Pause between two looks."""


@dataclass
class Streak:
    """Looks in a row that found nothing."""

    length: int = 0

    def add(self, status: Status) -> bool:
        """Count one look; whether the cluster counts as validated."""
        self.length = self.length + 1 if status.validated else 0
        return self.length >= LOOKS

    def note(self, status: Status) -> str:
        """What the operator waits for."""
        return f"check {self.length} of {LOOKS} passed" if self.length else status.problems[0]
