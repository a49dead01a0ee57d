"""Policies of a group: for its instances' maintenance, and for instances whose termination is abandoned."""

from __future__ import annotations

from typing import Any, Final

from moto.autoscaling.exceptions import ValidationError

from swarmer.fakeaws.autoscaling.state import group_extras

RETENTION_ACTIONS: Final = ("retain", "terminate")
"""Values of TerminateHookAbandon."""


def apply(group: Any, properties: Any) -> None:
    """Set both policies from the properties; a missing one removes its policy."""
    extras = group_extras(group)
    extras.maintenance = maintenance(properties.get("InstanceMaintenancePolicy"))
    extras.lifecycle_policy = lifecycle(properties.get("InstanceLifecyclePolicy"))


def lifecycle(policy: Any) -> dict[str, Any]:
    """Checked policy. AWS refuses unknown values (EC2 Auto Scaling API Reference, RetentionTriggers)."""
    action = ((policy or {}).get("RetentionTriggers") or {}).get("TerminateHookAbandon")
    if action not in (None, *RETENTION_ACTIONS):
        raise ValidationError(
            f"1 validation error detected: Value '{action}' at "
            "'instanceLifecyclePolicy.retentionTriggers.terminateHookAbandon' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(RETENTION_ACTIONS)}]"
        )
    return policy or {}


def maintenance(policy: Any) -> dict[str, int]:
    """Percentages of the policy; empty if one of them is missing or -1."""
    both = ("MinHealthyPercentage", "MaxHealthyPercentage")
    percentages = {key: int((policy or {}).get(key, -1)) for key in both}
    return {} if -1 in percentages.values() else percentages
