"""A stack's network goes with it, with the interfaces that functions and instances left in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.fakeaws.client import Aws

NETWORK: dict[str, Any] = {
    "Vpc": ("VPC", {"CidrBlock": "10.9.0.0/16"}),
    "Subnet": ("Subnet", {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.9.1.0/24"}),
    "Table": ("RouteTable", {"VpcId": {"Ref": "Vpc"}}),
    "Association": (
        "SubnetRouteTableAssociation",
        {"RouteTableId": {"Ref": "Table"}, "SubnetId": {"Ref": "Subnet"}},
    ),
    "Gateway": ("InternetGateway", {}),
    "Attachment": (
        "VPCGatewayAttachment",
        {"VpcId": {"Ref": "Vpc"}, "InternetGatewayId": {"Ref": "Gateway"}},
    ),
    "Address": ("EIP", {"Domain": "vpc"}),
    "Nat": (
        "NatGateway",
        {"SubnetId": {"Ref": "Subnet"}, "AllocationId": {"Fn::GetAtt": ["Address", "AllocationId"]}},
    ),
    "Endpoint": (
        "VPCEndpoint",
        {
            "VpcId": {"Ref": "Vpc"},
            "ServiceName": "com.amazonaws.us-east-1.s3",
            "VpcEndpointType": "Gateway",
            "RouteTableIds": [{"Ref": "Table"}],
        },
    ),
}
"""Type without `AWS::EC2::`, and properties, by logical ID."""


def listed(aws: Aws, operation: str, key: str, **asked: Any) -> Sequence[Any]:
    found: Sequence[Any] = getattr(aws.client("ec2"), operation)(**asked)[key]
    return found


@pytest.fixture
def before(aws: Aws) -> set[str]:
    """VPCs of the account that are none of the stack's."""
    return {each["VpcId"] for each in listed(aws, "describe_vpcs", "Vpcs")}


def test_a_network_is_deleted_with_its_stack(aws: Aws, before: set[str]) -> None:
    resources = {
        name: {"Type": f"AWS::EC2::{kind}", "Properties": properties}
        for name, (kind, properties) in NETWORK.items()
    }
    aws.create("t", {"Resources": resources})
    vpc, subnet = aws.resource("t", "Vpc"), aws.resource("t", "Subnet")
    aws.client("ec2").create_network_interface(SubnetId=subnet, Description="AWS Lambda VPC ENI-f")
    in_vpc = {"Filters": [{"Name": "vpc-id", "Values": [vpc]}]}
    assert listed(aws, "describe_network_interfaces", "NetworkInterfaces", **in_vpc)

    aws.client("cloudformation").delete_stack(StackName="t")
    aws.pass_time()
    assert {each["VpcId"] for each in listed(aws, "describe_vpcs", "Vpcs")} == before
    assert listed(aws, "describe_network_interfaces", "NetworkInterfaces", **in_vpc) == []
    assert listed(aws, "describe_route_tables", "RouteTables", **in_vpc) == []
    assert listed(aws, "describe_internet_gateways", "InternetGateways") == []
    assert listed(aws, "describe_addresses", "Addresses") == []
    assert listed(aws, "describe_vpc_endpoints", "VpcEndpoints") == []
    assert {each["State"] for each in listed(aws, "describe_nat_gateways", "NatGateways")} == {"deleted"}
