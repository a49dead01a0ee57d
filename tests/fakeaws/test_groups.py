from __future__ import annotations

import base64
import ipaddress
from collections import Counter
from typing import Any

from tests.fakeaws.client import Aws
from tests.fakeaws.template import DEBIAN, cluster


def test_instances_are_spread_over_the_subnets(aws: Aws) -> None:
    aws.create("t", cluster())
    used = Counter(each["SubnetId"] for each in aws.instances("t-core"))
    assert sorted(used.values()) == [1, 2, 2]


def test_instance_carries_what_its_launch_template_says(aws: Aws) -> None:
    aws.create("t", cluster(user_data="#cloud-config\nhello: 1\n"))
    instance = aws.instances("t-core")[0]
    attribute = aws.client("ec2").describe_instance_attribute(
        InstanceId=instance["InstanceId"], Attribute="userData"
    )
    assert base64.b64decode(attribute["UserData"]["Value"]) == b"#cloud-config\nhello: 1\n"
    assert ":instance-profile/" in instance["IamInstanceProfile"]["Arn"]
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert [group["GroupId"] for group in instance["SecurityGroups"]] == [aws.resource("t", "Nodes")]


def of_types(*types: str) -> dict[str, Any]:
    """Template of a cluster whose group takes spot instances of these types; without types the template's."""
    wanted = cluster()
    properties = wanted["Resources"]["Group"]["Properties"]
    launch_template: dict[str, Any] = {"LaunchTemplateSpecification": properties.pop("LaunchTemplate")}
    if types:
        launch_template["Overrides"] = [{"InstanceType": each} for each in types]
    properties["MixedInstancesPolicy"] = {
        "LaunchTemplate": launch_template,
        "InstancesDistribution": {"SpotAllocationStrategy": "price-capacity-optimized"},
    }
    return wanted


def test_a_group_of_several_types_launches_each_of_them(aws: Aws) -> None:
    aws.create("t", of_types("m7i.large", "m6i.large", "m6a.large"))
    instances = aws.instances("t-core")
    used = Counter(each["InstanceType"] for each in instances)
    assert used == {"m7i.large": 2, "m6i.large": 2, "m6a.large": 1}
    described = {each["InstanceId"]: each["InstanceType"] for each in aws.group("t-core")["Instances"]}
    assert described == {each["InstanceId"]: each["InstanceType"] for each in instances}


def test_a_lost_instance_is_replaced_by_one_of_the_groups_types(aws: Aws) -> None:
    aws.create("t", of_types("m7i.large", "m6i.large"))
    aws.update("t", of_types("m6a.large", "m6i.large"))
    victim = next(each for each in aws.instances("t-core") if each["InstanceType"] == "m7i.large")
    aws.client("ec2").terminate_instances(InstanceIds=[victim["InstanceId"]])
    aws.pass_time()
    used = Counter(each["InstanceType"] for each in aws.instances("t-core"))
    assert used == {"m7i.large": 2, "m6i.large": 2, "m6a.large": 1}


def test_spot_groups_without_a_list_of_types_launch_that_of_the_template(aws: Aws) -> None:
    aws.create("t", of_types())
    assert {each["InstanceType"] for each in aws.instances("t-core")} == {"t3.small"}


def test_image_is_the_one_that_the_public_parameter_names(aws: Aws) -> None:
    aws.create("t", cluster())
    image = aws.client("ssm").get_parameter(Name=DEBIAN)["Parameter"]["Value"]
    assert {each["ImageId"] for each in aws.instances("t-core")} == {image}
    described = aws.client("ec2").describe_images(ImageIds=[image])["Images"][0]
    assert described["Architecture"] == "x86_64"


def image_named(aws: Aws, parameter: str) -> tuple[str, str]:
    """Architecture and root device of the image that a public parameter names."""
    image = aws.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]
    (found,) = aws.client("ec2").describe_images(ImageIds=[image])["Images"]
    return found["Architecture"], found["RootDeviceName"]


def test_arm_has_an_image_of_its_own(aws: Aws) -> None:
    assert image_named(aws, DEBIAN) == ("x86_64", "/dev/xvda")
    assert image_named(aws, DEBIAN.replace("amd64", "arm64")) == ("arm64", "/dev/xvda")


def test_the_images_of_version_0_1_are_still_there(aws: Aws) -> None:
    name = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
    assert image_named(aws, name) == ("x86_64", "/dev/sda1")


def volumes(aws: Aws, devices: list[dict[str, Any]]) -> dict[str, tuple[int, bool]]:
    """Size in GiB and encryption of each volume of an instance, by its device; `devices`: the template's."""
    wanted = cluster(MinSize="1", MaxSize="1")
    wanted["Resources"]["Template"]["Properties"]["LaunchTemplateData"]["BlockDeviceMappings"] = devices
    aws.create("t", wanted)
    (instance,) = aws.instances("t-core")
    ids = {each["DeviceName"]: each["Ebs"]["VolumeId"] for each in instance["BlockDeviceMappings"]}
    described = aws.client("ec2").describe_volumes(VolumeIds=list(ids.values()))["Volumes"]
    found = {each["VolumeId"]: (each["Size"], each["Encrypted"]) for each in described}
    return {device: found[volume] for device, volume in ids.items()}


def test_a_template_changes_the_root_volume_by_its_device(aws: Aws) -> None:
    ebs = {"VolumeSize": 20, "VolumeType": "gp3", "Encrypted": True}
    assert volumes(aws, [{"DeviceName": "/dev/xvda", "Ebs": ebs}]) == {"/dev/xvda": (20, True)}


def test_any_other_device_is_a_second_volume_beside_the_images_own(aws: Aws) -> None:
    ebs = {"VolumeSize": 20, "VolumeType": "gp3", "Encrypted": True}
    found = volumes(aws, [{"DeviceName": "/dev/sda1", "Ebs": ebs}])
    assert found == {"/dev/xvda": (8, False), "/dev/sda1": (20, True)}


def test_instance_carries_the_tags_of_group_and_template(aws: Aws) -> None:
    aws.create("t", cluster())
    tags = {tag["Key"]: tag["Value"] for tag in aws.instances("t-core")[0]["Tags"]}
    assert tags["swarmer:cluster"] == "t"
    assert tags["aws:autoscaling:groupName"] == "t-core"
    assert tags["Name"] == "node"


def test_group_without_desired_capacity_starts_at_its_minimum(aws: Aws) -> None:
    aws.create("t", cluster(MinSize="2", MaxSize="7"))
    assert aws.group("t-core")["DesiredCapacity"] == 2
    assert len(aws.instances("t-core")) == 2


def test_changed_launch_template_leaves_running_instances_alone(aws: Aws) -> None:
    aws.create("t", cluster())
    before = {each["InstanceId"] for each in aws.instances("t-core")}
    aws.update("t", cluster(user_data="#changed\n"))
    group = aws.group("t-core")
    assert {each["InstanceId"] for each in group["Instances"]} == before
    assert group["LaunchTemplate"]["Version"] == "2"
    assert {each["LaunchTemplate"]["Version"] for each in group["Instances"]} == {"1"}


def test_next_launch_uses_the_changed_launch_template(aws: Aws) -> None:
    aws.create("t", cluster())
    aws.update("t", cluster(user_data="#changed\n"))
    victim = aws.instances("t-core")[0]["InstanceId"]
    before = {each["InstanceId"] for each in aws.instances("t-core")}
    aws.client("ec2").terminate_instances(InstanceIds=[victim])
    aws.pass_time()
    new = next(each for each in aws.group("t-core")["Instances"] if each["InstanceId"] not in before)
    assert new["LaunchTemplate"]["Version"] == "2"
    attribute = aws.client("ec2").describe_instance_attribute(
        InstanceId=new["InstanceId"], Attribute="userData"
    )
    assert base64.b64decode(attribute["UserData"]["Value"]) == b"#changed\n"


def test_group_grows_in_place(aws: Aws) -> None:
    aws.create("t", cluster())
    before = {each["InstanceId"] for each in aws.instances("t-core")}
    aws.update("t", cluster(MinSize="6", MaxSize="6"))
    after = aws.instances("t-core")
    assert before < {each["InstanceId"] for each in after}
    assert sorted(Counter(each["SubnetId"] for each in after).values()) == [2, 2, 2]


def test_group_shrinks_in_place_and_stays_balanced(aws: Aws) -> None:
    aws.create("t", cluster())
    before = {each["InstanceId"] for each in aws.instances("t-core")}
    aws.update("t", cluster(MinSize="3", MaxSize="3"))
    after = aws.instances("t-core")
    assert {each["InstanceId"] for each in after} < before
    assert sorted(Counter(each["SubnetId"] for each in after).values()) == [1, 1, 1]


def test_deploy_does_not_reset_the_capacity_of_a_group_with_bounds(aws: Aws) -> None:
    aws.create("t", cluster(MinSize="1", MaxSize="7"))
    aws.client("autoscaling").set_desired_capacity(AutoScalingGroupName="t-core", DesiredCapacity=4)
    aws.update("t", cluster(MinSize="2", MaxSize="7"))
    assert len(aws.instances("t-core")) == 4


def test_terminated_instance_is_replaced_in_its_zone(aws: Aws) -> None:
    aws.create("t", cluster(MinSize="3", MaxSize="3"))
    victim = aws.instances("t-core")[1]
    aws.client("ec2").terminate_instances(InstanceIds=[victim["InstanceId"]])
    aws.pass_time()
    assert len({each["SubnetId"] for each in aws.instances("t-core")}) == 3


def test_addresses_are_usable_unique_and_never_given_out_twice(aws: Aws) -> None:
    aws.create("t", cluster(MinSize="6", MaxSize="6"))
    seen: set[str] = set()
    for _ in range(3):
        addresses = {each["PrivateIpAddress"] for each in aws.instances("t-core")}
        assert len(addresses) == 6
        seen |= addresses
        victim = aws.instances("t-core")[0]["InstanceId"]
        aws.client("ec2").terminate_instances(InstanceIds=[victim])
        aws.pass_time()
    seen |= {each["PrivateIpAddress"] for each in aws.instances("t-core")}
    assert len(seen) == 9
    assert all(4 <= int(ipaddress.ip_address(each)) % 16 <= 14 for each in seen)
