"""Security groups: their rules can be read and changed, but no traffic is filtered."""

from __future__ import annotations

import contextlib
from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.ec2 import ec2_backends
from moto.ec2.exceptions import InvalidPermissionDuplicateError
from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupRule

from swarmer.fakeaws.base.template_resource import (
    Create,
    Definition,
    TemplateResource,
    Update,
    wrap_create,
    wrap_update,
)


def extend() -> None:
    _update_in_place()
    _allow_protocols_without_ports()


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
    return group


def _update(replace: Update, original: Any, definition: Definition) -> Any:
    if _fixed(definition.properties) != original.fixed_properties:
        return replace(original, definition)
    _replace_inline_rules(original, definition.properties.get("SecurityGroupIngress", []))
    return original


def _fixed(properties: dict[str, Any]) -> tuple[Any, ...]:
    """Properties that cannot change in place: a change of one replaces the group."""
    return tuple(properties.get(key) for key in ("GroupName", "GroupDescription", "VpcId"))


def _replace_inline_rules(group: Any, rules: list[dict[str, Any]]) -> None:
    old = {id(rule) for rule in group.inline_rules}
    group.ingress_rules[:] = [rule for rule in group.ingress_rules if id(rule) not in old]
    kept = {id(rule) for rule in group.ingress_rules}
    for rule in rules:
        with contextlib.suppress(InvalidPermissionDuplicateError):
            _authorize(group.ec2_backend.authorize_security_group_ingress, group.id, rule, "Source")
    group.inline_rules = [rule for rule in group.ingress_rules if id(rule) not in kept]


def _authorize(authorize: Any, group_id: str, rule: dict[str, Any], peer: str) -> None:
    group = rule.get(f"{peer}SecurityGroupId")
    prefixes = rule.get(f"{peer}PrefixListId")
    authorize(
        group_name_or_id=group_id,
        ip_protocol=str(rule["IpProtocol"]),
        from_port=rule.get("FromPort"),
        to_port=rule.get("ToPort"),
        ip_ranges=[{"CidrIp": rule["CidrIp"]}] if "CidrIp" in rule else [],
        source_groups=[{"GroupId": group}] if group else [],
        prefix_list_ids=[{"PrefixListId": prefixes}] if prefixes else [],
    )


class SecurityGroupEgress(TemplateResource, CloudFormationModel):  # type: ignore[misc]
    """AWS::EC2::SecurityGroupEgress, deleted with its group; bare moto has no model of the type."""

    TYPE = "AWS::EC2::SecurityGroupEgress"

    def __init__(self, definition: Definition) -> None:
        super().__init__(definition)
        group = definition.properties["GroupId"]
        self.name = f"{group}-egress"
        with contextlib.suppress(InvalidPermissionDuplicateError):
            authorize = ec2_backends[definition.account][definition.region].authorize_security_group_egress
            _authorize(authorize, group, definition.properties, "Destination")
