"""SSM parameters in templates."""

from __future__ import annotations

from typing import Any

from moto.ssm.models import Parameter


def extend() -> None:
    _take_tags()


def _take_tags() -> None:
    """AWS writes a parameter's tags as a mapping in templates; bare moto reads the list of its API."""
    create = Parameter.create_from_cloudformation_json.__func__

    def create_from_cloudformation_json(cls: Any, name: str, template: Any, *rest: Any, **more: Any) -> Any:
        properties = template["Properties"]
        tags = [{"Key": key, "Value": value} for key, value in properties.get("Tags", {}).items()]
        tagged = {**template, "Properties": {**properties, "Tags": tags}}
        return create(cls, name, tagged, *rest, **more)

    Parameter.create_from_cloudformation_json = classmethod(create_from_cloudformation_json)
