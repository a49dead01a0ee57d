"""The machines of a cluster on a ground that has no AWS: who they are, what each is told. Pure.

AWS makes up ids and addresses; here the description gives them: `core-1` is the first node of `core`.
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
"""Of the network's addresses; those below belong to routers and hosts."""
SEED_LABEL: Final = "cidata"
"""Of a volume with a seed. https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html"""
FALLBACK: Final = "# Nothing is said here: cloud-init asks DHCP on the first interface.\n"
SOFTWARE_FILE: Final = "software.zip"
"""Of a seed: the node software."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One node of a group."""

    group: Group
    index: int
    """From 1, in the group."""
    address: str

    @property
    def name(self) -> str:
        """Of the node, in Consul, in Swarm and on its ground."""
        return names.node_name(self.group.name, str(self.index))

    @property
    def is_wanted(self) -> bool:
        """Beyond a group's `min` a machine is made only for who asks for it."""
        return self.index <= self.group.smallest


@dataclass(frozen=True, kw_only=True)
class Seed:
    """What NoCloud reads."""

    user_data: str
    meta_data: str
    network_config: str

    @property
    def files(self) -> dict[str, str]:
        """By name."""
        return {
            "user-data": self.user_data,
            "meta-data": self.meta_data,
            "network-config": self.network_config,
        }


@dataclass(frozen=True, kw_only=True)
class Addressing:
    """How a machine gets its address; as it is: by DHCP."""

    gateway: str = ""
    """Where there is one the address is fixed, and this is the way out; it takes an `interface`."""
    nameservers: tuple[str, ...] = ()
    interface: str = ""
    """Name of the network interface; empty: DHCP on the first, as cloud-init does by itself."""
    is_disabled: bool = False
    """Whoever makes the machine sees to its network."""


def machines(cluster: Cluster) -> tuple[Machine, ...]:
    """Every machine that the cluster may have, in the order of servers.yml.

    Those that vote have the first addresses: a worker more or less moves no server.
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
    """Addresses of the Consul servers: whom every node asks to be let in."""
    return tuple(each.address for each in machines(cluster) if Role.CONSUL_SERVER in each.group.roles)


def describe(
    cluster: Cluster, group: Group, *, storage: Storage, identity: str, peers: Sequence[str] = ()
) -> NodeDescription:
    """What every node of the group is told. `identity`: where the cluster's stands; only who votes asks."""
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
    """The seed of one machine. `peers`: the Consul servers, where they have addresses of their own."""
    directory = names.share_directory(cluster.name)
    node = describe(
        cluster,
        machine.group,
        storage=Storage(directory=f"{directory}/images"),
        identity=f"file:{directory}/identity",
        peers=peers or servers(cluster),
    )
    # In the words of NoCloud and swarmer/core/identity.py.
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
    """Version 2 of cloud-init's network configuration, in JSON, which is YAML.

    Interfaces by their names only: of what else may stand below `match`, cloud-init's renderer for
    systemd-networkd knows the hardware address alone (seen: `name: e*` left a machine without a network).
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
