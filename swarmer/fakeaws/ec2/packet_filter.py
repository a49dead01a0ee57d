"""Security groups as packet filters: the nftables text for one network interface. Pure.

- A packet needs a rule of its sender and a rule of its receiver. Inside the VPC the receiver judges both, so
  a sender needs no list of its peers, and the operators' machine needs no filter.
  https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html
- Answers pass without a rule. The removal of a rule keeps its connections.
  https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html
- The filter sees a packet before DNAT, so it judges a published port by the peer's number of it.
- One text is for the first load and each change: it fills sets and chains again in one transaction, and
  keeps the counters.

A function accepts no connection, also if its groups admit one, because Lambda's interfaces only send.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

TABLE: Final = "inet security_groups"
INTERFACE: Final = "eth0"
"""Name of a machine's interface in the VPC."""
AFTER_CONNTRACK: Final = -150
"""Priority of both hooks: after connection tracking (-200), before DNAT (-100)."""
ANYWHERE: Final = "0.0.0.0/0"
HTTPS: Final = 443
"""Port of the AWS APIs."""
REFUSED: Final = "refused"
"""Name of the set of refused packets (source, protocol, port) and of the counter of all of them."""
STRAY: Final = "stray"
"""Name of the counter of late packets that belong to no connection."""
HOOKS: Final = {"incoming": "prerouting", "outgoing": "postrouting"}
"""Hook of each chain that has one."""
MEMBERS: Final = "members"
"""Name of the set of all members of all groups."""
MAX_REFUSED: Final = 1024
"""Largest number of different refused packets in a machine's set."""
_PORTS: Final = ("tcp", "udp")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Rule of a group, in one direction."""

    id: str
    """ID (`sgr-…`), also the name of the rule's counter."""
    protocol: str
    """`tcp`, `udp`, `icmp`, `-1` for all of them, or a number."""
    first: int = -1
    """First port, or type of ICMP; -1 for all."""
    last: int = -1
    """Last port, or code of ICMP; -1 for all."""
    peer: str
    """ID of the group (`sg-…`) or range of addresses (IPv4 CIDR) at the other end."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Security group."""

    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Network:
    """Security groups of a VPC, and their members."""

    cidr: str
    groups: Mapping[str, Group]
    """Groups by ID."""
    members: Mapping[str, tuple[str, ...]]
    """Addresses of each group's interfaces, by the group's ID."""
    endpoint: tuple[str, int]
    """Address and port of AWS on this machine. They stand for port 443 of any public address."""


def table(network: Network, own: Collection[str], *, accepts: bool = True) -> str:
    """Text for `nft -f`, for an interface in the groups `own`.

    `accepts`: whether it takes connections. If not, the text depends only on the egress rules of its own
    groups.
    """
    if not accepts:
        sending = {id_: replace(network.groups[id_], ingress=()) for id_ in own if id_ in network.groups}
        network = replace(network, groups=sending, members={})
    chains = {
        "refuse": list(_refuse()),
        "admit": list(_admit(network, own)),
        "incoming": list(_incoming(network, own, accepts=accepts)),
        "outgoing": list(_outgoing(network, own)),
    }
    return "\n".join((*_declare(network, chains), *_fill_sets(network), *_fill_chains(chains), ""))


def _declare(network: Network, chains: Iterable[str]) -> Iterator[str]:
    """Declare all parts. An existing part keeps its content."""
    yield f"table {TABLE} {{"
    for name in _set_contents(network):
        yield f"\tset {name} {{ type ipv4_addr; }}"
    kinds = "type ipv4_addr . inet_proto . inet_service"
    yield f"\tset {REFUSED} {{ {kinds}; flags dynamic; size {MAX_REFUSED}; }}"
    for name in (*map(_name, _rule_ids(network)), REFUSED, STRAY):
        yield f"\tcounter {name} {{ }}"
    for name in chains:
        yield f"\tchain {name} {{ {_hook(name)}}}"
    yield "}"


def _fill_sets(network: Network) -> Iterator[str]:
    for name, addresses in _set_contents(network).items():
        yield f"flush set {TABLE} {name}"
        if addresses:
            yield f"add element {TABLE} {name} {{ {', '.join(addresses)} }}"


def _fill_chains(chains: Mapping[str, Iterable[str]]) -> Iterator[str]:
    for name, rules in chains.items():
        yield f"flush chain {TABLE} {name}"
        yield from (f"add rule {TABLE} {name} {rule}" for rule in rules)


def _set_contents(network: Network) -> dict[str, tuple[str, ...]]:
    """Addresses of each set, by its name."""
    everyone = {each for addresses in network.members.values() for each in addresses}
    sets = {_name(id_): network.members.get(id_, ()) for id_ in network.groups}
    return {**sets, MEMBERS: tuple(sorted(everyone))}


def _hook(chain: str) -> str:
    if chain not in HOOKS:
        return ""
    return f"type filter hook {HOOKS[chain]} priority {AFTER_CONNTRACK}; policy accept; "


def _name(identifier: str) -> str:
    """Name of a set or counter for an ID."""
    return identifier.replace("-", "_")


def _rule_ids(network: Network) -> Iterator[str]:
    for group in network.groups.values():
        yield from (rule.id for rule in (*group.ingress, *group.egress))


def _incoming(network: Network, own: Collection[str], *, accepts: bool) -> Iterator[str]:
    """Rules for incoming packets: the senders' egress rules."""
    yield f'iifname != "{INTERFACE}" accept'
    # A VPC carries no broadcasts and multicasts, and IPv6 only with a range for it.
    yield "meta pkttype { broadcast, multicast } drop"
    yield "meta nfproto ipv6 drop"
    yield "ct state established,related accept"
    if accepts:
        for id_, group in network.groups.items():
            for rule in group.egress:
                if not _is_group(rule.peer):
                    yield _judge(_match("saddr", id_), _match("daddr", rule.peer), rule, "goto admit")
                elif rule.peer in own:
                    yield _judge(_match("saddr", id_), "", rule, "goto admit")
        yield f"ip saddr != @{MEMBERS} goto admit"
    yield "goto refuse"


def _admit(network: Network, own: Collection[str]) -> Iterator[str]:
    """Rules for packets that the sender's rules allow: the own ingress rules."""
    for rule in _own_rules(network, own, "ingress"):
        yield _judge(_match("saddr", rule.peer), "", rule, "accept")
    yield "goto refuse"


def _outgoing(network: Network, own: Collection[str]) -> Iterator[str]:
    """Rules for outgoing packets. Those to interfaces in the VPC are left to their receivers."""
    address, port = network.endpoint
    yield f'oifname != "{INTERFACE}" accept'
    yield "meta nfproto ipv6 drop"
    yield "ct state established,related accept"
    for rule in _own_rules(network, own, "egress"):
        if rule.peer == ANYWHERE and _opens_https(rule):
            yield f"ip daddr {address} tcp dport {port} {_count(rule)} accept"
        if not _is_group(rule.peer):
            yield _judge("", _match("daddr", rule.peer), rule, "accept")
    yield f"ip daddr {network.cidr} ip daddr != {address} accept"
    yield "goto refuse"


def _own_rules(network: Network, own: Collection[str], direction: str) -> Iterator[Rule]:
    for id_ in sorted(set(own) & network.groups.keys()):
        yield from getattr(network.groups[id_], direction)


def _match(side: str, peer: str) -> str:
    """Match of the source (`saddr`) or destination (`daddr`); empty for any address."""
    if peer == ANYWHERE:
        return ""
    return f"ip {side} @{_name(peer)}" if _is_group(peer) else f"ip {side} {peer}"


def _refuse() -> Iterator[str]:
    """Rules for all other packets. The set contains their senders, like a flow log on AWS."""
    yield f"ct state invalid counter name {STRAY} drop"
    # A machine that was cut off leaves connections, and their other ends continue to send.
    yield f"tcp flags & (fin | syn | rst | ack) != syn counter name {STRAY} drop"
    yield f"meta l4proto {{ tcp, udp }} add @{REFUSED} {{ ip saddr . meta l4proto . th dport }}"
    yield f"counter name {REFUSED} drop"


def _judge(source: str, destination: str, rule: Rule, verdict: str) -> str:
    words = (source, destination, _service(rule), _count(rule), verdict)
    return " ".join(word for word in words if word)


def _count(rule: Rule) -> str:
    return f"counter name {_name(rule.id)}"


def _is_group(peer: str) -> bool:
    return peer.startswith("sg-")


def _opens_https(rule: Rule) -> bool:
    if rule.protocol == "-1":
        return True
    return rule.protocol == "tcp" and (_has_all(rule) or rule.first <= HTTPS <= rule.last)


def _has_all(rule: Rule) -> bool:
    """Whether the rule opens all ports, or types of ICMP."""
    return rule.first == -1 or (rule.protocol in _PORTS and (rule.first, rule.last) == (0, 65535))


def _service(rule: Rule) -> str:
    """Match of the protocol and the ports; empty for all."""
    if rule.protocol == "-1":
        return ""
    if _has_all(rule) or rule.protocol not in (*_PORTS, "icmp"):
        return f"meta l4proto {rule.protocol}"
    if rule.protocol == "icmp":
        code = "" if rule.last == -1 else f" icmp code {rule.last}"
        return f"icmp type {rule.first}{code}"
    ports = f"{rule.first}" if rule.first == rule.last else f"{rule.first}-{rule.last}"
    return f"{rule.protocol} dport {ports}"
