"""Environment of the function heal_registry."""

from __future__ import annotations

from dataclasses import dataclass

from lambdas.shared import environment


@dataclass(frozen=True, kw_only=True)
class Environment(environment.Environment):
    """Variables that every function gets, and no others."""
