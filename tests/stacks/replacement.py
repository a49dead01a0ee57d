"""Changes between two syntheses that CloudFormation cannot make, by its own schemas.

cfn-lint bundles the schemas of CloudFormation's registry: `createOnlyProperties` are the properties whose
change makes another resource.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from ipaddress import IPv4Network
from typing import Any

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from tests.stacks.assembly import Assembly, Template

ZONES = [f"eu-central-1{letter}" for letter in "abcdef"]
"""Zones of the region, in the order in which CloudFormation takes them."""


def impossible(before: Assembly, after: Assembly) -> list[str]:
    """Reasons why AWS cannot make one cluster into the other, each with the resource or export."""
    found: list[str] = []
    for name, old in before.templates.items():
        new = after.templates[name]
        others = {other: it for other, it in before.templates.items() if other != name}
        replaced = _replaced(old, new)
        found += [f"{it}: its name is taken" for it in replaced if _keeps_its_name(old, new, it)]
        found += [f"{it}: its addresses are taken" for it in replaced if _keeps_addresses(old, new, it)]
        found += [f"export {export} is in use" for export in _lost(old, new, replaced) & _imported(others)]
    return found


def _replaced(old: Template, new: Template) -> set[str]:
    """Logical IDs that both have, and that CloudFormation would make again."""
    both = [it for it in old["Resources"] if it in new["Resources"]]
    found = {it for it in both if any(_differ(old, new, it, key) for key in create_only(_type(old, it)))}
    while more := {it for it in both if _hangs_on(new, it, found)} - found:
        found |= more
    return found


def _differ(old: Template, new: Template, logical_id: str, key: str) -> bool:
    one, other = (template["Resources"][logical_id].get("Properties", {}) for template in (old, new))
    return bool(_resolved(one.get(key)) != _resolved(other.get(key)))


def _resolved(value: Any) -> Any:
    """The value, with the zone that CloudFormation selects in place of the selection."""
    if isinstance(value, dict) and "Fn::Select" in value:
        index, source = value["Fn::Select"]
        return ZONES[index] if source == {"Fn::GetAZs": ""} else value
    return value


def _hangs_on(template: Template, logical_id: str, replaced: set[str]) -> bool:
    """Whether a property that cannot change refers to a resource that is made again."""
    properties = template["Resources"][logical_id].get("Properties", {})
    kind = _type(template, logical_id)
    return any(set(_referred(properties.get(key))) & replaced for key in create_only(kind))


def _keeps_its_name(old: Template, new: Template, logical_id: str) -> bool:
    """Whether the resource has a name of its own in the template, and keeps it, so that the two collide."""
    named = schema(_type(old, logical_id)).get("primaryIdentifier", [])
    keys = [path.split("/")[2] for path in named]
    given = [key for key in keys if isinstance(_properties(old, logical_id).get(key), str)]
    return bool(given) and not any(_differ(old, new, logical_id, key) for key in given)


def _keeps_addresses(old: Template, new: Template, logical_id: str) -> bool:
    """Whether a subnet is to be made again among addresses that a subnet of the same VPC still has."""
    if _type(old, logical_id) != "AWS::EC2::Subnet" or _differ(old, new, logical_id, "VpcId"):
        return False
    wanted = IPv4Network(_properties(new, logical_id)["CidrBlock"])
    return any(wanted.overlaps(IPv4Network(each)) for each in _subnets(old))


def _subnets(template: Template) -> Iterator[str]:
    for logical_id in template["Resources"]:
        if _type(template, logical_id) == "AWS::EC2::Subnet":
            yield _properties(template, logical_id)["CidrBlock"]


def _lost(old: Template, new: Template, replaced: set[str]) -> set[str]:
    """Exports that go, or whose value changes, because it refers to a resource that is made again."""
    kept = _exports(new)
    return {
        name
        for name, value in _exports(old).items()
        if name not in kept or kept[name] != value or set(_referred(value)) & replaced
    }


def _exports(template: Template) -> dict[str, Any]:
    outputs = template.get("Outputs", {}).values()
    return {each["Export"]["Name"]: each["Value"] for each in outputs if "Export" in each}


def _imported(templates: dict[str, Template]) -> set[str]:
    return {name for template in templates.values() for name in _values(template, "Fn::ImportValue")}


def _referred(value: Any) -> list[str]:
    got = _values(value, "Fn::GetAtt")
    return [*_values(value, "Ref"), *(each[0] if isinstance(each, list) else each for each in got)]


def _values(value: Any, function: str) -> list[Any]:
    """Arguments of every use of an intrinsic function."""
    if isinstance(value, dict):
        own = [value[function]] if function in value else []
        return own + [it for each in value.values() for it in _values(each, function)]
    return [it for each in value for it in _values(each, function)] if isinstance(value, list) else []


def _type(template: Template, logical_id: str) -> str:
    return str(template["Resources"][logical_id]["Type"])


def _properties(template: Template, logical_id: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][logical_id].get("Properties", {})
    return found


def create_only(kind: str) -> set[str]:
    """Top-level properties of a type whose change makes another resource."""
    return {path.split("/")[2] for path in schema(kind).get("createOnlyProperties", [])}


@cache
def schema(kind: str) -> dict[str, Any]:
    """CloudFormation's schema of a type. Raises ResourceNotFoundError."""
    found: dict[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    return found
