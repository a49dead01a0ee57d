"""Seed of the virtual machine, made by `swarmer cloud-init` like that of any machine outside AWS.

It is a volume instead of a folder in the tree, like the seeds of other virtual machines. So the disk stays
the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from swarmer.adapters import process
from swarmer.core.health import Expected
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER, SWARM_WORKER
from swarmer.local import environment
from swarmer.local.seeds import VOLUME

SERVERS: Final = Path(__file__).with_name("servers.yml")
CLUSTER: Final = "vm"
DOMAIN: Final = "swarmer"
ADDRESS: Final = "10.0.2.15"
"""Address of the only guest, from the DHCP of QEMU's user network."""

EXPECTED: Final = Expected(
    name="all-1",
    instance_id="1",
    group="all",
    roles=(CONSUL_SERVER, SWARM_MANAGER, SWARM_WORKER),
    address=ADDRESS,
    zone="",
)
"""Only node of the cluster."""


def write(folder: Path) -> Path:
    """Write the volume as a file below `folder`. Raises process.Failed."""
    process.run(
        [
            *(str(environment.ROOT / ".venv/bin/swarmer"), "cloud-init", "all", "1", "-f", str(SERVERS)),
            *("--address", ADDRESS, "--volume", "-o", str(folder / "seed")),
        ],
        timeout_s=120,
    )
    return folder / "seed" / VOLUME
