"""SSM parameters in templates.

CloudFormation writes a parameter's tags as a mapping; bare moto reads the list of SSM's API.
"""

from __future__ import annotations

from typing import Any

from moto.ssm.models import Parameter

from swarmer.fakeaws.base.template_resource import Create, Definition, wrap_create


def extend() -> None:
    wrap_create(Parameter, _create)


def _create(create: Create, definition: Definition) -> Any:
    tags = [{"Key": key, "Value": value} for key, value in definition.properties.get("Tags", {}).items()]
    return create(definition.with_properties(Tags=tags))
