"""A cluster in an account with demands: tags on everything, a permissions boundary, a VPC that exists."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from swarmer.core import names
from swarmer.local import environment
from tests.changes.description import EVERYTHING, Described
from tests.rehearsal.conftest import until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

PAGE = environment.ROOT / "docs/guides/aws-account.md"
VPC = "vpc-0123456789abcdef0"
SUBNETS = {
    "eu-central-1a": "subnet-0123456789abcdefa",
    "eu-central-1b": "subnet-0123456789abcdefb",
    "eu-central-1c": "subnet-0123456789abcdefc",
}
TAGS = {"cost-center": "1234", "owner": "people@example.com"}


def limits() -> dict[str, Any]:
    """The smallest boundary, which the page shows."""
    section = PAGE.read_text().partition("## A permissions boundary")[2]
    (policy,) = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    found: dict[str, Any] = json.loads(policy)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demands")


def up(cluster: Described, policy: dict[str, Any]) -> None:
    cluster.path.with_name("limits.json").write_text(json.dumps(policy))
    done = cluster.swarmer("up", "--boundary", f"{cluster.path.parent}/limits.json")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def demands(folder: Path) -> Iterator[Described]:
    made = Described(
        folder / "servers.yml",
        {"core": {"roles": EVERYTHING, "size": 3}},
        name="demands",
        tags=TAGS,
        permissions_boundary="teams/limits",
        network={"cidr": "10.66.0.0/20", "vpn_cidr": "10.67.0.0/22", "vpc": VPC, "subnets": SUBNETS},
    )
    made.write()
    try:
        up(made, limits())
        yield made
    finally:
        made.swarmer("down")


def client(cluster: Described, service: str) -> Any:
    env = cluster.env
    return boto3.client(
        service,
        endpoint_url=env.aws_url,
        region_name=env.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def instances(cluster: Described) -> list[dict[str, Any]]:
    wanted = [{"Name": f"tag:{names.TAG_CLUSTER}", "Values": [cluster.env.cluster.name]}]
    found = client(cluster, "ec2").describe_instances(Filters=wanted)["Reservations"]
    return [each for held in found for each in held["Instances"] if each["State"]["Name"] == "running"]


def refusals(cluster: Described) -> list[str]:
    """Messages of IAM in the journal of the simulated AWS."""
    with urllib.request.urlopen(f"{cluster.env.aws_url}/swarmer/events?after=0&wait=0") as answer:
        entries = [json.dumps(each) for each in json.load(answer)]
    assert entries
    return [each for each in entries if "is not authorized to perform" in each]


def test_a_cluster_lives_within_the_boundary_that_the_page_shows(demands: Described) -> None:
    status = demands.status()
    assert status["validated"], status["problems"]
    roles = client(demands, "iam").list_roles()["Roles"]
    own = [role["RoleName"] for role in roles if not role["RoleName"].startswith("cdk-")]
    for name in own:
        role = client(demands, "iam").get_role(RoleName=name)["Role"]
        assert role["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith(":policy/teams/limits"), name
    assert len(own) >= 5
    demands.push("within")
    assert refusals(demands) == []


def test_its_nodes_are_in_the_vpc_and_the_zones_of_the_description(demands: Described) -> None:
    found = instances(demands)
    assert {each["VpcId"] for each in found} == {VPC}
    placed = {each["Placement"]["AvailabilityZone"]: each["SubnetId"] for each in found}
    assert placed == SUBNETS
    assert {node.zone for node in demands.nodes()} == set(SUBNETS)


def test_instances_volumes_and_interfaces_have_the_tags(demands: Described) -> None:
    ec2 = client(demands, "ec2")
    for instance in instances(demands):
        attached = [{"Name": "attachment.instance-id", "Values": [instance["InstanceId"]]}]
        (volume,) = ec2.describe_volumes(Filters=attached)["Volumes"]
        interface = instance["NetworkInterfaces"][0]["NetworkInterfaceId"]
        (described,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])["NetworkInterfaces"]
        for tags in (instance["Tags"], volume["Tags"], described["TagSet"]):
            assert TAGS.items() <= {tag["Key"]: tag["Value"] for tag in tags}.items()


def test_a_boundary_that_is_too_narrow_refuses_what_it_leaves_out(demands: Described) -> None:
    narrow = limits()
    narrow["Statement"][0]["Action"].remove("autoscaling:DescribeAutoScalingGroups")
    try:
        up(demands, narrow)
        until(
            lambda: any(
                "no permissions boundary allows the autoscaling:DescribeAutoScalingGroups action" in line
                for line in refusals(demands)
            ),
            within_s=150,
            what="the next sweep is refused",
        )
    finally:
        up(demands, limits())


def test_other_tags_are_deployed_without_another_node(demands: Described) -> None:
    before = {each["InstanceId"] for each in instances(demands)}
    demands.more["tags"] = {**TAGS, "stage": "test"}
    demands.write()
    done = demands.swarmer("up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {each["InstanceId"] for each in instances(demands)} == before
    (group,) = client(demands, "autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert {"stage": "test"}.items() <= {tag["Key"]: tag["Value"] for tag in group["Tags"]}.items()
