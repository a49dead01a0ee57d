"""Reader of templates: zones, types without a model in moto, and the name of a failed resource."""

from __future__ import annotations

import logging
from typing import Any, Final

from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.core.common_models import CloudFormationModel
from moto.ec2 import ec2_backends
from moto.ec2.models.core import TaggedEC2Resource
from moto.ssm import ssm_backends

from swarmer.fakeaws.base.errors import ResourceFailed
from swarmer.fakeaws.base.template_resource import UpdatableResource
from swarmer.fakeaws.cloudformation import property_schemas

log: Final = logging.getLogger("swarmer.fakeaws")

REPLACED_ON_CHANGE: Final = frozenset({"AWS::Lambda::LayerVersion"})
"""Types for which a change creates another resource, so that a Ref to it changes too."""


def extend() -> None:
    _resolve_functions()
    _stand_in_for_unknown_types()
    _name_the_failing_resource()
    _keep_what_cannot_be_updated()
    _update_what_depends()
    _accept_resolved_parameters()


def _resolve_functions() -> None:
    """AWS resolves `Fn::GetAZs` to the zones of the stack's region; bare moto to us-east-1a to d.

    AWS reports `Fn::Select` beyond the end as an error of the template; bare moto raises IndexError.
    """
    real = parsing.clean_json

    def clean_json(resource_json: Any, resources_map: Any) -> Any:
        if isinstance(resource_json, dict) and "Fn::GetAZs" in resource_json:
            region = clean_json(resource_json["Fn::GetAZs"], resources_map) or resources_map["AWS::Region"]
            zones = ec2_backends[resources_map["AWS::AccountId"]][region].describe_availability_zones()
            return sorted(zone.name for zone in zones)
        if isinstance(resource_json, dict) and "Fn::Select" in resource_json:
            return _select(resource_json["Fn::Select"], lambda value: clean_json(value, resources_map))
        return real(resource_json, resources_map)

    parsing.clean_json = clean_json


def _select(arguments: Any, resolve: Any) -> Any:
    index, values = int(resolve(arguments[0])), resolve(arguments[1])
    if index >= len(values):
        raise ValidationError(
            message=f"Template error: Fn::Select cannot select nonexistent value at index {index} of {values}"
        )
    return values[index]


def _stand_in_for_unknown_types() -> None:
    """AWS knows every type; bare moto skips a type without a model, and resolves a Ref to it to None."""
    real = parsing.resource_class_from_type

    def resource_class_from_type(resource_type: str) -> Any:
        return real(resource_type) if has_model(resource_type) else StandIn

    parsing.resource_class_from_type = resource_class_from_type


def has_model(resource_type: str) -> bool:
    """Whether moto, as extended here, has a model of this type."""
    known: dict[str, Any] = parsing.get_model_map()
    return resource_type in known or resource_type.startswith("Custom::")


class StandIn(UpdatableResource, CloudFormationModel):  # type: ignore[misc]
    """Resource of a type that is not rehearsed: it has only a name for references."""

    TYPE = "Rehearsal::Not::Rehearsed"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    def get_cfn_attribute(self, attribute_name: str) -> str:
        if attribute_name.endswith("Arn"):
            return f"arn:aws:not-rehearsed:::{self.name}"
        return f"{self.name}-{attribute_name}"


def _name_the_failing_resource() -> None:
    """AWS names the failed resource in its events; bare moto's exception does not."""
    real = parsing.parse_and_create_resource

    def parse_and_create_resource(
        logical_id: str, resource_json: Any, resources_map: Any, account_id: str, region_name: str
    ) -> Any:
        try:
            property_schemas.check(logical_id, resource_json)
            return real(logical_id, resource_json, resources_map, account_id, region_name)
        except ResourceFailed:
            raise
        except Exception as exc:
            raise ResourceFailed(logical_id, resource_json.get("Type", "?"), exc) from exc

    parsing.parse_and_create_resource = parse_and_create_resource


def _keep_what_cannot_be_updated() -> None:
    """AWS updates or replaces every resource; bare moto forgets a resource if it can do neither.

    Here the old resource stays, and the change is listed as not rehearsed. Tags of EC2's resources do change.
    """
    real = parsing.parse_and_update_resource

    def parse_and_update_resource(
        logical_id: str, resource_json: Any, resources_map: Any, account_id: str, region_name: str
    ) -> Any:
        original = resources_map[logical_id]
        if _is_retagged(original, logical_id, resource_json, resources_map):
            return original
        try:
            property_schemas.check(logical_id, resource_json)
            updated = real(logical_id, resource_json, resources_map, account_id, region_name)
        except ResourceFailed:
            raise
        except Exception as exc:
            raise ResourceFailed(logical_id, resource_json.get("Type", "?"), exc) from exc
        if updated is None:
            log.warning("%s (%s): the change is not rehearsed", logical_id, resource_json.get("Type"))
            _ignored_changes(resources_map).add(logical_id)
        return original if updated is None else updated

    parsing.parse_and_update_resource = parse_and_update_resource


def _is_retagged(resource: Any, logical_id: str, text: Any, resources_map: Any) -> bool:
    """Change the tags of EC2's resource if only they changed; return whether that is so."""
    changed = logical_id in resources_map.__dict__.get("changed_in_tags", ())
    if not changed or not isinstance(resource, TaggedEC2Resource):
        return False
    tags = parsing.clean_json(text.get("Properties", {}), resources_map).get("Tags", [])
    wanted = {tag["Key"]: tag["Value"] for tag in tags}
    resource.ec2_backend.tags.pop(resource.id, None)
    resource.add_tags(wanted)
    return True


def _without_tags(text: Any) -> Any:
    properties = {key: value for key, value in text.get("Properties", {}).items() if key != "Tags"}
    return {**text, "Properties": properties}


def _ignored_changes(resources_map: Any) -> set[str]:
    changes: set[str] = resources_map.__dict__.setdefault("ignored_changes", set())
    return changes


def _update_what_depends() -> None:
    """AWS updates a group when its launch template changes; bare moto compares only a resource's own text.

    A resource that reads an attribute of a changed resource counts as changed, and is updated after it.
    """
    real = parsing.ResourceMap.build_resource_diff

    def build_resource_diff(self: Any, other_template: Any, parameters: Any = None) -> dict[str, list[str]]:
        diff: dict[str, list[str]] = real(self, other_template, parameters)
        resources = other_template["Resources"]
        old = self._resource_json_map
        self.changed_in_tags = {
            name
            for name in diff["Modify"]
            if name in old and _without_tags(old[name]) == _without_tags(resources[name])
        }
        diff["Modify"] = _with_dependents(list(dict.fromkeys(diff["Modify"])), resources, old)
        return diff

    parsing.ResourceMap.build_resource_diff = build_resource_diff


def _with_dependents(changed: list[str], resources: dict[str, Any], old: dict[str, Any]) -> list[str]:
    found = list(changed)
    for name in found:  # grows during the iteration
        is_replaced = resources[name]["Type"] in REPLACED_ON_CHANGE
        users = (user for user, text in resources.items() if name in _read(text, references=is_replaced))
        found += [user for user in users if user in old and user not in found]
    uses = {
        name: set(_attributes_read(resources[name])) | set(_references(resources[name])) for name in found
    }
    ordered: list[str] = []
    while uses:
        free = [name for name, used in uses.items() if not (used - {name}) & uses.keys()] or list(uses)
        ordered += free
        uses = {name: used for name, used in uses.items() if name not in free}
    return ordered


def _read(text: Any, *, references: bool) -> list[str]:
    return _attributes_read(text) + (_references(text) if references else [])


def _references(text: Any) -> list[str]:
    """Logical IDs that the text refers to."""
    if isinstance(text, dict):
        own = [text["Ref"]] if isinstance(text.get("Ref"), str) else []
        return own + [name for value in text.values() for name in _references(value)]
    if isinstance(text, list):
        return [name for value in text for name in _references(value)]
    return []


def _attributes_read(text: Any) -> list[str]:
    """Logical IDs of which the text reads an attribute."""
    if isinstance(text, dict):
        own = [text["Fn::GetAtt"][0]] if isinstance(text.get("Fn::GetAtt"), list) else []
        return own + [name for value in text.values() for name in _attributes_read(value)]
    if isinstance(text, list):
        return [name for value in text for name in _attributes_read(value)]
    return []


def _accept_resolved_parameters() -> None:
    """AWS reports a missing SSM parameter as an error of the request; bare moto crashes.

    A change set with UsePreviousValue passes the value itself instead of the parameter's name.
    """

    def parse_ssm_parameter(self: Any, value: str, value_type: str) -> Any:
        parameter = ssm_backends[self._account_id][self._region_name].get_parameter(value)
        if parameter is None and value.startswith("/"):
            raise ValidationError(
                message=f"Unable to fetch parameters [{value}] from parameter store for this account."
            )
        actual = value if parameter is None else parameter.value
        return actual.split(",") if "List" in value_type else actual

    parsing.ResourceMap.parse_ssm_parameter = parse_ssm_parameter
