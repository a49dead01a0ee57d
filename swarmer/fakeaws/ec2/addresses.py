"""Private addresses of instances."""

from __future__ import annotations

import contextlib
from typing import Any

from moto.ec2.models.subnets import Subnet


def extend() -> None:
    _never_reuse_addresses()


def _never_reuse_addresses() -> None:
    """AWS reuses a freed address only after a while; bare moto gives it to the next instance.

    The rehearsal never reuses an address, because peers may still use the address of a dead node.
    """

    def del_subnet_ip(self: Any, ip: str) -> None:
        with contextlib.suppress(KeyError):
            del self._subnet_ips[ip]

    Subnet.del_subnet_ip = del_subnet_ip
