"""Events of a stack about its resources; `cdk deploy` shows them while it waits."""

from __future__ import annotations

from typing import Any

from moto.cloudformation.models import Event


def add(
    stack: Any, logical_id: str, resource_type: str, status: str, reason: str = "", physical_id: str = ""
) -> None:
    """Record that a resource of the stack has this status."""
    stack.events.append(
        Event(
            stack_id=stack.stack_id,
            stack_name=stack.name,
            logical_resource_id=logical_id,
            physical_resource_id=physical_id,
            resource_type=resource_type,
            resource_status=status,
            resource_status_reason=reason,
            resource_properties=None,
        )
    )
