"""What this function is told."""

from __future__ import annotations

from dataclasses import dataclass

from lambdas.shared import environment


@dataclass(frozen=True, kw_only=True)
class Environment(environment.Environment):
    """What every function is told, and no more."""
