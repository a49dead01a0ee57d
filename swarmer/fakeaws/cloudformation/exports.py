"""Exports of stacks: values that must stay the same while other stacks import them.

AWS CloudFormation User Guide, "Get exported outputs from a deployed CloudFormation stack": "you can't delete
the source stack or modify or remove" an export that another stack imports.
"""

from __future__ import annotations

from typing import Any

from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import cloudformation_backends


def publish(stack: Any) -> None:
    """AWS updates exports with their stack; bare moto reads them only when a stack is created."""
    known = stack.resource_map.cross_stack_resources
    withdraw(stack)
    for export in stack.exports:
        if export.name in known:
            raise ValidationError(message=f"Export with name {export.name} is already exported.")
        known[export.name] = export


def withdraw(stack: Any) -> None:
    known = stack.resource_map.cross_stack_resources or {}
    for name in _own(stack):
        del known[name]


def check_kept(stack: Any, template: dict[str, Any]) -> None:
    """Check that the template keeps every export that is in use. Raises ValidationError."""
    outputs = template.get("Outputs", {}).values()
    kept = {str(each["Export"]["Name"]) for each in outputs if "Export" in each}
    for name in values_in_use(stack):
        if name not in kept:
            users = _users(stack, name)
            raise ValidationError(message=f"Export {name} cannot be deleted as it is in use by {users}")


def check_unchanged(stack: Any, before: dict[str, Any]) -> None:
    """Check that exports in use have the values of `before`. Raises ValidationError."""
    for name, value in values_in_use(stack).items():
        if before.get(name, value) != value:
            users = _users(stack, name)
            raise ValidationError(message=f"Export {name} cannot be updated as it is in use by {users}")


def values_in_use(stack: Any) -> dict[str, Any]:
    """Values of the stack's exports that another stack imports, by name."""
    known = stack.resource_map.cross_stack_resources or {}
    return {name: known[name].value for name in _own(stack) if _users(stack, name)}


def _own(stack: Any) -> list[str]:
    known = stack.resource_map.cross_stack_resources or {}
    return [name for name, export in known.items() if export.exporting_stack_id == stack.stack_id]


def _users(stack: Any, export: str) -> str:
    stacks = cloudformation_backends[stack.account_id][stack.region_name].stacks.values()
    importing = [each.name for each in stacks if each is not stack and _imports(each.template_dict, export)]
    return " and ".join(importing)


def _imports(value: Any, export: str) -> bool:
    if isinstance(value, dict):
        return value.get("Fn::ImportValue") == export or any(
            _imports(each, export) for each in value.values()
        )
    return isinstance(value, list) and any(_imports(each, export) for each in value)
