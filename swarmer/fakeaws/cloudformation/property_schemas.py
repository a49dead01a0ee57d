"""Schemas of properties: CloudFormation refuses mistakes in them before it changes the resource.

They cover only properties that moto's API does not check. Source: the resource provider schema of the type,
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from moto.cloudformation.exceptions import ValidationError

Schema = Mapping[str, Any]
"""Type of a schema: members by name, each a schema again or a tuple of the accepted values."""

SCHEMAS: Final[Mapping[str, Schema]] = {
    "AWS::AutoScaling::AutoScalingGroup": {
        "InstanceLifecyclePolicy": {"RetentionTriggers": {"TerminateHookAbandon": ("retain", "terminate")}},
    },
}
"""Schemas by resource type. Other properties are not checked."""


def check(logical_id: str, text: Mapping[str, Any]) -> None:
    """Check the properties of a template's resource by their schema. Raises ValidationError."""
    properties = text.get("Properties", {})
    found = [
        problem
        for name, schema in SCHEMAS.get(str(text.get("Type")), {}).items()
        if name in properties
        for problem in _violations(f"#/{name}", properties[name], schema)
    ]
    if found:
        told = f"[{', '.join(found)}]" if len(found) > 1 else found[0]
        raise ValidationError(
            message=f"Properties validation failed for resource {logical_id} with message: {told}"
        )


def _violations(path: str, value: Any, schema: Schema | tuple[str, ...]) -> Iterator[str]:
    if isinstance(schema, tuple):
        if value not in schema:
            yield f"{path}: {value} is not a valid enum value"
    elif not isinstance(value, Mapping):
        yield f"{path}: expected type: JSONObject, found: {type(value).__name__}"
    else:
        yield from (f"{path}: extraneous key [{key}] is not permitted" for key in value if key not in schema)
        for key, member in schema.items():
            if key in value:
                yield from _violations(f"{path}/{key}", value[key], member)
