"""Context of an execution environment: credentials of its role, and an address in its subnets."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass
from typing import Any, Final

from moto.ec2 import ec2_backends
from moto.sts import sts_backends

from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.fakeaws.lambda_.model import Function

SESSION_DURATION_S: Final = 12 * 3600
"""Lifetime of the credentials."""
_subnet_turns: Final = itertools.count()


@dataclass(frozen=True, kw_only=True)
class ExecutionContext:
    """Credentials and network of one environment. `address` and `interface` are empty outside a VPC."""

    credentials: dict[str, str]
    address: str = ""
    interface: str = ""
    region: str = ""


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
        return ExecutionContext(credentials=credentials, region=function.region)
    interface = _interface(function)
    return ExecutionContext(
        credentials=credentials,
        address=interface.private_ip_address,
        interface=interface.id,
        region=function.region,
    )


def _interface(function: Function) -> Any:
    """Create a network interface. The subnets take turns."""
    backend = ec2_backends[ACCOUNT][function.region]
    subnet = backend.get_subnet(function.subnets[next(_subnet_turns) % len(function.subnets)])
    # Without an address, moto draws a random one that an instance may get too.
    address = subnet.get_available_subnet_ip(function)
    return backend.create_network_interface(
        subnet,
        address,
        group_ids=list(function.security_groups),
        description=f"AWS Lambda VPC ENI-{function.name}",
    )


def release(context: ExecutionContext) -> None:
    """Delete the network interface of an environment that has ended."""
    if context.interface:
        with contextlib.suppress(Exception):  # already deleted, for example with its VPC
            ec2_backends[ACCOUNT][context.region].delete_network_interface(context.interface)
