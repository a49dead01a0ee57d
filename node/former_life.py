"""Removal of what this node declared in Consul before its boot, by swarmer-configure, before Consul starts.

While a node is down, its failed member keeps its services out of DNS. They return with the member, and the
member is alive before any service on the node. A restarted server cannot remove them by itself: it has no
leader yet, and it compares with its own data, which may be old. So this module cleans the catalogue through
another node, while this one is still out of DNS.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from swarmer.adapters.consul import Consul, Unavailable

CONSUL_DATA: Final = Path("/var/lib/consul")
"""Folder in which Consul keeps its data."""
PEER_TIMEOUT_S: Final = 2.0
"""Timeout for the answer of one peer, when a node looks for entries of its former life."""
ALL_TIMEOUT_S: Final = 6.0
"""Timeout for the answers of all peers. After it the agent cleans up, as soon as Consul has a leader."""


def is_reboot(data: Path = CONSUL_DATA) -> bool:
    """Whether a Consul agent of this node ran before."""
    return (data / "node-id").exists()


def forget_services(data: Path = CONSUL_DATA) -> bool:
    """Delete the services that an earlier life of this node declared in Consul; return whether there were
    any.

    Consul would restore them as healthy as they were declared, before any check has run. Each program
    declares again the services that it still has.
    """
    kept = [data / name for name in ("services", "checks") if (data / name).exists()]
    for folder in kept:
        shutil.rmtree(folder)
    return bool(kept)


def withdraw_services(
    name: str,
    peers: Sequence[str],
    *,
    client: Callable[[str], Consul] = lambda peer: Consul(peer, timeout_s=PEER_TIMEOUT_S),
) -> int | None:
    """Remove the catalogue's services of this node through the first peer that answers.

    Returns how many there were; None if no peer has answered in time.
    """
    deadline_s = time.monotonic() + ALL_TIMEOUT_S
    for peer in peers:
        if time.monotonic() > deadline_s:
            break
        try:
            return _withdraw(client(peer), name)
        except Unavailable:
            continue
    return None


def _withdraw(consul: Consul, name: str) -> int:
    left = consul.catalogued(name)
    for service_id in left:
        consul.deregister_catalogued(name, service_id)
    return len(left)
