"""Machines of a cluster on a provider without AWS: their names, addresses and seeds. Pure.

AWS assigns ids and addresses. Here the description determines them: `core-1` is the first node of `core`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Final

from swarmer.core import names, user_data
from swarmer.core.cluster import Cluster, Group, Role
from swarmer.core.node import NodeDescription, Storage
from swarmer.core.user_data import AnySoftware, Share

FIRST_ADDRESS: Final = 10
"""Index of the first machine's address in the network; lower addresses belong to routers and hosts."""
SEED_LABEL: Final = "cidata"
"""Label of a volume with a seed. Source:
https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html"""
FALLBACK: Final = "# Nothing is set here: cloud-init asks DHCP on the first interface.\n"
"""Text of a network configuration that leaves the choice to cloud-init."""
SOFTWARE_FILE: Final = "software.zip"
"""Name of the file with the node software, in a seed."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One node of a group."""

    group: Group
    index: int
    """Number within the group, from 1."""
    address: str

    @property
    def name(self) -> str:
        """Name of the node in Consul, in Swarm and at its provider."""
        return names.node_name(self.group.name, str(self.index))

    @property
    def is_wanted(self) -> bool:
        """Whether the machine always exists; machines beyond the group's `min` are created on request."""
        return self.index <= self.group.smallest


@dataclass(frozen=True, kw_only=True)
class Seed:
    """Contents of the files that cloud-init's data source NoCloud reads."""

    user_data: str
    meta_data: str
    network_config: str

    @property
    def files(self) -> dict[str, str]:
        """Contents by file name."""
        return {
            "user-data": self.user_data,
            "meta-data": self.meta_data,
            "network-config": self.network_config,
        }


@dataclass(frozen=True, kw_only=True)
class Addressing:
    """Method by which a machine gets its address. The default is DHCP."""

    gateway: str = ""
    """Address of the default gateway. If set, the machine's address is fixed, and `interface` is required."""
    nameservers: tuple[str, ...] = ()
    interface: str = ""
    """Name of the network interface; empty: DHCP on the first one, cloud-init's default."""
    is_disabled: bool = False
    """Whether the creator of the machine configures its network."""


def machines(cluster: Cluster) -> tuple[Machine, ...]:
    """All machines that the cluster may have, in the order of servers.yml.

    Voting machines have the first addresses, so that they keep them when the number of workers changes.
    """
    voting = [group for group in cluster.groups if group.has_quorum_role]
    others = [group for group in cluster.groups if not group.has_quorum_role]
    network = IPv4Network(cluster.network.cidr)
    found: dict[str, list[Machine]] = {}
    number = FIRST_ADDRESS
    for group in (*voting, *others):
        for index in range(1, group.largest + 1):
            machine = Machine(group=group, index=index, address=str(network[number]))
            found.setdefault(group.name, []).append(machine)
            number += 1
    return tuple(each for group in cluster.groups for each in found.get(group.name, ()))


def servers(cluster: Cluster) -> tuple[str, ...]:
    """Addresses of the Consul servers, through which every node joins."""
    return tuple(each.address for each in machines(cluster) if Role.CONSUL_SERVER in each.group.roles)


def describe(
    cluster: Cluster, group: Group, *, storage: Storage, identity: str, peers: Sequence[str] = ()
) -> NodeDescription:
    """Description for every node of the group.

    `identity`: the location of the cluster's ID. Only voting nodes get it.
    """
    return NodeDescription(
        cluster=cluster.name,
        domain=cluster.domain,
        group=group.name,
        roles=tuple(sorted(group.roles)),
        consul_servers=cluster.consul_servers,
        network_cidr=cluster.network.cidr,
        storage=storage,
        peers=tuple(peers),
        identity=identity if group.has_quorum_role else "",
        registrator=cluster.registrator.model_dump(exclude_defaults=True),
    )


def seed(
    cluster: Cluster,
    machine: Machine,
    *,
    software: AnySoftware,
    share: Share,
    addressing: Addressing,
    peers: Sequence[str] = (),
    zone: str = "",
) -> Seed:
    """Seed of one machine. `peers`: addresses of the Consul servers if they differ from the planned ones."""
    directory = names.share_directory(cluster.name)
    node = describe(
        cluster,
        machine.group,
        storage=Storage(directory=f"{directory}/images"),
        identity=f"file:{directory}/identity",
        peers=peers or servers(cluster),
    )
    # Keys of NoCloud; swarmer/core/identity.py reads them.
    meta = {
        "instance-id": str(machine.index),
        "local-hostname": machine.name,
        "local-ipv4": machine.address,
        "availability-zone": zone,
    }
    return Seed(
        user_data=user_data.render(node, software, share),
        meta_data=json.dumps(meta, indent=1) + "\n",
        network_config=network_config(cluster, machine, addressing),
    )


def network_config(cluster: Cluster, machine: Machine, addressing: Addressing) -> str:
    """Network configuration of cloud-init, version 2, in JSON, which is YAML.

    Interfaces are given by name. Of the keys below `match`, cloud-init's renderer for systemd-networkd
    supports only the hardware address (seen: `name: e*` left a machine without a network).
    """
    if addressing.is_disabled:
        return '{"config": "disabled"}\n'
    if not addressing.interface:
        return FALLBACK
    card: dict[str, Any] = {"dhcp4": True}
    if addressing.gateway:
        prefix = IPv4Network(cluster.network.cidr).prefixlen
        card = {
            "addresses": [f"{machine.address}/{prefix}"],
            "routes": [{"to": "0.0.0.0/0", "via": addressing.gateway}],
        }
    if addressing.nameservers:
        card["nameservers"] = {"addresses": list(addressing.nameservers)}
    return json.dumps({"version": 2, "ethernets": {addressing.interface: card}}, indent=1) + "\n"
