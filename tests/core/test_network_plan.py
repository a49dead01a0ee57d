"""Addresses, subnets and ports of a cluster."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmer.core import names, network_plan
from swarmer.core.validation import InvalidValue

vpcs = st.builds(
    lambda number, prefix: str(IPv4Network((10 << 24 | number, prefix), strict=False)),
    st.integers(0, 2**24 - 1),
    st.integers(16, 26),
)
zone_counts = st.integers(1, network_plan.MOST_ZONES)


def fits(cidr: str, zones: int) -> bool:
    return IPv4Network(cidr).prefixlen <= network_plan.smallest_cidr_prefix(zones)


@given(vpcs, zone_counts)
def test_subnets_never_overlap_and_lie_within_the_vpc(cidr: str, zones: int) -> None:
    if not fits(cidr, zones):
        with pytest.raises(InvalidValue, match="too small"):
            network_plan.subnets(cidr, zones)
        return
    pairs = network_plan.subnets(cidr, zones)
    every = [subnet for pair in pairs for subnet in (pair.public, pair.private)]
    assert len(every) == 2 * zones
    assert all(subnet.subnet_of(IPv4Network(cidr)) for subnet in every)
    assert not any(one.overlaps(other) for one, other in combinations(every, 2))


@given(vpcs, zone_counts)
def test_private_subnets_take_aws_client_vpn(cidr: str, zones: int) -> None:
    if fits(cidr, zones):
        prefixes = [pair.private.prefixlen for pair in network_plan.subnets(cidr, zones)]
        assert len(set(prefixes[:3])) == 1
        assert max(prefixes) <= network_plan.SMALLEST_PRIVATE_PREFIX


@given(vpcs.filter(lambda cidr: IPv4Network(cidr).prefixlen <= network_plan.GROWING_PREFIX), zone_counts)
def test_more_zones_move_no_subnet(cidr: str, zones: int) -> None:
    most = network_plan.subnets(cidr, network_plan.MOST_ZONES)
    assert network_plan.subnets(cidr, zones) == most[:zones]


def test_six_zones_have_room_for_many_nodes() -> None:
    private = [str(pair.private) for pair in network_plan.subnets("10.42.0.0/16", 6)]
    assert private[3:] == ["10.42.16.0/20", "10.42.32.0/20", "10.42.48.0/20"]


@pytest.mark.parametrize("value", [1, 6])
def test_zones_may_be_a_number(value: int) -> None:
    assert network_plan.zones(value) == value


def test_zones_may_be_named_in_their_order() -> None:
    named = ["eu-central-1b", "eu-central-1a"]
    assert network_plan.zones(named) == tuple(named)
    assert network_plan.zones(["us-gov-west-1a"]) == ("us-gov-west-1a",)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        pytest.param(0, "too small", id="none"),
        pytest.param(7, "too large", id="seven"),
        pytest.param("eu-central-1a", "is not a whole number", id="no list"),
        pytest.param([], "0 zones are named", id="an empty list"),
        pytest.param([f"us-east-1{letter}" for letter in "abcdefg"], "7 zones are named", id="seven names"),
        pytest.param(["eu-central-1"], "is no availability zone; write names like", id="a region"),
        pytest.param(["euc1-az1"], "is no availability zone", id="an ID"),
        pytest.param(["us-east-1-bos-1a"], "is no availability zone", id="a local zone"),
        pytest.param([1, None], "1 and null are no availability zone", id="no names"),
        pytest.param(["eu-west-1a", "eu-west-1a"], "is named twice", id="twice"),
        pytest.param(["eu-west-1a", "eu-west-2a"], "in eu-west-1 and eu-west-2", id="two regions"),
    ],
)
def test_zones_that_cannot_be_are_refused(value: object, complaint: str) -> None:
    with pytest.raises(InvalidValue, match=complaint):
        network_plan.zones(value)


@given(zone_counts, st.integers(1, 200))
def test_the_smallest_prefix_holds_the_nodes_and_the_next_smaller_one_does_not(
    zones: int, nodes: int
) -> None:
    prefix = network_plan.smallest_cidr_prefix(zones, nodes)
    assert network_plan.node_capacity(f"10.0.0.0/{prefix}", zones) >= zones * nodes
    try:
        assert network_plan.node_capacity(f"10.0.0.0/{prefix + 1}", zones) < zones * nodes
    except InvalidValue as invalid:
        assert "too small" in invalid.message


def test_the_first_address_of_the_vpc_belongs_to_a_public_subnet() -> None:
    first = network_plan.subnets("10.42.0.0/16", 3)[0]
    assert IPv4Address("10.42.0.1") in first.public
    assert first.public.prefixlen == 28


def test_the_default_network_has_three_large_private_subnets() -> None:
    private = [str(pair.private) for pair in network_plan.subnets("10.42.0.0/16", 3)]
    assert private == ["10.42.64.0/18", "10.42.128.0/18", "10.42.192.0/18"]


def test_dockers_pools_are_apart_from_each_other() -> None:
    assert not any(a.overlaps(b) for a, b in combinations(network_plan.DOCKER_POOLS.values(), 2))


@pytest.mark.parametrize(
    ("cidr", "complaint"),
    [
        pytest.param("10.42.0.1/16", "write 10.42.0.0/16", id="host bits"),
        pytest.param("10.42.0.0", "no IPv4 network", id="no prefix"),
        pytest.param("10.42.0.0/255.255.0.0", "no IPv4 network", id="netmask"),
        pytest.param("10.42.0.0/33", "no IPv4 network", id="prefix over 32"),
        pytest.param("10.420.0.0/16", "no IPv4 network", id="no address"),
        pytest.param("fd00::/16", "no IPv4 network", id="IPv6"),
        pytest.param(10, "no IPv4 network", id="number"),
        pytest.param("8.8.0.0/16", "not private", id="public addresses"),
        pytest.param("10.0.0.0/8", "too large", id="too large"),
        pytest.param("10.42.0.0/27", "too small", id="too small"),
        pytest.param("172.17.0.0/16", "docker0", id="Docker's bridge"),
        pytest.param("172.18.4.0/24", "docker_gwbridge", id="Docker's gateway bridge"),
        pytest.param("172.19.0.0/20", "Docker's local networks", id="Docker's local pool"),
        pytest.param("172.22.0.0/16", "Swarm's overlay networks", id="Swarm's pool"),
    ],
)
def test_a_vpc_that_cannot_be_is_refused(cidr: object, complaint: str) -> None:
    with pytest.raises(InvalidValue, match=complaint):
        network_plan.vpc_cidr(cidr)


@pytest.mark.parametrize(
    "cidr", ["10.0.0.0/16", "172.16.0.0/16", "172.24.0.0/16", "192.168.0.0/20", "100.64.0.0/16"]
)
def test_a_private_vpc_is_taken(cidr: str) -> None:
    assert network_plan.vpc_cidr(cidr) == cidr


@pytest.mark.parametrize(
    ("cidr", "complaint"),
    [("10.0.0.0/8", "too large"), ("10.43.0.0/23", "too small"), ("172.16.0.0/12", "Docker uses")],
)
def test_vpn_addresses_that_cannot_be_are_refused(cidr: str, complaint: str) -> None:
    with pytest.raises(InvalidValue, match=complaint):
        network_plan.vpn_cidr(cidr)


@pytest.mark.parametrize("ports", ["30000-60999", "1024", "65535", "8080-8090", "5001-7945"])
def test_ports_apart_from_the_clusters_own_are_taken(ports: str) -> None:
    assert network_plan.service_ports(ports) == ports


def test_a_single_port_may_be_a_number() -> None:
    assert network_plan.service_ports(8080) == "8080"
    assert network_plan.port_range("8080") == (8080, 8080)
    assert network_plan.port_range("8080-8090") == (8080, 8090)


@pytest.mark.parametrize(
    ("ports", "complaint"),
    [
        pytest.param("80-443", "stay within 1024-65535", id="privileged"),
        pytest.param("60000-70000", "stay within 1024-65535", id="over 65535"),
        pytest.param("9000-8000", "write 8000-9000", id="backwards"),
        pytest.param("30000 - 60999", "no range of ports", id="blanks"),
        pytest.param("http", "no range of ports", id="word"),
        pytest.param(True, "no range of ports", id="truth value"),
        pytest.param(["8080"], "no range of ports", id="list"),
        pytest.param("-1", "no range of ports", id="negative"),
    ],
)
def test_what_is_no_range_of_service_ports_is_refused(ports: object, complaint: str) -> None:
    with pytest.raises(InvalidValue, match=complaint):
        network_plan.service_ports(ports)


@pytest.mark.parametrize("port", network_plan.OWN_PORTS)
def test_each_port_of_the_cluster_itself_is_refused_by_name(port: int) -> None:
    with pytest.raises(InvalidValue, match=rf"{port} \("):
        network_plan.service_ports(f"{port - 1}-{port + 1}")


def test_every_port_that_nodes_listen_on_counts_as_the_clusters_own() -> None:
    ports = {value for name, value in vars(names).items() if name.endswith("_PORT")} - {names.DNS_PORT}
    assert ports == network_plan.OWN_PORTS.keys()
