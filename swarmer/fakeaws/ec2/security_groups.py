"""Security groups: their rules, with CloudFormation's creation, change and removal of them.

`packet_filter` translates the rules, and the provider of machines enforces the result.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Final

from moto.core.common_models import CloudFormationModel
from moto.ec2 import ec2_backends
from moto.ec2.exceptions import InvalidPermissionDuplicateError
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.models.security_groups import (
    SecurityGroup,
    SecurityGroupBackend,
    SecurityGroupIngress,
    SecurityGroupRule,
)

from swarmer.fakeaws.base.template_resource import (
    Create,
    Definition,
    TemplateResource,
    Update,
    wrap_create,
    wrap_update,
)

INGRESS: Final = ("ingress", "SecurityGroupIngress", "Source")
EGRESS: Final = ("egress", "SecurityGroupEgress", "Destination")
"""Direction of rules, property of a template with them, and prefix of their peer's properties."""
CHANGING_CALLS: Final = (
    (SecurityGroupBackend, "authorize_security_group_ingress"),
    (SecurityGroupBackend, "authorize_security_group_egress"),
    (SecurityGroupBackend, "revoke_security_group_ingress"),
    (SecurityGroupBackend, "revoke_security_group_egress"),
    (SecurityGroupBackend, "modify_security_group_rules"),
    (InstanceBackend, "modify_instance_security_groups"),
)
"""Calls that change an instance's accepted traffic."""
observers: Final[list[Callable[[], None]]] = []
"""Callbacks for changed rules and groups. Each must return at once."""


def extend() -> None:
    _update_in_place()
    _allow_protocols_without_ports()
    wrap_create(SecurityGroupIngress, _create_ingress)
    SecurityGroupIngress.delete = _delete_ingress
    for backend, name in CHANGING_CALLS:
        setattr(backend, name, _announcing(getattr(backend, name)))


def _announcing(real: Any) -> Any:
    def change(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = real(self, *args, **kwargs)
        for observer in observers:
            observer()
        return result

    return change


def _allow_protocols_without_ports() -> None:
    """AWS accepts ESP (protocol 50) without ports; bare moto converts ports to numbers."""
    create = SecurityGroupRule.__init__

    def init(
        self: Any, backend: Any, protocol: str, group_id: str, first: Any, last: Any, *rest: Any, **more: Any
    ) -> None:
        first, last = (-1 if port is None else port for port in (first, last))
        create(self, backend, protocol, group_id, first, last, *rest, **more)

    SecurityGroupRule.__init__ = init


def _update_in_place() -> None:
    """AWS changes the rules of a group; bare moto creates another, and instances keep the old one's ID."""
    wrap_create(SecurityGroup, _create)
    wrap_update(SecurityGroup, _update)


def _create(create: Create, definition: Definition) -> Any:
    group = create(definition)
    group.inline_rules = list(group.ingress_rules)
    group.fixed_properties = _fixed(definition.properties)
    _replace_inline_rules(group, definition, EGRESS)
    return group


def _update(replace: Update, original: Any, definition: Definition) -> Any:
    if _fixed(definition.properties) != original.fixed_properties:
        return replace(original, definition)
    for direction in (INGRESS, EGRESS):
        _replace_inline_rules(original, definition, direction)
    for tag in definition.properties.get("Tags", ()):
        original.add_tag(tag["Key"], tag["Value"])
    return original


def _fixed(properties: dict[str, Any]) -> tuple[Any, ...]:
    """Properties that cannot change in place: their change replaces the group."""
    return tuple(properties.get(key) for key in ("GroupName", "GroupDescription", "VpcId"))


def _replace_inline_rules(group: Any, definition: Definition, direction: tuple[str, str, str]) -> None:
    """Replace the rules from the group's own entry in the template."""
    way, key, peer = direction
    rules = definition.properties.get(key, [])
    if way == "egress" and rules:
        _remove_default_egress(group)
    old = {rule.id for rule in group.inline_rules}
    held = getattr(group, f"{way}_rules")
    held[:] = [rule for rule in held if rule.id not in old]
    for rule in rules:
        group.inline_rules += _authorize(group, rule, way, peer)


def _remove_default_egress(group: Any) -> None:
    """AWS removes the rule that allows all egress as soon as a template has an egress rule of the group.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-ec2-securitygroup.html
    """
    if not getattr(group, "has_own_egress", False):
        group.has_own_egress = True
        group.egress_rules.clear()


def _authorize(group: Any, rule: dict[str, Any], way: str, peer: str) -> list[Any]:
    """Add a rule of a template. Returns the new rules; none if the group has it already."""
    source, prefixes = rule.get(f"{peer}SecurityGroupId"), rule.get(f"{peer}PrefixListId")
    words = {"Description": rule["Description"]} if rule.get("Description") else {}
    with contextlib.suppress(InvalidPermissionDuplicateError):
        added, _ = getattr(group.ec2_backend, f"authorize_security_group_{way}")(
            group_name_or_id=group.id,
            ip_protocol=str(rule["IpProtocol"]),
            from_port=rule.get("FromPort"),
            to_port=rule.get("ToPort"),
            ip_ranges=[{"CidrIp": rule["CidrIp"], **words}] if "CidrIp" in rule else [],
            source_groups=[{"GroupId": source}] if source else [],
            prefix_list_ids=[{"PrefixListId": prefixes}] if prefixes else [],
        )
        return list(added)
    return []


def _revoke(group: Any, rules: list[Any]) -> None:
    """Remove rules of a group. A group that is deleted already has none."""
    gone = {rule.id for rule in rules}
    for held in (group.ingress_rules, group.egress_rules):
        held[:] = [rule for rule in held if rule.id not in gone]
    for observer in observers:
        observer()


def _create_ingress(create: Create, definition: Definition) -> Any:
    group = _group(definition)
    before = {rule.id for rule in group.ingress_rules}
    resource = create(definition)
    resource.rules = [rule for rule in group.ingress_rules if rule.id not in before]
    return resource


def _delete_ingress(self: Any, account_id: str, region_name: str) -> None:
    """AWS removes the rule; bare moto leaves it in its group."""
    _revoke(self.security_group, self.rules)


def _group(definition: Definition) -> Any:
    backend = ec2_backends[definition.account][definition.region]
    return backend.get_security_group_from_id(definition.properties["GroupId"])


class SecurityGroupEgress(TemplateResource, CloudFormationModel):  # type: ignore[misc]
    """AWS::EC2::SecurityGroupEgress; bare moto has no model of the type."""

    TYPE = "AWS::EC2::SecurityGroupEgress"

    def __init__(self, definition: Definition) -> None:
        super().__init__(definition)
        self.name = f"{definition.properties['GroupId']}-egress"
        self.group = _group(definition)
        _remove_default_egress(self.group)
        self.rules = _authorize(self.group, definition.properties, *EGRESS[::2])

    def delete(self, account_id: str, region_name: str) -> None:
        """Remove the rule from its group."""
        _revoke(self.group, self.rules)
