"""Context of an execution environment: credentials of its role, and an address in its subnets."""

from __future__ import annotations

import contextlib
import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

from moto.ec2 import ec2_backends
from moto.sts import sts_backends

from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.fakeaws.lambda_.model import Function

SESSION_DURATION_S: Final = 12 * 3600
"""Lifetime of the credentials."""
_subnet_turns: Final = itertools.count()
_free_interfaces: Final[dict[tuple[str, ...], list[str]]] = defaultdict(list)
"""IDs of interfaces without an environment, by region, security groups and subnets.

Lambda shares an interface between functions of the same subnet and groups, and keeps it for a while.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
"""


@dataclass(frozen=True, kw_only=True)
class ExecutionContext:
    """Credentials and network of one environment. `address` and `interface` are empty outside a VPC."""

    credentials: dict[str, str]
    address: str = ""
    interface: str = ""
    network: tuple[str, ...] = ()
    """Region, security groups and subnets of the interface."""


def acquire(function: Function) -> ExecutionContext:
    """Assume the function's role and create a network interface, as Lambda does for an environment."""
    role = sts_backends[ACCOUNT]["aws"].assume_role(
        region_name=function.region,
        role_session_name=function.name,
        role_arn=function.role_arn,
        policy=None,
        duration=SESSION_DURATION_S,
        external_id=None,
    )
    credentials = {
        "AWS_ACCESS_KEY_ID": role.access_key_id,
        "AWS_SECRET_ACCESS_KEY": role.secret_access_key,
        "AWS_SESSION_TOKEN": role.session_token,
    }
    if not function.subnets:
        return ExecutionContext(credentials=credentials)
    network = (function.region, *function.security_groups, *function.subnets)
    interface = _free_interface(network) or _interface(function)
    return ExecutionContext(
        credentials=credentials,
        address=interface.private_ip_address,
        interface=interface.id,
        network=network,
    )


def _free_interface(network: tuple[str, ...]) -> Any:
    """Free interface of an ended environment; None if there is none."""
    known = ec2_backends[ACCOUNT][network[0]].enis
    while _free_interfaces[network]:
        # Another thread took the last interface, or it is deleted.
        with contextlib.suppress(IndexError, KeyError):
            return known[_free_interfaces[network].pop()]
    return None


def _interface(function: Function) -> Any:
    """Create a network interface. The subnets take turns."""
    backend = ec2_backends[ACCOUNT][function.region]
    subnet = backend.get_subnet(function.subnets[next(_subnet_turns) % len(function.subnets)])
    # Without an address, moto draws a random one, and an instance may get the same address.
    address = subnet.get_available_subnet_ip(function)
    return backend.create_network_interface(
        subnet,
        address,
        group_ids=list(function.security_groups),
        description=f"AWS Lambda VPC ENI-{function.name}",
    )


def release(context: ExecutionContext) -> None:
    """Keep the network interface of an environment that has ended for the next one."""
    if context.interface:
        _free_interfaces[context.network].append(context.interface)
