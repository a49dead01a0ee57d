"""Security groups: nothing filters traffic here, but their rules can be read and changed."""

from __future__ import annotations

import contextlib
from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.ec2 import ec2_backends
from moto.ec2.exceptions import InvalidPermissionDuplicateError
from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupRule


def extend() -> None:
    _update_in_place()
    _allow_protocols_without_ports()


def _allow_protocols_without_ports() -> None:
    """ESP (protocol 50) has no ports, and AWS wants none said; bare moto makes numbers of them."""
    create = SecurityGroupRule.__init__

    def init(
        self: Any, backend: Any, protocol: str, group_id: str, first: Any, last: Any, *rest: Any, **more: Any
    ) -> None:
        first, last = (-1 if port is None else port for port in (first, last))
        create(self, backend, protocol, group_id, first, last, *rest, **more)

    SecurityGroupRule.__init__ = init


def _update_in_place() -> None:
    """AWS changes the rules of a group; bare moto makes a new group, and instances keep the old one's id."""
    create = SecurityGroup.create_from_cloudformation_json.__func__
    replace = SecurityGroup.update_from_cloudformation_json.__func__

    def create_from_cloudformation_json(
        cls: Any, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **more: Any
    ) -> Any:
        group = create(cls, resource_name, cloudformation_json, account_id, region_name, **more)
        group.inline_rules = list(group.ingress_rules)
        group.fixed_properties = _fixed(cloudformation_json["Properties"])
        return group

    def update_from_cloudformation_json(
        cls: Any,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Any:
        properties = cloudformation_json["Properties"]
        if _fixed(properties) != original_resource.fixed_properties:
            return replace(
                cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name
            )
        _replace_inline_rules(original_resource, properties.get("SecurityGroupIngress", []))
        return original_resource

    SecurityGroup.create_from_cloudformation_json = classmethod(create_from_cloudformation_json)  # type: ignore[arg-type]
    SecurityGroup.update_from_cloudformation_json = classmethod(update_from_cloudformation_json)


def _fixed(properties: dict[str, Any]) -> tuple[Any, ...]:
    """What cannot be changed of a group: a change of these replaces it."""
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


class SecurityGroupEgress(CloudFormationModel):  # type: ignore[misc]
    """AWS::EC2::SecurityGroupEgress, of which bare moto has no model."""

    def __init__(self, properties: dict[str, Any], account: str, region: str) -> None:
        self.properties = properties
        self._backend = ec2_backends[account][region]
        with contextlib.suppress(InvalidPermissionDuplicateError):
            authorize = self._backend.authorize_security_group_egress
            _authorize(authorize, properties["GroupId"], properties, "Destination")

    @property
    def physical_resource_id(self) -> str:
        return f"{self.properties['GroupId']}-egress"

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::EC2::SecurityGroupEgress"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> SecurityGroupEgress:
        return cls(cloudformation_json["Properties"], account_id, region_name)

    def delete(self, account_id: str, region_name: str) -> None:
        """The rule goes with its group."""
