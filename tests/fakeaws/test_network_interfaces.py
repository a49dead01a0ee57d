"""Security groups that are deployed, as the values that packet filters are made of."""

from __future__ import annotations

from typing import Any

from swarmer.core import names
from tests.fakeaws.client import Aws
from tests.fakeaws.template import att, cluster, ref

CIDR = "127.42.0.0/16"
OPERATORS = ("127.42.0.1",)


def template(*absent: str) -> dict[str, Any]:
    """The small cluster, with the group of the VPN, and rules as resources of their own."""
    found = cluster()
    peers = {"SourceSecurityGroupId": att("Vpn2", "GroupId")}
    port = {"IpProtocol": "tcp", "FromPort": 8500, "ToPort": 8500}
    more = {
        "Vpn2": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupDescription": names.VPN_GROUP_DESCRIPTION,
                "VpcId": ref("Vpc"),
            },
        },
        "In": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {"GroupId": att("Nodes", "GroupId"), **port, **peers},
        },
        "Out": {
            "Type": "AWS::EC2::SecurityGroupEgress",
            "Properties": {
                "GroupId": att("Vpn2", "GroupId"),
                **port,
                "DestinationSecurityGroupId": att("Nodes", "GroupId"),
            },
        },
    }
    found["Resources"] |= {name: each for name, each in more.items() if name not in absent}
    return found


def deployed() -> Any:
    from swarmer.fakeaws.ec2 import network_interfaces

    return network_interfaces.deployed(CIDR, ("127.42.0.1", 4566), OPERATORS)


def peers(aws: Aws, group: str, direction: str) -> list[str]:
    rules = getattr(deployed().network.groups[aws.resource("t", group)], direction)
    return [rule.peer for rule in rules]


def test_members_are_the_addresses_of_instances_that_are_not_gone(aws: Aws) -> None:
    aws.create("t", template())
    nodes = aws.resource("t", "Nodes")
    addresses = [each["PrivateIpAddress"] for each in aws.instances("t-core")]
    assert sorted(deployed().network.members[nodes]) == sorted(addresses)
    gone = aws.instances("t-core")[0]
    aws.client("ec2").terminate_instances(InstanceIds=[gone["InstanceId"]])
    assert gone["PrivateIpAddress"] not in deployed().network.members[nodes]
    assert gone["InstanceId"] not in deployed().instances


def test_an_interface_of_a_function_is_a_member_of_its_groups(aws: Aws) -> None:
    aws.create("t", template())
    group = aws.resource("t", "Vpn2")
    made = aws.client("ec2").create_network_interface(
        SubnetId=aws.resource("t", "Subnet0"), Groups=[group], PrivateIpAddress="127.42.0.14"
    )
    assert "127.42.0.14" in deployed().network.members[group]
    aws.client("ec2").delete_network_interface(
        NetworkInterfaceId=made["NetworkInterface"]["NetworkInterfaceId"]
    )
    assert "127.42.0.14" not in deployed().network.members[group]


def test_operators_are_members_of_the_group_that_is_described_as_the_vpns(aws: Aws) -> None:
    aws.create("t", template())
    members = deployed().network.members
    assert [group for group, addresses in members.items() if set(OPERATORS) & set(addresses)] == [
        aws.resource("t", "Vpn2")
    ]


def test_rules_that_are_resources_come_and_go_with_them(aws: Aws) -> None:
    aws.create("t", template())
    vpn, nodes = aws.resource("t", "Vpn2"), aws.resource("t", "Nodes")
    assert peers(aws, "Nodes", "ingress").count(vpn) == 1
    assert peers(aws, "Vpn2", "egress") == [nodes]
    aws.update("t", template("In", "Out"))
    assert vpn not in peers(aws, "Nodes", "ingress")
    assert peers(aws, "Vpn2", "egress") == []


def test_a_group_without_egress_rules_lets_out_everything(aws: Aws) -> None:
    aws.create("t", template("Out"))
    assert peers(aws, "Nodes", "egress") == ["0.0.0.0/0"]
    assert peers(aws, "Vpn2", "egress") == ["0.0.0.0/0"]


def test_egress_rules_of_the_group_itself_replace_the_default_and_change_in_place(aws: Aws) -> None:
    def closed(cidr: str) -> dict[str, Any]:
        found = template()
        rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": cidr}
        found["Resources"]["Nodes"]["Properties"]["SecurityGroupEgress"] = [rule]
        return found

    aws.create("t", closed("192.0.2.0/24"))
    before = aws.resource("t", "Nodes")
    assert peers(aws, "Nodes", "egress") == ["192.0.2.0/24"]
    aws.update("t", closed("198.51.100.0/24"))
    assert aws.resource("t", "Nodes") == before
    assert peers(aws, "Nodes", "egress") == ["198.51.100.0/24"]


def test_a_changed_rule_is_announced(aws: Aws) -> None:
    from swarmer.fakeaws.ec2 import security_groups

    aws.create("t", template())
    heard: list[str] = []
    security_groups.observers.append(lambda: heard.append("changed"))
    try:
        permission = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
        ec2, group = aws.client("ec2"), aws.resource("t", "Nodes")
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
        assert heard
        heard.clear()
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[permission])
        assert heard
        heard.clear()
        aws.update("t", template("In"))
        assert heard
    finally:
        security_groups.observers.pop()


def test_every_rule_has_an_id_that_ec2_describes(aws: Aws) -> None:
    aws.create("t", template())
    group = aws.resource("t", "Nodes")
    described = aws.client("ec2").describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [group]}]
    )["SecurityGroupRules"]
    found = deployed().network.groups[group]
    assert {rule.id for rule in (*found.ingress, *found.egress)} == {
        each["SecurityGroupRuleId"] for each in described
    }
