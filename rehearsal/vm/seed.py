"""What a virtual machine is told: the rendered user-data and NoCloud's meta-data, on a volume called cidata.

A volume and no folder in the tree: this is how VMs of every kind get their seed, and the disk stays the same
for each. Source: https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from rehearsal import ground
from swarmer.adapters import process
from swarmer.core import names, software, user_data
from swarmer.core.health import Expected
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER, SWARM_WORKER, NodeDescription, Storage

LABEL: Final = "cidata"
CLUSTER: Final = "vm"
DOMAIN: Final = "swarmer"
NETWORK: Final = "10.0.2.0/24"
"""QEMU's user network, and the address that its DHCP gives to the only guest."""
ADDRESS: Final = "10.0.2.15"
NOWHERE: Final = "http://10.0.2.2:9"
"""AWS of this ground: nothing answers. The description says who the peers are, so nothing needs to."""

EXPECTED: Final = Expected(
    name=names.node_name("all", "i-0000000000000a0b0"),
    instance_id="i-0000000000000a0b0",
    group="all",
    roles=(CONSUL_SERVER, SWARM_MANAGER, SWARM_WORKER),
    address=ADDRESS,
    zone=f"{ground.REGION}a",
)
"""The one node of the cluster."""


def description() -> NodeDescription:
    """What the node is for."""
    return NodeDescription(
        cluster=CLUSTER,
        domain=DOMAIN,
        group=EXPECTED.group,
        roles=EXPECTED.roles,
        consul_servers=1,
        network_cidr=NETWORK,
        storage=Storage(bucket="no-bucket", region=ground.REGION),
        peers=(ADDRESS,),
    )


def meta_data() -> dict[str, object]:
    """Who the machine is, in the words of NoCloud and swarmer/core/identity.py."""
    return {
        "instance-id": EXPECTED.instance_id,
        "local-hostname": f"ip-{ADDRESS.replace('.', '-')}",
        "local-ipv4": ADDRESS,
        "availability-zone": EXPECTED.zone,
        "region": ground.REGION,
        "swarmer": {"aws_endpoint_url": NOWHERE, "metadata_endpoint": NOWHERE},
    }


def write(folder: Path) -> Path:
    """The volume as a file below `folder`. Raises process.Failed."""
    image, parts = folder / "seed.iso", folder / "seed"
    parts.mkdir()
    # The disk carries this digest: nothing is downloaded.
    carried = user_data.Software(bucket="-", key="-", region=ground.REGION, digest=software.digest())
    (parts / "user-data").write_text(user_data.render(description(), carried))
    (parts / "meta-data").write_text(json.dumps(meta_data()))
    process.run(["genisoimage", "-quiet", "-o", str(image), "-V", LABEL, "-J", "-r", str(parts)])
    return image
