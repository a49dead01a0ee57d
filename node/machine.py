"""Identity of this node, its watchdog signal and its log, for every program on it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
from pathlib import Path
from typing import Final

from swarmer.core import identity, names, network_plan
from swarmer.core.configuration import Machine
from swarmer.core.node import NodeDescription

SIOCGIFADDR: Final = 0x8915
SIOCGIFMTU: Final = 0x8921
"""Number of the kernel's request for the MTU of an interface, <linux/sockios.h>."""


class Unusable(Exception):
    """The machine lacks the data of its identity; it is dead and will be replaced."""


def read_machine() -> Machine:
    """Return this machine from the files that cloud-init wrote. Raises Unusable."""
    try:
        node = NodeDescription.from_json(Path(names.NODE_DESCRIPTION).read_text())
        who = identity.parse(Path(names.INSTANCE_DATA).read_text())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise Unusable(f"{names.NODE_DESCRIPTION} and {names.INSTANCE_DATA}: {exc!r}") from exc
    address = who.address or _address_towards(node.network_cidr)
    return Machine(node=node, identity=who, address=address, mtu=mtu_of(address))


def _address_towards(cidr: str) -> str:
    """Return the address from which this machine reaches the cluster's network; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((cidr.partition("/")[0], 9))
        return str(probe.getsockname()[0])


def mtu_of(address: str) -> int:
    """Return the MTU of the interface that has the address, as DHCP or the hypervisor set it.

    If no interface has the address, the MTU is 1500.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # an interface without an address
                if socket.inet_ntoa(_ioctl(sock, SIOCGIFADDR, name)[4:8]) == address:
                    return int(struct.unpack_from("i", _ioctl(sock, SIOCGIFMTU, name))[0])
    return network_plan.ETHERNET_MTU


def _ioctl(sock: socket.socket, request: int, interface: str) -> bytes:
    """Return the kernel's answer about an interface: the union in `struct ifreq`, netdevice(7)."""
    return fcntl.ioctl(sock, request, struct.pack("16s24x", interface.encode()))[16:]


def notify_watchdog() -> None:
    """Signal systemd that this program still works. systemd kills and restarts a program without signals.

    The first call also reports the start. The watchdog begins only then, because slow machines start slowly.
    """
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, contextlib.suppress(OSError):
            notify.sendto(b"READY=1\nWATCHDOG=1", address.replace("@", "\0", 1))


def log(text: str) -> None:
    """Write one line to the journal and the machine's console."""
    print(f"swarmer: {text}", flush=True)  # noqa: T201 - the console is its output
