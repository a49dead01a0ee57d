"""Who this node is: what every program on it begins with."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

from swarmer.core import identity, names
from swarmer.core.configuration import Machine
from swarmer.core.node import NodeDescription


class Unusable(Exception):
    """This machine was not told what it is; it is dead and will be replaced."""


def read() -> Machine:
    """From the files that cloud-init wrote; raises Unusable."""
    try:
        node = NodeDescription.from_json(Path(names.NODE_DESCRIPTION).read_text())
        who = identity.parse(Path(names.INSTANCE_DATA).read_text())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise Unusable(f"{names.NODE_DESCRIPTION} and {names.INSTANCE_DATA}: {exc!r}") from exc
    return Machine(node=node, identity=who, address=who.address or _address_towards(node.network_cidr))


def _address_towards(cidr: str) -> str:
    """The address from which this machine reaches the cluster's network; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((cidr.partition("/")[0], 9))
        return str(probe.getsockname()[0])


def alive() -> None:
    """Tell systemd that this program still works; one that stops telling is killed and started anew.

    The first time also says that it began to: how long that takes is the machine's affair, no sign of death.
    """
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, contextlib.suppress(OSError):
            notify.sendto(b"READY=1\nWATCHDOG=1", address.replace("@", "\0", 1))


def say(text: str) -> None:
    """One line for the journal and the machine's console."""
    print(f"swarmer: {text}", flush=True)  # noqa: T201 - the console is its output
