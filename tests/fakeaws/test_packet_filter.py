"""Security groups as nftables text. `test_packet_filter_kernel.py` loads it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmer.fakeaws.ec2.packet_filter import ANYWHERE, Group, Network, Rule, table

NODES, SERVERS, CLOSED = "sg-nodes", "sg-servers", "sg-closed"
ALL = Rule(id="sgr-all", protocol="-1", peer=ANYWHERE)
GOSSIP = Rule(id="sgr-gossip", protocol="udp", first=8301, last=8301, peer=NODES)
SERVICES = Rule(id="sgr-services", protocol="tcp", first=30000, last=60999, peer=NODES)
RPC = Rule(id="sgr-rpc", protocol="tcp", first=8300, last=8300, peer=NODES)
NETWORK = Network(
    cidr="10.42.0.0/16",
    groups={
        NODES: Group(ingress=(GOSSIP, SERVICES), egress=(ALL,)),
        SERVERS: Group(ingress=(RPC,)),
        CLOSED: Group(
            egress=(
                Rule(id="sgr-api", protocol="tcp", first=443, last=443, peer=ANYWHERE),
                Rule(id="sgr-ask", protocol="tcp", first=8300, last=8300, peer=SERVERS),
            )
        ),
    },
    members={NODES: ("10.42.1.4", "10.42.1.5"), SERVERS: ("10.42.1.4",), CLOSED: ("10.42.1.9",)},
    endpoint=("10.42.0.1", 4566),
)


def rules(text: str, chain: str) -> list[str]:
    beginning = f"add rule inet security_groups {chain} "
    return [line.removeprefix(beginning) for line in text.splitlines() if line.startswith(beginning)]


def test_a_node_admits_what_its_own_groups_admit_and_refuses_the_rest() -> None:
    assert rules(table(NETWORK, [NODES]), "admit") == [
        "ip saddr @sg_nodes udp dport 8301 counter name sgr_gossip accept",
        "ip saddr @sg_nodes tcp dport 30000-60999 counter name sgr_services accept",
        "goto refuse",
    ]
    assert "ip saddr @sg_nodes tcp dport 8300 counter name sgr_rpc accept" in rules(
        table(NETWORK, [NODES, SERVERS]), "admit"
    )


def test_members_of_a_group_are_the_addresses_of_its_interfaces() -> None:
    text = table(NETWORK, [NODES])
    assert "add element inet security_groups sg_nodes { 10.42.1.4, 10.42.1.5 }" in text
    assert "add element inet security_groups members { 10.42.1.4, 10.42.1.5, 10.42.1.9 }" in text


def test_a_group_without_members_is_emptied() -> None:
    text = table(replace(NETWORK, members={}), [NODES])
    assert "flush set inet security_groups sg_nodes" in text
    assert "add element" not in text


def test_a_packet_needs_an_egress_rule_of_its_sender_first() -> None:
    incoming = rules(table(NETWORK, [NODES, SERVERS]), "incoming")
    assert incoming[-4:] == [
        "ip saddr @sg_closed tcp dport 443 counter name sgr_api goto admit",
        "ip saddr @sg_closed tcp dport 8300 counter name sgr_ask goto admit",
        "ip saddr != @members goto admit",
        "goto refuse",
    ]
    assert "ip saddr @sg_nodes counter name sgr_all goto admit" in incoming


def test_an_egress_rule_to_a_group_leads_to_members_of_that_group_only() -> None:
    assert not any("sgr_ask" in rule for rule in rules(table(NETWORK, [NODES]), "incoming"))


def test_answers_and_other_interfaces_pass_before_every_rule() -> None:
    text = table(NETWORK, [NODES])
    for chain, interface in (
        ("incoming", 'iifname != "eth0" accept'),
        ("outgoing", 'oifname != "eth0" accept'),
    ):
        found = rules(text, chain)
        assert found[0] == interface
        judged = min(index for index, rule in enumerate(found) if "sgr_" in rule)
        assert found.index("ct state established,related accept") < judged


def test_only_the_first_packet_of_a_connection_is_noted_as_refused() -> None:
    refuse = rules(table(NETWORK, [NODES]), "refuse")
    noted = next(index for index, rule in enumerate(refuse) if "add @refused" in rule)
    assert [rule.split(" counter ")[0] for rule in refuse[:noted]] == [
        "ct state invalid",
        "tcp flags & (fin | syn | rst | ack) != syn",
    ]


def test_packets_are_judged_before_dnat() -> None:
    assert "hook prerouting priority -150" in table(NETWORK, [NODES])


def test_the_aws_endpoint_counts_as_a_public_address_at_443() -> None:
    outgoing = rules(table(NETWORK, [CLOSED]), "outgoing")
    assert "ip daddr 10.42.0.1 tcp dport 4566 counter name sgr_api accept" in outgoing
    without = replace(NETWORK, groups={**NETWORK.groups, CLOSED: Group()})
    assert not any("4566" in rule for rule in rules(table(without, [CLOSED]), "outgoing"))


def test_what_leaves_the_vpc_needs_a_rule_of_the_sender() -> None:
    outgoing = rules(table(NETWORK, [SERVERS]), "outgoing")
    assert outgoing[-2:] == ["ip daddr 10.42.0.0/16 ip daddr != 10.42.0.1 accept", "goto refuse"]
    assert not any("sgr_" in rule for rule in outgoing)


def test_a_function_accepts_no_connection_and_knows_no_members() -> None:
    opened = replace(
        NETWORK, groups={**NETWORK.groups, CLOSED: replace(NETWORK.groups[CLOSED], ingress=(GOSSIP,))}
    )
    text = table(opened, [CLOSED], accepts=False)
    assert rules(text, "incoming")[-2:] == ["ct state established,related accept", "goto refuse"]
    assert text == table(replace(opened, members={}), [CLOSED], accepts=False)


def test_a_second_load_keeps_the_counters() -> None:
    text = table(NETWORK, [NODES])
    assert "counter sgr_gossip { }" in text
    assert "delete" not in text
    assert "flush table" not in text


@pytest.mark.parametrize(
    ("protocol", "first", "last", "match"),
    [
        ("tcp", 80, 80, "tcp dport 80 "),
        ("udp", 1, 9, "udp dport 1-9 "),
        ("tcp", 0, 65535, "meta l4proto tcp "),
        ("udp", -1, -1, "meta l4proto udp "),
        ("50", -1, -1, "meta l4proto 50 "),
        ("icmp", -1, -1, "meta l4proto icmp "),
        ("icmp", 8, -1, "icmp type 8 "),
        ("icmp", 252, 86, "icmp type 252 icmp code 86 "),
        ("-1", -1, -1, ""),
    ],
)
def test_protocols_and_ports(protocol: str, first: int, last: int, match: str) -> None:
    rule = Rule(id="sgr-1", protocol=protocol, first=first, last=last, peer="10.0.0.0/8")
    text = table(replace(NETWORK, groups={NODES: Group(ingress=(rule,))}), [NODES])
    assert rules(text, "admit")[0] == f"ip saddr 10.0.0.0/8 {match}counter name sgr_1 accept"


def test_a_source_anywhere_has_no_match_of_addresses() -> None:
    rule = Rule(id="sgr-1", protocol="tcp", first=22, last=22, peer=ANYWHERE)
    text = table(replace(NETWORK, groups={NODES: Group(ingress=(rule,))}), [NODES])
    assert rules(text, "admit")[0] == "tcp dport 22 counter name sgr_1 accept"


@pytest.mark.parametrize(
    "rule",
    [rule for group in NETWORK.groups.values() for rule in (*group.ingress, *group.egress)],
    ids=lambda rule: rule.id,
)
def test_each_rule_of_a_group_changes_the_filter_of_some_interface(rule: Rule) -> None:
    groups = {
        id_: Group(
            ingress=tuple(each for each in group.ingress if each != rule),
            egress=tuple(each for each in group.egress if each != rule),
        )
        for id_, group in NETWORK.groups.items()
    }
    own = [NODES, SERVERS]
    with_it, without = table(NETWORK, own), table(replace(NETWORK, groups=groups), own)
    counter = f"counter name {rule.id.replace('-', '_')} "
    assert counter in with_it
    assert counter not in without
