"""What a cluster takes up in a network: addresses, ports and DNS names, their rules, the subnets of a VPC.

Standard library only: nodes configure Docker from these constants, the CDK stack uses these subnets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import islice
from typing import Final

from swarmer.core import names

DOCKER_BRIDGE: Final = IPv4Network("172.17.0.0/16")
"""docker0. AWS refuses or breaks on it in places too (Cloud9, SageMaker use it themselves)."""
DOCKER_BRIDGE_IP: Final = "172.17.0.1/16"
"""dockerd's `bip`."""
DOCKER_GWBRIDGE: Final = IPv4Network("172.18.0.0/16")
"""docker_gwbridge, through which overlay containers reach the outside."""
DOCKER_LOCAL_POOL: Final = IPv4Network("172.19.0.0/16")
"""dockerd's `default-address-pools`: networks of one node."""
SWARM_POOL: Final = IPv4Network("172.20.0.0/14")
"""`swarm init --default-addr-pool`: overlay networks. Swarm's own default, 10.0.0.0/8, collides with VPCs."""
POOL_NETWORK_PREFIX: Final = 24
"""Prefix length of each network that Docker takes out of DOCKER_LOCAL_POOL or SWARM_POOL."""
DOCKER_POOLS: Final = {
    "docker0": DOCKER_BRIDGE,
    "docker_gwbridge": DOCKER_GWBRIDGE,
    "Docker's local networks": DOCKER_LOCAL_POOL,
    "Swarm's overlay networks": SWARM_POOL,
}

PRIVATE: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))
"""RFC 1918 and RFC 6598."""
VPC_PREFIXES: Final = (16, 26)
"""AWS takes /16 to /28; below /26 no public and private subnet fit."""
VPN_PREFIXES: Final = (12, 22)
"""Source: AWS Client VPN, rules and best practices."""
MOST_ZONES: Final = 6
"""No region has more availability zones."""

PUBLIC_PREFIX: Final = 28
"""Public subnets hold NAT gateways only; /28 is the smallest subnet of AWS."""
SMALLEST_PRIVATE_PREFIX: Final = 27
"""AWS Client VPN associates with no smaller subnet."""
AWS_ADDRESSES: Final = 5
"""Per subnet: network, router, DNS, one for the future, broadcast."""
OTHER_ADDRESSES: Final = 24
"""Per private subnet: 20 that Client VPN asks for, and the network interfaces of Lambda functions."""

LOWEST_PORT: Final = 1024
HIGHEST_PORT: Final = 65535
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
"""Ports of the cluster itself, which people's services leave alone."""

LONGEST_DOMAIN: Final = 253 - 63 - len(".service.")
LOCAL_DOMAINS: Final = frozenset({"local", "localhost", "localdomain", "invalid", "arpa"})
"""Top labels that systemd-resolved answers by itself or by multicast (RFC 6761, RFC 6762)."""
OUTSIDE_NAMES: Final = (
    "amazonaws.com", "api.aws", "compute.internal", "ec2.internal", "docker.io", "docker.com", "quay.io",
    "ghcr.io", "ubuntu.com", "hashicorp.com", "github.com",
)  # fmt: skip
"""Names that nodes look up outside: Consul answers for its whole domain, so that must not contain them."""
TOPIC: Final = r"arn:aws(-[a-z]+)*:sns:[a-z]{2}(-[a-z]+)+-[0-9]:[0-9]{12}:[A-Za-z0-9_-]{1,256}"
EMAIL: Final = r"[A-Za-z0-9._%+-]+@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}"
LONGEST_EMAIL: Final = 254
BUCKET_BEGINNINGS: Final = ("xn--", "sthree-", "amzn-s3-demo-")
BUCKET_ENDS: Final = ("-s3alias", "--ol-s3", "--x-s3", "--table-s3")
"""Reserved by S3."""


class Refused(ValueError):
    """A rule says no: `message` is what is wrong, `advice` what would be right."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message}; {advice}")
        self.message = message
        self.advice = advice


@dataclass(frozen=True)
class ZoneSubnets:
    """The two subnets of one availability zone."""

    public: IPv4Network
    private: IPv4Network


def subnets(cidr: str, zones: int) -> tuple[ZoneSubnets, ...]:
    """One pair of subnets per zone, in order: apart from each other, within `cidr`.

    The public ones (/28) lie first, so the VPC's first address belongs to a public subnet's router; the
    private ones are equal and as large as fits. Raises Refused where `cidr` is too small for `zones`.
    """
    vpc = IPv4Network(cidr)
    prefix = _private_prefix(vpc, zones)
    public = islice(vpc.subnets(new_prefix=PUBLIC_PREFIX), zones)
    private = islice(vpc.subnets(new_prefix=prefix), _blocks_before(prefix, zones), None)
    return tuple(ZoneSubnets(*pair) for pair in zip(public, private, strict=False))


def node_capacity(cidr: str, zones: int) -> int:
    """How many nodes the private subnets hold, evenly spread over the zones. Raises as `subnets` does."""
    prefix = _private_prefix(IPv4Network(cidr), zones)
    return zones * _node_addresses(prefix)


def vpc_cidr(value: object) -> str:
    """`value` if a VPC of a cluster can have it. Raises Refused."""
    return _private_cidr(value, VPC_PREFIXES, "10.42.0.0/16")


def vpn_cidr(value: object) -> str:
    """`value` if clients of AWS Client VPN can have it. Raises Refused."""
    return _private_cidr(value, VPN_PREFIXES, "10.43.0.0/22")


def service_ports(value: object) -> str:
    """`value` as "LOW-HIGH" or a single port. Raises Refused."""
    ports = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(ports, str) or not re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?", ports):
        raise Refused(f"{shown(value)} is no range of ports", "write LOW-HIGH, for example 30000-60999")
    low, high = port_range(ports)
    if low > high:
        raise Refused(f"{ports} runs backwards", f"write {high}-{low}")
    if low < LOWEST_PORT or high > HIGHEST_PORT:
        raise Refused(f"{ports} leaves what services may use", f"stay within {LOWEST_PORT}-{HIGHEST_PORT}")
    own = [f"{port} ({use})" for port, use in OWN_PORTS.items() if low <= port <= high]
    if own:
        message = f"{ports} contains ports of the cluster itself: {listed(own, most=len(own))}"
        raise Refused(message, "take a range without them, for example 30000-60999")
    return ports


def port_range(ports: str) -> tuple[int, int]:
    """First and last port of a valid "LOW-HIGH" or "PORT"."""
    low, _, high = ports.partition("-")
    return int(low), int(high or low)


def smallest_cidr_prefix(zones: int, nodes_per_zone: int = 1) -> int:
    """Prefix length of the smallest VPC that holds so many nodes in each of so many zones."""
    prefix = SMALLEST_PRIVATE_PREFIX
    while _node_addresses(prefix) < nodes_per_zone:
        prefix -= 1
    blocks = _blocks_before(prefix, zones) + zones
    return 32 - (blocks * _addresses(prefix) - 1).bit_length()


def shown(value: object) -> str:
    """A value as a message quotes it: short, and telling text from a number."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple | set | frozenset):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return f'"{text}"' if isinstance(value, str) else text


def listed(words: Sequence[str], most: int = 6) -> str:
    """Words as in: a, b and c. What exceeds `most` is counted."""
    first = [*words[:most], *([f"{len(words) - most} more"] if len(words) > most else [])]
    return " and ".join(filter(None, (", ".join(first[:-1]), *first[-1:])))


def text(value: object) -> str:
    """`value` if it is text. Raises Refused."""
    if not isinstance(value, str):
        raise Refused(f"{shown(value)} is not text", "write text, in quotes if need be")
    return value


def whole_number(value: object, *, low: int, high: int) -> int:
    """`value` if it is one from `low` to `high`. Raises Refused."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused(f"{shown(value)} is not a whole number", f"write {low} to {high}, without quotes")
    if not low <= value <= high:
        raise Refused(f"{shown(value)} is too {'small' if value < low else 'large'}", f"take {low} to {high}")
    return value


def name(value: object, *, longest: int, hyphens: bool = True) -> str:
    """`value` if it is one DNS label that AWS, Consul and Docker take as well. Raises Refused."""
    label = text(value)
    if not re.fullmatch(r"[a-z](-?[a-z0-9])*" if hyphens else r"[a-z][a-z0-9]*", label):
        allowed = "digits and single hyphens between" if hyphens else "digits, no hyphens"
        better = re.sub(r"[^a-z0-9]+", "-" if hyphens else "", label.lower()).lstrip("0123456789-")
        example = f", for example {better[:longest].rstrip('-')}" if better else ""
        advice = f"take lower-case letters, {allowed}, a letter first{example}"
        raise Refused(f"{shown(label)} is no valid name", advice)
    if len(label) > longest:
        raise Refused(f"{shown(label)} has {len(label)} characters", f"take at most {longest}")
    return label


def domain(value: object) -> str:
    """`value` if Consul can answer for it, with all names below it, on every node. Raises Refused."""
    whole = text(value)
    for label in whole.split("."):
        _domain_label(whole, label)
    if len(whole) > LONGEST_DOMAIN:
        raise Refused(f"the domain has {len(whole)} characters", f"take at most {LONGEST_DOMAIN}")
    if whole.rpartition(".")[2] in LOCAL_DOMAINS:
        raise Refused(f"{shown(whole)} is resolved by each machine itself", "take one like swarmer.internal")
    outside = [known for known in OUTSIDE_NAMES if f".{known}".endswith(f".{whole}")]
    if outside or len(whole) == 2:
        hidden = listed(outside) if outside else "a country's names"
        raise Refused(f"{shown(whole)} would hide {hidden} from the nodes", "take one like swarmer.internal")
    return whole


def alarms(value: object) -> str | None:
    """`value` if it is an e-mail address or the ARN of an SNS topic; None: nobody is called. Raises Refused.

    No FIFO topics: their names end in `.fifo`.
    """
    if value is None:
        return None
    whom = text(value)
    if re.fullmatch(TOPIC, whom) or (re.fullmatch(EMAIL, whom) and len(whom) <= LONGEST_EMAIL):
        return whom
    advice = "write you@example.com, or arn:aws:sns:REGION:ACCOUNT:NAME of a standard topic"
    raise Refused(f"{shown(whom)} is neither an e-mail address nor the ARN of an SNS topic", advice)


def bucket(value: object) -> str | None:
    """`value` if it names an S3 bucket; None: made up. Raises Refused.

    Source: Amazon S3, general purpose bucket naming rules. No dots: they break TLS on virtual-hosted names.
    """
    if value is None:
        return None
    label = text(value)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", label):
        advice = "take 3 to 63 lower-case letters, digits and hyphens, or leave the bucket to CloudFormation"
        raise Refused(f"{shown(label)} is no valid bucket name", advice)
    for ours in (*filter(label.startswith, BUCKET_BEGINNINGS), *filter(label.endswith, BUCKET_ENDS)):
        raise Refused(f'"{ours}" in {shown(label)} is reserved by AWS', "take another name")
    return label


def _domain_label(whole: str, label: str) -> None:
    if not label:
        raise Refused(f"{shown(whole)} has a dot too many", "write one dot between labels, none at the ends")
    name(label, longest=63)


def _private_cidr(value: object, prefixes: tuple[int, int], example: str) -> str:
    network = _network(value, example)
    widest, narrowest = prefixes
    if not widest <= network.prefixlen <= narrowest:
        size = "large" if network.prefixlen < widest else "small"
        raise Refused(f"{network} is too {size}", f"take /{widest} to /{narrowest}, for example {example}")
    if not any(network.subnet_of(private) for private in PRIVATE):
        raise Refused(f"{network} is not private", f"take a part of {', '.join(map(str, PRIVATE))}")
    taken = [f"{pool} ({use})" for use, pool in _pools_within(network)]
    if taken:
        message = f"{network} overlaps what Docker uses on every node: {listed(taken)}"
        raise Refused(message, f"take another, for example {example}")
    return str(network)


def _network(value: object, example: str) -> IPv4Network:
    """IPv4Network takes bare addresses and netmasks as well; CloudFormation does not."""
    try:
        if not isinstance(value, str) or not re.fullmatch(r"[0-9]+(\.[0-9]+){3}/[0-9]{1,2}", value):
            raise ValueError
        network = IPv4Network(value, strict=False)
    except ValueError:
        advice = f"write address/prefix, for example {example}"
        raise Refused(f"{shown(value)} is no IPv4 network", advice) from None
    if str(network) != value:
        raise Refused(f"{value} is an address within a network, not the network", f"write {network}")
    return network


def _pools_within(network: IPv4Network) -> Iterator[tuple[str, IPv4Network]]:
    return ((use, pool) for use, pool in DOCKER_POOLS.items() if pool.overlaps(network))


def _private_prefix(vpc: IPv4Network, zones: int) -> int:
    for prefix in range(vpc.prefixlen + 1, SMALLEST_PRIVATE_PREFIX + 1):
        if (_blocks_before(prefix, zones) + zones) * _addresses(prefix) <= vpc.num_addresses:
            return prefix
    smallest = smallest_cidr_prefix(zones)
    raise Refused(f"{vpc} is too small for {zones} zones", f"take /{smallest} or larger, or fewer zones")


def _blocks_before(prefix: int, zones: int) -> int:
    """How many private blocks the public subnets at the front take up."""
    return -(-zones * _addresses(PUBLIC_PREFIX) // _addresses(prefix))


def _addresses(prefix: int) -> int:
    return 1 << (32 - prefix)


def _node_addresses(prefix: int) -> int:
    """What a private subnet leaves to nodes."""
    return _addresses(prefix) - AWS_ADDRESSES - OTHER_ADDRESSES
