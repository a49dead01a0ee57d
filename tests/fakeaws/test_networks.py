"""A VPC that exists before the first deploy, and tags of what is launched in it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.fakeaws.client import Aws
from tests.fakeaws.template import cluster, ref

VPC = "vpc-0123456789abcdef0"
SUBNETS = {
    "us-east-1a": ["subnet-0123456789abcdefa", "127.42.0.0/28"],
    "us-east-1c": ["subnet-0123456789abcdefc", "127.42.1.0/28"],
}


def put(aws: Aws, **changed: Any) -> None:
    wanted = {"region": aws.region, "vpc_id": VPC, "cidr": "127.42.0.0/16", "subnets": SUBNETS, **changed}
    url = f"{aws.server.url}/swarmer/networks"
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(wanted).encode(), method="POST")).close()


def in_the_vpc() -> dict[str, Any]:
    """Template of a cluster without a VPC of its own."""
    made = cluster(MinSize="2", MaxSize="2")
    resources = made["Resources"]
    for name in ("Vpc", "Subnet0", "Subnet1", "Subnet2", "Vpn"):
        del resources[name]
    resources["Nodes"]["Properties"]["VpcId"] = VPC
    resources["Group"]["Properties"]["VPCZoneIdentifier"] = [subnet for subnet, _ in SUBNETS.values()]
    return made


def test_a_cluster_is_deployed_into_a_vpc_under_its_real_ids(aws: Aws) -> None:
    put(aws)
    assert aws.create("t", in_the_vpc())["StackStatus"] == "CREATE_COMPLETE"
    found = aws.instances("t-core")
    assert [each["PrivateIpAddress"].rpartition(".")[0] for each in found] == ["127.42.0", "127.42.1"]
    assert {each["VpcId"] for each in found} == {VPC}
    assert {each["SubnetId"]: each["Placement"]["AvailabilityZone"] for each in found} == {
        subnet: zone for zone, (subnet, _) in SUBNETS.items()
    }


def test_the_vpc_outlives_the_cluster(aws: Aws) -> None:
    put(aws)
    aws.create("t", in_the_vpc())
    aws.client("cloudformation").delete_stack(StackName="t")
    aws.pass_time(600)
    assert aws.client("ec2").describe_vpcs(VpcIds=[VPC])["Vpcs"]


def test_a_vpc_is_made_once_and_gets_subnets_of_further_zones(aws: Aws) -> None:
    put(aws)
    more = {**SUBNETS, "us-east-1d": ["subnet-0123456789abcdefd", "127.42.2.0/28"]}
    put(aws, subnets=more)
    found = aws.client("ec2").describe_subnets(Filters=[{"Name": "vpc-id", "Values": [VPC]}])["Subnets"]
    assert {each["SubnetId"] for each in found} == {subnet for subnet, _ in more.values()}
    vpcs = aws.client("ec2").describe_vpcs()["Vpcs"]
    assert [each["VpcId"] for each in vpcs if each["CidrBlock"] == "127.42.0.0/16"] == [VPC]
    assert aws.client("ec2").create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"] != VPC


def test_a_zone_that_the_region_lacks_is_refused_with_a_reason(aws: Aws) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        put(aws, subnets={"us-east-1z": ["subnet-01234567", "127.42.0.0/28"]})
    assert "us-east-1z" in json.loads(caught.value.read())["error"]


def test_instances_volumes_and_interfaces_show_the_tags_of_the_launch_template(aws: Aws) -> None:
    made = cluster(MinSize="1", MaxSize="1")
    data = made["Resources"]["Template"]["Properties"]["LaunchTemplateData"]
    data["TagSpecifications"] = [
        {"ResourceType": kind, "Tags": [{"Key": "cost-center", "Value": kind}]}
        for kind in ("instance", "volume", "network-interface")
    ]
    aws.create("t", made)
    (instance,) = aws.instances("t-core")
    ec2 = aws.client("ec2")
    (volume,) = ec2.describe_volumes(
        Filters=[{"Name": "attachment.instance-id", "Values": [instance["InstanceId"]]}]
    )["Volumes"]
    interface = instance["NetworkInterfaces"][0]["NetworkInterfaceId"]
    (described,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])["NetworkInterfaces"]
    for kind, tags in (
        ("instance", instance["Tags"]),
        ("volume", volume["Tags"]),
        ("network-interface", described["TagSet"]),
    ):
        assert {"Key": "cost-center", "Value": kind} in tags


def test_new_tags_reach_a_vpc_and_its_subnets_without_replacing_them(aws: Aws) -> None:
    made = cluster()
    aws.create("t", made)
    before = aws.resource("t", "Vpc"), aws.resource("t", "Subnet0"), aws.instances("t-core")
    for name in ("Vpc", "Subnet0"):
        made["Resources"][name]["Properties"]["Tags"] = [{"Key": "owner", "Value": ref("Words")}]
    assert aws.update("t", made)["StackStatus"] == "UPDATE_COMPLETE"
    assert (aws.resource("t", "Vpc"), aws.resource("t", "Subnet0"), aws.instances("t-core")) == before
    (vpc,) = aws.client("ec2").describe_vpcs(VpcIds=[before[0]])["Vpcs"]
    assert vpc["Tags"] == [{"Key": "owner", "Value": "as before"}]
    made["Resources"]["Vpc"]["Properties"]["Tags"] = []
    aws.update("t", made)
    (vpc,) = aws.client("ec2").describe_vpcs(VpcIds=[before[0]])["Vpcs"]
    assert not vpc.get("Tags")
