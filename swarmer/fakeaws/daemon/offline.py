"""Guard that keeps every connection of this process on this machine."""

from __future__ import annotations

import ipaddress
import sys
from typing import Any


def refuse_connections() -> None:
    """Refuse all connections of this process to other machines, for ever, because audit hooks stay."""
    sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto") and not is_on_this_machine(arguments[1]):
        raise PermissionError(f"the rehearsal connects to nothing outside of this machine: {arguments[1]}")


def is_on_this_machine(address: Any) -> bool:
    """Whether the address is a UNIX socket's path or a loopback address."""
    if not isinstance(address, tuple):
        return True
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return bool(address[0] == "localhost")
