"""Keys of KMS in templates: tagged as everything is. Bare moto wants the words of KMS's own API there."""

from __future__ import annotations

from typing import Any

from moto.kms.models import Key


def extend() -> None:
    real = Key.create_from_cloudformation_json.__func__

    def create(cls: Any, resource_name: str, cloudformation_json: Any, *args: Any, **kwargs: Any) -> Any:
        properties = cloudformation_json["Properties"]
        tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in properties.get("Tags", ())]
        told = {**cloudformation_json, "Properties": {**properties, "Tags": tags}}
        return real(cls, resource_name, told, *args, **kwargs)

    Key.create_from_cloudformation_json = classmethod(create)
