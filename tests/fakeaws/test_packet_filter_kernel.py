"""Security groups in the kernel: packets between network namespaces, with the nft of the node image."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from swarmer.fakeaws.ec2.packet_filter import ANYWHERE, Group, Network, Rule, table
from swarmer.local import environment, host, node_image
from tests.fakeaws.network_lab import ROUTER, SEND_RAW, NetworkLab, echoes, network_lab

NODE, PEER, LATE, FUNCTION = "10.42.1.4", "10.42.1.5", "10.42.1.6", "10.42.1.7"
NODES, FUNCTIONS, VPN = "sg-nodes", "sg-functions", "sg-vpn"
SERVICE, PUBLISHED, CLOSED, ENDPOINT = 8500, 30080, 80, 4566

PUBLISH = f"""table ip published {{
    chain before {{
        type nat hook prerouting priority dstnat
        tcp dport {PUBLISHED} redirect to :{CLOSED}
    }}
}}
"""
"""Text that publishes a port, as an engine does."""


def opened(number: int, port: int, peer: str, protocol: str = "tcp") -> Rule:
    return Rule(id=f"sgr-{number}", protocol=protocol, first=port, last=port, peer=peer)


NETWORK = Network(
    cidr="10.42.0.0/16",
    groups={
        NODES: Group(
            ingress=(
                opened(1, SERVICE, NODES),
                opened(2, PUBLISHED, NODES),
                opened(3, SERVICE, FUNCTIONS),
                opened(4, SERVICE, VPN),
                opened(5, SERVICE, NODES, "udp"),
            ),
            egress=(Rule(id="sgr-6", protocol="-1", peer=ANYWHERE),),
        ),
        FUNCTIONS: Group(egress=(opened(7, SERVICE, NODES), opened(8, 443, ANYWHERE))),
        VPN: Group(egress=(opened(9, SERVICE, NODES),)),
    },
    members={NODES: (NODE, PEER), FUNCTIONS: (FUNCTION,), VPN: (ROUTER,)},
    endpoint=(ROUTER, ENDPOINT),
)


def admitting(*rules: Rule, network: Network = NETWORK) -> Network:
    """The network with more rules that lead to nodes."""
    nodes = network.groups[NODES]
    return replace(
        network, groups={**network.groups, NODES: replace(nodes, ingress=(*nodes.ingress, *rules))}
    )


def without(number: int) -> Network:
    """The network without one rule."""

    def kept(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return tuple(rule for rule in rules if rule.id != f"sgr-{number}")

    groups = {
        id_: Group(ingress=kept(group.ingress), egress=kept(group.egress))
        for id_, group in NETWORK.groups.items()
    }
    return replace(NETWORK, groups=groups)


@pytest.fixture(scope="module")
def machines() -> Iterator[NetworkLab]:
    """Two nodes, one that is launched late, a function, and the operator's machine. All of them answer."""
    host.ensure_engine()
    host.ensure_packages(("mmdebstrap", "mmdebstrap"))
    image = node_image.ensure_image(environment.CACHE, lambda _: None)
    with network_lab(image, f"swarmer-packet-filter-{os.getpid()}") as lab:
        for machine, address in (("node", NODE), ("peer", PEER), ("late", LATE), ("function", FUNCTION)):
            lab.add(machine, address)
        lab.load(node=PUBLISH)
        with (
            lab.serving("node", SERVICE, CLOSED),
            lab.serving("peer", SERVICE),
            lab.serving("function", SERVICE),
            lab.serving("", ENDPOINT, 443),
        ):
            yield lab


@pytest.fixture
def lab(machines: NetworkLab) -> NetworkLab:
    """The machines with their filters: every test begins with the same ones."""
    deploy(machines, NETWORK)
    return machines


def deploy(lab: NetworkLab, network: Network) -> None:
    node, function = table(network, [NODES]), table(network, [FUNCTIONS], accepts=False)
    lab.load(node=node, peer=node, function=function)


def test_a_member_reaches_what_a_rule_opens_and_nothing_else(lab: NetworkLab) -> None:
    assert lab.asks("peer", NODE, SERVICE)
    assert lab.asks("peer", NODE, SERVICE, "SOCK_DGRAM")
    assert not lab.asks("peer", NODE, CLOSED)
    assert not lab.asks("peer", NODE, CLOSED, "SOCK_DGRAM")


def test_a_published_port_is_judged_by_the_port_that_the_peer_named(lab: NetworkLab) -> None:
    assert lab.asks("peer", NODE, PUBLISHED)
    deploy(lab, without(2))
    assert not lab.asks("peer", NODE, PUBLISHED)
    deploy(lab, admitting(opened(10, CLOSED, NODES), network=without(2)))
    assert not lab.asks("peer", NODE, PUBLISHED)
    assert lab.asks("peer", NODE, CLOSED)


def test_a_new_member_is_admitted_and_a_former_one_is_not(lab: NetworkLab) -> None:
    assert not lab.asks("late", NODE, SERVICE)
    grown = replace(NETWORK, members={**NETWORK.members, NODES: (NODE, PEER, LATE)})
    deploy(lab, grown)
    assert lab.asks("late", NODE, SERVICE)
    deploy(lab, NETWORK)
    assert not lab.asks("late", NODE, SERVICE)
    assert lab.asks("peer", NODE, SERVICE)


def test_a_connection_outlives_the_rule_that_admitted_it(lab: NetworkLab) -> None:
    with lab.connection("peer", NODE, SERVICE) as kept:
        assert echoes(kept)
        deploy(lab, without(1))
        assert echoes(kept)
        assert not lab.asks("peer", NODE, SERVICE)


def test_an_overlay_needs_a_rule_for_vxlan(lab: NetworkLab) -> None:
    for machine, own, other, inner in (("node", NODE, PEER, 1), ("peer", PEER, NODE, 2)):
        lab.run(
            *("sh", "-ec"),
            f"ip link del vx 2>/dev/null || true; ip link add vx type vxlan id 7 dstport 4789 dev eth0 "
            f"local {own} remote {other}; ip addr add 192.168.9.{inner}/24 dev vx; ip link set vx up",
            machine=machine,
        )
    assert not lab.asks("peer", "192.168.9.1", SERVICE)
    deploy(lab, admitting(opened(10, 4789, NODES, "udp")))
    # The machine asks for the other's address again a second after the last question that got no answer.
    lab.run("ip", "neighbour", "flush", "dev", "vx", machine="peer")
    assert lab.asks("peer", "192.168.9.1", SERVICE)


def test_a_protocol_without_ports_needs_a_rule_of_its_own(lab: NetworkLab) -> None:
    network = admitting(Rule(id="sgr-esp", protocol="50", peer=NODES))
    send = ("/usr/bin/python3.13", "-c", SEND_RAW, "50", NODE)
    deploy(lab, network)
    lab.run(*send, machine="peer")
    assert lab.count("node", "sgr_esp") == 1
    deploy(lab, NETWORK)
    lab.run(*send, machine="peer")
    assert lab.count("node", "sgr_esp") == 1


def test_a_sender_needs_an_egress_rule_too(lab: NetworkLab) -> None:
    assert lab.asks("function", NODE, SERVICE)
    deploy(lab, without(7))
    assert not lab.asks("function", NODE, SERVICE)
    deploy(lab, without(3))
    assert not lab.asks("function", NODE, SERVICE)


def test_operators_come_as_members_of_the_vpns_group(lab: NetworkLab) -> None:
    assert lab.asks("", NODE, SERVICE)
    assert not lab.asks("", NODE, PUBLISHED)
    for missing in (4, 9):
        deploy(lab, without(missing))
        assert not lab.asks("", NODE, SERVICE)


def test_a_function_reaches_aws_by_its_rule_for_443_and_accepts_nothing(lab: NetworkLab) -> None:
    assert lab.asks("function", ROUTER, ENDPOINT)
    assert not lab.asks("peer", FUNCTION, SERVICE)
    deploy(lab, without(8))
    assert not lab.asks("function", ROUTER, ENDPOINT)


def test_each_rule_counts_and_refused_packets_are_named(lab: NetworkLab) -> None:
    before = lab.count("node", "sgr_1")
    assert lab.asks("peer", NODE, SERVICE)
    deploy(lab, NETWORK)
    assert lab.count("node", "sgr_1") == before + 1, "a connection counts once, and a load keeps the count"
    assert not lab.asks("peer", NODE, 8302)
    refused = lab.run("nft", "list", "set", "inet", "security_groups", "refused", machine="node")
    assert f"{PEER} . tcp . 8302" in refused
