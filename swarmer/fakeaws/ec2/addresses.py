"""The private addresses of instances."""

from __future__ import annotations

import contextlib
from typing import Any

from moto.ec2.models.subnets import Subnet


def extend() -> None:
    _never_reuse_addresses()


def _never_reuse_addresses() -> None:
    """AWS takes a while until it gives out a freed address again; moto does so with its very next instance.

    In the rehearsal an address belongs to one instance for good: peers may still hold a dead node's.
    """

    def del_subnet_ip(self: Any, ip: str) -> None:
        with contextlib.suppress(KeyError):
            del self._subnet_ips[ip]

    Subnet.del_subnet_ip = del_subnet_ip
