"""Network interfaces: the addresses in security groups, and the rules of these groups, as values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from moto.ec2 import ec2_backends

from swarmer.core import names
from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.fakeaws.ec2.packet_filter import Group, Network, Rule
from swarmer.fakeaws.ec2.states import TERMINATED


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """Deployed security groups."""

    network: Network
    instances: Mapping[str, tuple[str, ...]]
    """IDs of the groups of each instance, by its ID."""


def deployed(cidr: str, endpoint: tuple[str, int], operators: Sequence[str]) -> Deployed:
    """Security groups of the VPCs with running instances or functions.

    `cidr`, `endpoint`: see `Network`. `operators`: addresses of operators behind the VPN.
    """
    interfaces = list(_interfaces())
    groups = {group.id: group for group in _groups({each.vpc_id for each in interfaces})}
    members: dict[str, set[str]] = defaultdict(set)
    instances = {}
    for interface in interfaces:
        own = tuple(sorted(group.id for group in interface.group_set))
        for id_ in own:
            members[id_].add(str(interface.private_ip_address))
        if interface.instance:
            instances[interface.instance.id] = own
    for id_, group in groups.items():
        if group.description == names.VPN_GROUP_DESCRIPTION:
            members[id_].update(operators)
    network = Network(
        cidr=cidr,
        groups={id_: _group(group) for id_, group in groups.items()},
        members={id_: tuple(sorted(addresses)) for id_, addresses in members.items()},
        endpoint=endpoint,
    )
    return Deployed(network=network, instances=instances)


def _interfaces() -> Iterator[Any]:
    """Interfaces of functions, and of instances that are not gone."""
    for backend in list(ec2_backends[ACCOUNT].values()):
        for each in list(backend.enis.values()):
            if each.subnet and not (each.instance and each.instance.state == TERMINATED):
                yield each


def _groups(vpcs: Set[str]) -> Iterator[Any]:
    for backend in list(ec2_backends[ACCOUNT].values()):
        for vpc in vpcs & backend.groups.keys():
            yield from list(backend.groups[vpc].values())


def _group(group: Any) -> Group:
    ingress, egress = (
        tuple(sorted(_rules(rules), key=lambda rule: rule.id))
        for rules in (group.ingress_rules, group.egress_rules)
    )
    return Group(ingress=ingress, egress=egress)


def _rules(rules: Sequence[Any]) -> Iterator[Rule]:
    """Rules with a group or an IPv4 range; the template has no other rules."""
    for rule in list(rules):
        peer = (rule.source_group or {}).get("GroupId") or (rule.ip_range or {}).get("CidrIp")
        if peer:
            yield Rule(
                id=rule.id,
                protocol=rule.ip_protocol,
                first=-1 if rule.from_port is None else rule.from_port,
                last=-1 if rule.to_port is None else rule.to_port,
                peer=peer,
            )
