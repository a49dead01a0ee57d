"""Environment of the function reconcile_cluster."""

from __future__ import annotations

from dataclasses import dataclass

from lambdas.shared import environment


@dataclass(frozen=True, kw_only=True)
class Environment(environment.Environment):
    """Variables of this function, in addition to those that every function gets."""

    boot_deadline_s: int
    """Seconds from an instance's launch to the deadline for its membership."""
    failed_boots: int
    """Number of failed boots in a row after which launches are stopped."""
    grace_s: int
    """Seconds for which a node in service may be missing from Consul or Swarm."""
