"""Nothing leaves the machine: not by moto, not by anything else in this process."""

from __future__ import annotations

import ipaddress
import sys
from typing import Any


def refuse_connections() -> None:
    """From now on this process can connect to the machine itself only. For good: audit hooks stay."""
    sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto") and not is_on_this_machine(arguments[1]):
        raise PermissionError(f"the rehearsal connects to nothing outside of this machine: {arguments[1]}")


def is_on_this_machine(address: Any) -> bool:
    """A path is a UNIX socket; of addresses only loopback ones."""
    if not isinstance(address, tuple):
        return True
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return bool(address[0] == "localhost")
