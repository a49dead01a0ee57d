"""The network: zones, subnets, egress, and the allowed connections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stacks import app as stacks
from stacks.network import NetworkStack
from swarmer.core import names, network_plan
from swarmer.core.cluster import Cluster, Group, Role
from swarmer.core.sections import Egress, Network
from tests.stacks.assembly import Assembly

Rule = tuple[str, str, int | None, int | None]
"""Source, protocol, first and last port."""


def subnets(assembly: Assembly, purpose: str) -> list[dict[str, Any]]:
    found = assembly.of_type("AWS::EC2::Subnet").items()
    return [properties for name, properties in found if name.startswith(f"Vpc{purpose}Subnet")]


def group_named(value: dict[str, Any]) -> str:
    """`Nodes` of {"Fn::GetAtt": ["SecurityGroupsNodes7D1C1F16", "GroupId"]}."""
    return str(value["Fn::GetAtt"][0]).removeprefix("SecurityGroups")[:-8]


def rules_into(assembly: Assembly, group: str) -> set[Rule]:
    return {rule for target, rule in rules(assembly) if target == group}


def rules(assembly: Assembly) -> Iterator[tuple[str, Rule]]:
    for it in assembly.of_type("AWS::EC2::SecurityGroupIngress").values():
        source = group_named(it["SourceSecurityGroupId"])
        yield group_named(it["GroupId"]), (source, it["IpProtocol"], it.get("FromPort"), it.get("ToPort"))


def both(source: str, first: int, last: int | None = None) -> set[Rule]:
    return {(source, protocol, first, last or first) for protocol in ("tcp", "udp")}


def tcp(source: str, *ports: int) -> set[Rule]:
    return {(source, "tcp", port, port) for port in ports}


def test_three_zones_without_lookups(shipped: Assembly) -> None:
    zones = [{"Fn::Select": [index, {"Fn::GetAZs": ""}]} for index in range(3)]
    assert [subnet["AvailabilityZone"] for subnet in subnets(shipped, "Nodes")] == zones
    assert [subnet["AvailabilityZone"] for subnet in subnets(shipped, "Egress")] == zones


def test_zones_that_are_named_are_taken_as_they_are(variant: Assembly) -> None:
    named = list(variant.cluster.network.zone_names)
    assert named == ["eu-central-1b"]
    assert [subnet["AvailabilityZone"] for subnet in subnets(variant, "Nodes")] == named
    assert [subnet["AvailabilityZone"] for subnet in subnets(variant, "Egress")] == named


def test_subnets_are_exactly_those_of_the_plan(with_own_vpc: Assembly) -> None:
    network = with_own_vpc.cluster.network
    planned = network_plan.subnets(network.cidr, network.zone_count)
    assert [it["CidrBlock"] for it in subnets(with_own_vpc, "Egress")] == [
        str(zone.public) for zone in planned
    ]
    assert [it["CidrBlock"] for it in subnets(with_own_vpc, "Nodes")] == [
        str(zone.private) for zone in planned
    ]


def test_no_subnet_gives_out_public_addresses(with_own_vpc: Assembly) -> None:
    assert not any(it["MapPublicIpOnLaunch"] for it in with_own_vpc.of_type("AWS::EC2::Subnet").values())


@pytest.mark.parametrize(("egress", "gateways"), [(Egress.ONE_NAT, 1), (Egress.NAT_PER_ZONE, 6)])
def test_six_zones_have_as_many_gateways_as_asked_for(tmp_path: Path, egress: Egress, gateways: int) -> None:
    network = Network(zones=6, egress=egress)
    groups = (Group(name="all", roles=frozenset(Role), size=1),)
    cluster = Cluster(network=network, groups=groups)
    app = stacks.new_app(outdir=str(tmp_path))
    NetworkStack(app, "Network", cluster=cluster, description="Network alone")
    app.synth()
    alone = Assembly(tmp_path, cluster)
    assert len(alone.of_type("AWS::EC2::NatGateway")) == gateways
    assert len(subnets(alone, "Nodes")) == len(subnets(alone, "Egress")) == 6


def test_nodes_leave_through_a_nat_gateway_only(with_own_vpc: Assembly) -> None:
    routes = with_own_vpc.of_type("AWS::EC2::Route")
    of_nodes = [route for name, route in routes.items() if name.startswith("VpcNodes")]
    assert len(of_nodes) == with_own_vpc.cluster.network.zone_count
    assert all("NatGatewayId" in route and "GatewayId" not in route for route in of_nodes)


def test_images_come_from_s3_without_the_nat_gateway(with_own_vpc: Assembly) -> None:
    (endpoint,) = with_own_vpc.of_type("AWS::EC2::VPCEndpoint").values()
    assert endpoint["VpcEndpointType"] == "Gateway"
    assert len(endpoint["RouteTableIds"]) == with_own_vpc.cluster.network.zone_count
    assert all(table["Ref"].startswith("VpcNodes") for table in endpoint["RouteTableIds"])


def test_rejected_traffic_is_kept_for_a_bounded_time(with_own_vpc: Assembly) -> None:
    (flow_log,) = with_own_vpc.of_type("AWS::EC2::FlowLog").values()
    (log_group,) = (
        it for name, it in with_own_vpc.of_type("AWS::Logs::LogGroup").items() if name.startswith("FlowLogs")
    )
    assert flow_log["TrafficType"] == "REJECT"
    assert log_group["RetentionInDays"] == 30


def test_every_port_is_opened_to_the_cluster_only(assembly: Assembly) -> None:
    """No rule admits an address, from wherever: every source is one of our security groups."""
    for name, rule in assembly.of_type("AWS::EC2::SecurityGroupIngress").items():
        assert not {"CidrIp", "CidrIpv6", "SourcePrefixListId"} & rule.keys(), name
    for name, group in assembly.of_type("AWS::EC2::SecurityGroup").items():
        assert "SecurityGroupIngress" not in group, name
    assert {target for target, _ in rules(assembly)} == {"Nodes", "Managers", "ConsulServers"}


def test_nodes_reach_each_other_on_the_ports_of_the_cluster(shipped: Assembly) -> None:
    assert {rule for rule in rules_into(shipped, "Nodes") if rule[0] == "Nodes"} == (
        both("Nodes", names.DNS_PORT)
        | both("Nodes", names.SWARM_GOSSIP_PORT)
        | both("Nodes", names.CONSUL_GOSSIP_PORT)
        | both("Nodes", 30000, 60999)
        | tcp("Nodes", names.CONSUL_HTTP_PORT)
        | {("Nodes", "udp", names.OVERLAY_PORT, names.OVERLAY_PORT), ("Nodes", "50", None, None)}
    )


def test_only_managers_and_servers_take_what_is_theirs(shipped: Assembly) -> None:
    into_managers = rules_into(shipped, "Managers")
    ports = (names.SWARM_CLUSTER_PORT, names.DOCKER_PORT, names.REGISTRY_PORT)
    assert {rule for rule in into_managers if rule[0] == "Nodes"} == tcp("Nodes", *ports)
    assert rules_into(shipped, "ConsulServers") == tcp("Nodes", names.CONSUL_RPC_PORT)


def test_the_vpn_reaches_what_people_use(variant: Assembly) -> None:
    assert {rule for rule in rules_into(variant, "Nodes") if rule[0] == "Vpn"} == (
        both("Vpn", names.DNS_PORT) | both("Vpn", 31000, 31999) | tcp("Vpn", names.CONSUL_HTTP_PORT)
    )
    into_managers = {rule for rule in rules_into(variant, "Managers") if rule[0] == "Vpn"}
    assert into_managers == tcp("Vpn", names.DOCKER_PORT, names.REGISTRY_PORT)


def test_functions_reach_consul_and_docker_only(assembly: Assembly) -> None:
    assert {(target, rule) for target, rule in rules(assembly) if rule[0] == "Functions"} == {
        ("Nodes", ("Functions", "tcp", names.CONSUL_HTTP_PORT, names.CONSUL_HTTP_PORT)),
        ("Managers", ("Functions", "tcp", names.DOCKER_PORT, names.DOCKER_PORT)),
    }


def test_consul_dns_stays_on_loopback(assembly: Assembly) -> None:
    assert all(rule[2] != names.CONSUL_DNS_PORT for _, rule in rules(assembly))


def test_a_vpc_that_exists_gets_only_security_groups(guest: Assembly) -> None:
    resources = guest.templates["guest-network"]["Resources"].values()
    assert {resource["Type"] for resource in resources} == {
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
    }
    vpc = guest.cluster.network.vpc
    assert {group["VpcId"] for group in guest.of_type("AWS::EC2::SecurityGroup").values()} == {vpc}


def test_nodes_and_functions_are_in_the_subnets_that_are_named(guest: Assembly) -> None:
    named = [subnet for _, subnet in guest.cluster.network.subnets]
    assert guest.auto_scaling_group("core")["VPCZoneIdentifier"] == named
    for name, function in guest.of_type("AWS::Lambda::Function").items():
        assert function["VpcConfig"]["SubnetIds"] == named, name


def test_a_vpc_that_exists_needs_no_look_up(guest: Assembly) -> None:
    assert not (guest.directory / "cdk.context.json").exists()
    assert "missing" not in (guest.directory / "manifest.json").read_text()


def test_the_rules_are_those_of_a_vpc_of_its_own(guest: Assembly, shipped: Assembly) -> None:
    assert set(rules(guest)) == set(rules(shipped))
