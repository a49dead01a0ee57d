"""Addresses, subnets and ports of a cluster, and their rules.

Standard library only, because nodes configure Docker from these constants. The CDK stack uses the subnets.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import islice
from typing import Final

from swarmer.core import names
from swarmer.core.validation import InvalidValue, listed, shown, whole_number

DOCKER_BRIDGE: Final = IPv4Network("172.17.0.0/16")
"""Network of docker0. Some AWS services use it themselves (Cloud9, SageMaker), and refuse it in VPCs or
fail."""
DOCKER_BRIDGE_IP: Final = "172.17.0.1/16"
"""Address and prefix of docker0 itself: dockerd's `bip`."""
DOCKER_GWBRIDGE: Final = IPv4Network("172.18.0.0/16")
"""Network of docker_gwbridge: the way of containers on overlay networks to the outside."""
DOCKER_LOCAL_POOL: Final = IPv4Network("172.19.0.0/16")
"""Pool of the networks that exist on one node only: dockerd's `default-address-pools`."""
SWARM_POOL: Final = IPv4Network("172.20.0.0/14")
"""Pool of the overlay networks (`swarm init --default-addr-pool`). Swarm's default, 10.0.0.0/8, overlaps
VPCs."""
POOL_NETWORK_PREFIX: Final = 24
"""Prefix length of each network that Docker takes out of DOCKER_LOCAL_POOL or SWARM_POOL."""
MTU_OPTION: Final = "com.docker.network.driver.mtu"
"""Option of a Docker network with its MTU. The overlay driver subtracts the 50 bytes of VXLAN itself."""
ETHERNET_MTU: Final = 1500
"""MTU of a network without a known larger one."""
VPC_MTU: Final = 9001
"""MTU within a VPC (AWS, "Network MTU for your EC2 instance") of each instance type of today's
generations."""
DOCKER_POOLS: Final = {
    "docker0": DOCKER_BRIDGE,
    "docker_gwbridge": DOCKER_GWBRIDGE,
    "Docker's local networks": DOCKER_LOCAL_POOL,
    "Swarm's overlay networks": SWARM_POOL,
}
"""Networks that Docker uses on every node, by their names in messages."""

PRIVATE: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))
"""Private networks of RFC 1918 and RFC 6598."""
VPC_PREFIXES: Final = (16, 26)
"""Shortest and longest prefix of a VPC. AWS accepts /16 to /28; a public and a private subnet need a /26."""
VPN_PREFIXES: Final = (12, 22)
"""Shortest and longest prefix of the VPN clients' network (AWS Client VPN, rules and best practices)."""
MOST_ZONES: Final = 6
"""Largest number of availability zones of any AWS region."""
ZONE_NAME: Final = re.compile(r"[a-z]+(-[a-z]+)+-[0-9][a-z]")
"""Name of an availability zone: the region and a letter."""
GROWING_PREFIX: Final = 21
"""Prefix length of the smallest VPC with room for the subnets of six zones from the start."""

PUBLIC_PREFIX: Final = 28
"""Prefix length of the public subnets: AWS's smallest, because they contain only NAT gateways."""
SMALLEST_PRIVATE_PREFIX: Final = 27
"""Prefix length of the smallest private subnet with which AWS Client VPN can be associated."""
AWS_ADDRESSES: Final = 5
"""Number of addresses that AWS reserves in each subnet: network, router, DNS, future use, broadcast."""
OTHER_ADDRESSES: Final = 24
"""Number of other addresses in each private subnet: 20 for Client VPN, 4 for Lambda network interfaces."""

LOWEST_PORT: Final = 1024
"""First port that services may use; the ports below it are privileged."""
HIGHEST_PORT: Final = 65535
"""Last port that services may use."""
OWN_PORTS: Final = {
    names.SWARM_CLUSTER_PORT: "Swarm's control plane",
    names.DOCKER_PORT: "Docker's API",
    names.OVERLAY_PORT: "overlay networks",
    names.REGISTRY_PORT: "the registry",
    names.SWARM_GOSSIP_PORT: "Swarm's gossip",
    names.CONSUL_RPC_PORT: "Consul's RPC",
    names.CONSUL_GOSSIP_PORT: "Consul's gossip",
    names.CONSUL_HTTP_PORT: "Consul's API",
    names.CONSUL_DNS_PORT: "Consul's DNS",
}
"""Ports of the cluster itself, with their use. Services must not publish them."""


@dataclass(frozen=True)
class ZoneSubnets:
    """The two subnets of one availability zone."""

    public: IPv4Network
    private: IPv4Network


def subnets(cidr: str, zones: int) -> tuple[ZoneSubnets, ...]:
    """One pair of disjoint subnets within `cidr` per zone, in order.

    The public subnets (/28) come first, so that the VPC's first address belongs to a public subnet's router.
    In a VPC of GROWING_PREFIX or larger, a zone has the same subnets for every number of zones, because AWS
    cannot move a subnet. In a smaller VPC the private subnets have equal size, as large as possible. Raises
    InvalidValue if `cidr` is too small.
    """
    vpc = IPv4Network(cidr)
    public = islice(vpc.subnets(new_prefix=PUBLIC_PREFIX), zones)
    private = _growing(vpc) if vpc.prefixlen <= GROWING_PREFIX else _equal(vpc, zones)
    return tuple(ZoneSubnets(*pair) for pair in zip(public, private, strict=False))


def _growing(vpc: IPv4Network) -> Iterator[IPv4Network]:
    """The private subnets of six zones: three quarters of the VPC, and three quarters of its first quarter.

    The public subnets are in the rest.
    """
    first, *large = vpc.subnets(prefixlen_diff=2)
    _, *small = first.subnets(prefixlen_diff=2)
    return iter((*large, *small))


def _equal(vpc: IPv4Network, zones: int) -> Iterator[IPv4Network]:
    prefix = _private_prefix(vpc, zones)
    return islice(vpc.subnets(new_prefix=prefix), _blocks_before(prefix, zones), None)


def node_capacity(cidr: str, zones: int) -> int:
    """Number of nodes in the private subnets if spread evenly over the zones. Raises InvalidValue."""
    smallest = max(pair.private.prefixlen for pair in subnets(cidr, zones))
    return zones * _node_addresses(smallest)


def vpc_cidr(value: object) -> str:
    """The value, if it is a network for the VPC of a cluster. Raises InvalidValue."""
    return _private_cidr(value, VPC_PREFIXES, "10.42.0.0/16")


def zones(value: object) -> int | tuple[str, ...]:
    """The value, if it is a number of availability zones, or a list of their names. Raises InvalidValue."""
    if not isinstance(value, list | tuple):
        return whole_number(value, low=1, high=MOST_ZONES)
    advice = "write names like eu-central-1a"
    if not 1 <= len(value) <= MOST_ZONES:
        raise InvalidValue(f"{len(value)} zones are named", f"name 1 to {MOST_ZONES}")
    if wrong := [shown(each) for each in value if not isinstance(each, str) or not ZONE_NAME.fullmatch(each)]:
        raise InvalidValue(
            f"{listed(wrong)} {'is' if len(wrong) == 1 else 'are'} no availability zone", advice
        )
    if twice := sorted({each for each in value if list(value).count(each) > 1}):
        raise InvalidValue(f"{listed(twice)} is named twice", "name each zone once")
    if len(regions := {each[:-1] for each in value}) > 1:
        raise InvalidValue(f"the zones are in {listed(sorted(regions))}", "name zones of one region")
    return tuple(value)


def vpn_cidr(value: object) -> str:
    """The value, if it is a network for the clients of AWS Client VPN. Raises InvalidValue."""
    return _private_cidr(value, VPN_PREFIXES, "10.43.0.0/22")


def service_ports(value: object) -> str:
    """The value as text: "LOW-HIGH" or a single port. Raises InvalidValue."""
    ports = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(ports, str) or not re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?", ports):
        raise InvalidValue(f"{shown(value)} is no range of ports", "write LOW-HIGH, for example 30000-60999")
    low, high = port_range(ports)
    if low > high:
        raise InvalidValue(f"{ports} runs backwards", f"write {high}-{low}")
    if low < LOWEST_PORT or high > HIGHEST_PORT:
        raise InvalidValue(
            f"{ports} leaves what services may use", f"stay within {LOWEST_PORT}-{HIGHEST_PORT}"
        )
    own = [f"{port} ({use})" for port, use in OWN_PORTS.items() if low <= port <= high]
    if own:
        message = f"{ports} contains ports of the cluster itself: {listed(own, most=len(own))}"
        raise InvalidValue(message, "take a range without them, for example 30000-60999")
    return ports


def port_range(ports: str) -> tuple[int, int]:
    """First and last port of a valid "LOW-HIGH" or "PORT"."""
    low, _, high = ports.partition("-")
    return int(low), int(high or low)


def smallest_cidr_prefix(zones: int, nodes_per_zone: int = 1) -> int:
    """Prefix length of the smallest VPC with room for `nodes_per_zone` nodes in each of `zones` zones.

    The largest VPC of AWS has room for every cluster.
    """
    widest, narrowest = VPC_PREFIXES
    for prefix in range(narrowest, widest, -1):
        with contextlib.suppress(InvalidValue):
            if node_capacity(f"0.0.0.0/{prefix}", zones) >= zones * nodes_per_zone:
                return prefix
    return widest


def _private_cidr(value: object, prefixes: tuple[int, int], example: str) -> str:
    network = _network(value, example)
    widest, narrowest = prefixes
    if not widest <= network.prefixlen <= narrowest:
        size = "large" if network.prefixlen < widest else "small"
        raise InvalidValue(
            f"{network} is too {size}", f"take /{widest} to /{narrowest}, for example {example}"
        )
    if not any(network.subnet_of(private) for private in PRIVATE):
        raise InvalidValue(f"{network} is not private", f"take a part of {', '.join(map(str, PRIVATE))}")
    taken = [f"{pool} ({use})" for use, pool in _pools_within(network)]
    if taken:
        message = f"{network} overlaps what Docker uses on every node: {listed(taken)}"
        raise InvalidValue(message, f"take another, for example {example}")
    return str(network)


def _network(value: object, example: str) -> IPv4Network:
    """The value as a network. Unlike IPv4Network, CloudFormation refuses bare addresses and netmasks."""
    try:
        if not isinstance(value, str) or not re.fullmatch(r"[0-9]+(\.[0-9]+){3}/[0-9]{1,2}", value):
            raise ValueError
        network = IPv4Network(value, strict=False)
    except ValueError:
        advice = f"write address/prefix, for example {example}"
        raise InvalidValue(f"{shown(value)} is no IPv4 network", advice) from None
    if str(network) != value:
        raise InvalidValue(f"{value} is an address within a network, not the network", f"write {network}")
    return network


def _pools_within(network: IPv4Network) -> Iterator[tuple[str, IPv4Network]]:
    return ((use, pool) for use, pool in DOCKER_POOLS.items() if pool.overlaps(network))


def _private_prefix(vpc: IPv4Network, zones: int) -> int:
    for prefix in range(vpc.prefixlen + 1, SMALLEST_PRIVATE_PREFIX + 1):
        if (_blocks_before(prefix, zones) + zones) * _addresses(prefix) <= vpc.num_addresses:
            return prefix
    needed = (_blocks_before(SMALLEST_PRIVATE_PREFIX, zones) + zones) * _addresses(SMALLEST_PRIVATE_PREFIX)
    smallest = 32 - (needed - 1).bit_length()
    raise InvalidValue(f"{vpc} is too small for {zones} zones", f"take /{smallest} or larger, or fewer zones")


def _blocks_before(prefix: int, zones: int) -> int:
    """Number of blocks of the private subnets' size that the public subnets at the front occupy."""
    return -(-zones * _addresses(PUBLIC_PREFIX) // _addresses(prefix))


def _addresses(prefix: int) -> int:
    return 1 << (32 - prefix)


def _node_addresses(prefix: int) -> int:
    """Number of addresses for nodes in a private subnet."""
    return _addresses(prefix) - AWS_ADDRESSES - OTHER_ADDRESSES
