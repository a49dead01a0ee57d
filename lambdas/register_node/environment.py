"""What this function is told."""

from __future__ import annotations

from dataclasses import dataclass

from lambdas.shared import environment


@dataclass(frozen=True, kw_only=True)
class Environment(environment.Environment):
    """Beside what every function is told."""

    boot_deadline_s: int
    """From an instance's launch to its membership."""
    failed_boots: int
    """So many in a row stop the launching."""
