"""Rules for an existing VPC into which a cluster is deployed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Final

from swarmer.core import network_plan
from swarmer.core.account_rules import Pairs, pairs
from swarmer.core.validation import InvalidValue, listed, shown, text

VPC_ID: Final = re.compile(r"vpc-([0-9a-f]{8}|[0-9a-f]{17})")
SUBNET_ID: Final = re.compile(r"subnet-([0-9a-f]{8}|[0-9a-f]{17})")


def vpc_id(value: object) -> str | None:
    """The value, if it is the ID of a VPC, or None. Raises InvalidValue."""
    return None if value is None else _identifier(value, VPC_ID, "VPC", "vpc-")


def subnet(zone: str, value: object) -> None:
    """Check one zone and its subnet. Raises InvalidValue."""
    network_plan.zones([zone])
    _identifier(value, SUBNET_ID, "subnet", "subnet-")


def subnets(value: object) -> Pairs:
    """The value, if it is a mapping of zones to subnets. Raises InvalidValue."""
    found = pairs(value, "write ZONE: SUBNET below it, one line for each zone")
    if not found:
        return ()
    for zone, each in found:
        subnet(zone, each)
    network_plan.zones([zone for zone, _ in found])
    ids = [each for _, each in found]
    if twice := sorted({each for each in ids if ids.count(each) > 1}):
        raise InvalidValue(f"{listed(twice)} is in two zones", "name the subnet of each zone")
    return found


def rehearsed_subnets(cidr: str, number: int) -> Iterator[IPv4Network]:
    """Address ranges for `number` subnets of a rehearsal, because servers.yml lacks the real ranges."""
    return (zone.private for zone in network_plan.subnets(cidr, number))


def _identifier(value: object, pattern: re.Pattern[str], what: str, prefix: str) -> str:
    given = text(value)
    if not pattern.fullmatch(given):
        raise InvalidValue(
            f"{shown(given)} is no ID of a {what}", f"write {prefix} and 8 or 17 hexadecimal digits"
        )
    return given
