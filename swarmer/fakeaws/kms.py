"""Keys of KMS in templates.

CloudFormation writes a key's tags like all tags; bare moto reads `TagKey` and `TagValue`, as KMS's API does.
"""

from __future__ import annotations

from typing import Any

from moto.kms.models import Key

from swarmer.fakeaws.base.template_resource import Create, Definition, wrap_create


def extend() -> None:
    wrap_create(Key, _create)


def _create(create: Create, definition: Definition) -> Any:
    tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in definition.properties.get("Tags", ())]
    return create(definition.with_properties(Tags=tags))
