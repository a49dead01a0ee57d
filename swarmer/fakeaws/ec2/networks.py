"""VPCs that an account has before its first deploy, with the IDs of a description.

AWS and moto choose every ID, but an operator's description has the IDs of a real account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from moto.ec2 import ec2_backends
from moto.ec2.models import subnets as subnet_models
from moto.ec2.models import vpcs as vpc_models

from swarmer.fakeaws.base.preload import ACCOUNT

_next_id: Final[ContextVar[str | None]] = ContextVar("next_id", default=None)
"""ID of the VPC or subnet that this thread creates; None: moto chooses one."""


def extend() -> None:
    vpc_models.random_vpc_id = _chosen_or(vpc_models.random_vpc_id)
    subnet_models.random_subnet_id = _chosen_or(subnet_models.random_subnet_id)


def _chosen_or(real: Callable[[], str]) -> Callable[[], str]:
    def identifier() -> str:
        return _next_id.get() or real()

    return identifier


@contextmanager
def _called(identifier: str) -> Iterator[None]:
    token = _next_id.set(identifier)
    try:
        yield
    finally:
        _next_id.reset(token)


def ensure(region: str, vpc_id: str, cidr: str, subnets: Mapping[str, tuple[str, str]]) -> None:
    """Create the VPC and its subnets if they are missing.

    `subnets`: ID and address range of the subnet by the name of its zone. Raises moto's errors.
    """
    backend: Any = ec2_backends[ACCOUNT][region]
    if vpc_id not in backend.vpcs:
        with _called(vpc_id):
            backend.create_vpc(cidr)
    known = {subnet.id for subnet in backend.describe_subnets()}
    for zone, (subnet_id, subnet_cidr) in subnets.items():
        if subnet_id not in known:
            with _called(subnet_id):
                backend.create_subnet(vpc_id, subnet_cidr, availability_zone=zone)
