"""The groups of nodes: what an instance is, how many there are, how they are replaced."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase

import pytest
import yaml

from swarmer.core import names, user_data
from swarmer.core.cluster import Group, Role
from swarmer.core.healing import pacing
from swarmer.core.instance_types import image_parameter
from swarmer.core.naming_rules import LONGEST_CLUSTER_NAME, LONGEST_GROUP_NAME
from swarmer.core.node import NodeDescription, Storage
from swarmer.core.sections import LONGEST_BOOT_S
from swarmer.core.user_data import Software
from tests.stacks.assembly import Assembly, joined

SPARE = "spare-workers-with-a-rather-long-name"


def test_no_node_has_a_public_address(assembly: Assembly) -> None:
    for group in assembly.cluster.groups:
        (interface,) = assembly.launch_template_data(group.name)["NetworkInterfaces"]
        assert interface["AssociatePublicIpAddress"] is False


def test_nodes_are_in_private_subnets_only(with_own_vpc: Assembly) -> None:
    for group in with_own_vpc.cluster.groups:
        for subnet in with_own_vpc.auto_scaling_group(group.name)["VPCZoneIdentifier"]:
            assert "VpcNodesSubnet" in subnet["Fn::ImportValue"]


def test_nobody_logs_in_with_a_key(assembly: Assembly) -> None:
    for group in assembly.cluster.groups:
        assert "KeyName" not in assembly.launch_template_data(group.name)


def test_instance_metadata_needs_a_token_and_stays_on_the_node(assembly: Assembly) -> None:
    for group in assembly.cluster.groups:
        options = assembly.launch_template_data(group.name)["MetadataOptions"]
        assert options["HttpTokens"] == "required"
        assert options["HttpPutResponseHopLimit"] == 1


def test_root_volumes_are_encrypted_and_as_large_as_asked_for(assembly: Assembly) -> None:
    for group in assembly.cluster.groups:
        (device,) = assembly.launch_template_data(group.name)["BlockDeviceMappings"]
        assert device["DeviceName"] == "/dev/xvda"
        assert device["Ebs"] == {
            "DeleteOnTermination": True,
            "Encrypted": True,
            "VolumeSize": group.disk,
            "VolumeType": "gp3",
        }


def test_the_image_is_debians_newest_at_every_deployment(shipped: Assembly) -> None:
    parameters = shipped.templates["swarmer-cluster"]["Parameters"]
    image = parameters[shipped.launch_template_data("core")["ImageId"]["Ref"]]
    assert image["Type"] == "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"
    assert image["Default"] == "/aws/service/debian/release/13/latest/amd64"


def test_another_image_is_taken_for_its_processor_without_debians_parameter(variant: Assembly) -> None:
    images = {
        group.name: variant.launch_template_data(group.name)["ImageId"] for group in variant.cluster.groups
    }
    base, base_arm64 = variant.cluster.image.base, variant.cluster.image.base_arm64
    assert images.pop("managers") == base_arm64
    assert set(images.values()) == {base}
    assert "debian" not in json.dumps(variant.templates["variant-cluster"].get("Parameters", {}))


@pytest.mark.parametrize(("instance_type", "processor"), [("m7g.large", "arm64"), ("m7i.large", "amd64")])
def test_debians_parameter_is_the_one_for_the_processor(instance_type: str, processor: str) -> None:
    group = Group.model_validate(
        {"name": "a", "roles": ["swarm-worker"], "size": 1, "instance_type": instance_type}
    )
    assert image_parameter(group.processor) == f"/aws/service/debian/release/13/latest/{processor}"


def test_groups_are_found_by_name_and_nodes_by_tag(assembly: Assembly) -> None:
    for group in assembly.cluster.groups:
        asg = assembly.auto_scaling_group(group.name)
        name = names.group_asg_name(assembly.cluster.name, group.name)
        assert asg["AutoScalingGroupName"] == name
        assert all(tag["PropagateAtLaunch"] for tag in asg["Tags"])
        assert {tag["Key"]: tag["Value"] for tag in asg["Tags"]} == dict(assembly.cluster.tags) | {
            "Name": name,
            names.TAG_CLUSTER: assembly.cluster.name,
            names.TAG_GROUP: group.name,
            names.TAG_ROLES: " ".join(sorted(group.roles)),
        }


def test_volumes_carry_the_tags_of_their_node(shipped: Assembly) -> None:
    specifications = shipped.launch_template_data("core")["TagSpecifications"]
    (tags,) = (it["Tags"] for it in specifications if it["ResourceType"] == "volume")
    assert {"Key": "Name", "Value": "swarmer-core"} in tags


def test_quorum_groups_never_use_spot(assembly: Assembly) -> None:
    for group in assembly.groups(quorum=True):
        assert "MixedInstancesPolicy" not in assembly.auto_scaling_group(group.name)
        assert "InstanceMarketOptions" not in assembly.launch_template_data(group.name)


def test_quorum_groups_have_a_fixed_size_over_all_zones(assembly: Assembly) -> None:
    for group in assembly.groups(quorum=True):
        asg = assembly.auto_scaling_group(group.name)
        assert asg["MinSize"] == asg["MaxSize"] == asg["DesiredCapacity"] == str(group.size)
        assert len(asg["VPCZoneIdentifier"]) == assembly.cluster.network.zone_count


def test_quorum_groups_replace_one_member_at_a_time_and_launch_first(assembly: Assembly) -> None:
    for group in assembly.groups(quorum=True):
        policy = assembly.auto_scaling_group(group.name)["InstanceMaintenancePolicy"]
        assert policy["MinHealthyPercentage"] == 100
        surplus = group.largest * (policy["MaxHealthyPercentage"] - 100) / 100
        assert 0 < surplus <= 1


def test_voters_are_spread_over_the_zones_even_if_one_lacks_capacity(assembly: Assembly) -> None:
    only = {"CapacityDistributionStrategy": "balanced-only"}
    for group in assembly.groups(quorum=True):
        assert assembly.auto_scaling_group(group.name)["AvailabilityZoneDistribution"] == only
    for group in assembly.groups(quorum=False):
        assert "AvailabilityZoneDistribution" not in assembly.auto_scaling_group(group.name)


def test_every_group_says_how_it_is_maintained(assembly: Assembly) -> None:
    for group in assembly.cluster.groups:
        assert "InstanceMaintenancePolicy" in assembly.auto_scaling_group(group.name)


def test_a_deployment_replaces_no_node_by_itself(assembly: Assembly) -> None:
    for resource in assembly.templates[f"{assembly.cluster.name}-cluster"]["Resources"].values():
        assert "UpdatePolicy" not in resource


def test_a_deployment_leaves_the_size_between_min_and_max_alone(variant: Assembly) -> None:
    asg = variant.auto_scaling_group(SPARE)
    assert (asg["MinSize"], asg["MaxSize"]) == ("0", "9")
    assert "DesiredCapacity" not in asg


def test_spot_groups_run_on_spot_alone(variant: Assembly) -> None:
    asg = variant.auto_scaling_group(SPARE)
    assert "LaunchTemplate" not in asg
    distribution = asg["MixedInstancesPolicy"]["InstancesDistribution"]
    assert distribution["OnDemandBaseCapacity"] == 0
    assert distribution["OnDemandPercentageAboveBaseCapacity"] == 0
    assert asg["CapacityRebalance"] is True


def test_spot_groups_take_any_of_several_types(variant: Assembly) -> None:
    policy = variant.auto_scaling_group(SPARE)["MixedInstancesPolicy"]
    overrides = policy["LaunchTemplate"]["Overrides"]
    assert overrides == [{"InstanceType": each} for each in ("m7i.large", "m6i.large", "m6a.large")]
    assert policy["InstancesDistribution"]["SpotAllocationStrategy"] == "price-capacity-optimized"
    assert variant.launch_template_data(SPARE)["InstanceType"] == "m7i.large"


def test_a_group_names_a_numbered_version_of_its_launch_template(assembly: Assembly) -> None:
    for group in assembly.cluster.groups:
        asg = assembly.auto_scaling_group(group.name)
        policy = asg.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
        specification = asg.get("LaunchTemplate") or policy["LaunchTemplateSpecification"]
        assert specification["Version"]["Fn::GetAtt"][1] == "LatestVersionNumber"


def test_a_node_is_in_the_security_groups_of_its_roles(variant: Assembly) -> None:
    def groups_of(name: str) -> list[str]:
        (interface,) = variant.launch_template_data(name)["NetworkInterfaces"]
        imports = [it["Fn::ImportValue"].partition("SecurityGroups")[2] for it in interface["Groups"]]
        return [it.rpartition("GroupId")[0][:-8] for it in imports]

    assert groups_of("consul") == ["Nodes", "ConsulServers"]
    assert groups_of("managers") == ["Nodes", "Managers"]
    assert groups_of("workers") == ["Nodes"]


def test_only_quorum_nodes_may_remember_the_identity_of_this_cluster(assembly: Assembly) -> None:
    (parameter,) = assembly.of_type("AWS::SSM::Parameter").values()
    assert parameter["Name"] == f"/swarmer/{assembly.cluster.name}/identity"
    assert parameter["Value"] == "unfounded"
    for group in assembly.cluster.groups:
        found = {it["Sid"]: it for it in assembly.statements_of(group.name)}
        assert ("RecordClusterId" in found) is bool(group.has_quorum_role)
        if group.has_quorum_role:
            assert found["RecordClusterId"]["Action"] == ["ssm:GetParameter", "ssm:PutParameter"]
            assert "Identity" in str(found["RecordClusterId"]["Resource"])


def test_a_node_may_find_its_peers_and_fetch_its_software(assembly: Assembly) -> None:
    for group in assembly.cluster.groups:
        found = {it["Sid"]: it for it in assembly.statements_of(group.name)}
        assert found["FindPeers"]["Action"] == "ec2:DescribeInstances"
        assert {action.partition(":")[0] for action in found["UseSessionManager"]["Action"]} == {
            "ssm",
            "ssmmessages",
        }
        assert found["FetchNodeSoftware"]["Action"] == "s3:GetObject"
        resource = joined(found["FetchNodeSoftware"]["Resource"])
        assert resource.endswith(f"/swarmer/{assembly.cluster.name}/*.zip")


def test_a_node_may_write_the_output_of_commands_and_no_other_log(assembly: Assembly) -> None:
    for group in assembly.cluster.groups:
        found = {it["Sid"]: it for it in assembly.statements_of(group.name)}["WriteCommandOutput"]
        assert found["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
        assert joined(found["Resource"]).endswith(f":log-group:/swarmer/{assembly.cluster.name}/exec:*")
        every = [
            it["Sid"] for it in assembly.statements_of(group.name) if "logs:" in json.dumps(it["Action"])
        ]
        assert every == ["WriteCommandOutput"]


def test_a_node_of_any_launch_template_version_may_fetch_its_software(assembly: Assembly) -> None:
    """A rollback starts nodes of an earlier version, and no deployment grants what that version needs."""
    for group in assembly.cluster.groups:
        found = {it["Sid"]: it for it in assembly.statements_of(group.name)}
        granted = joined(found["FetchNodeSoftware"]["Resource"]).partition(":::")[2]
        text = assembly.user_data(group.name)
        fetched = re.findall(r'aws s3 cp .*"s3://(\S+)"', text)
        assert len(fetched) == 2, text
        assert all(fnmatchcase(key, granted) for key in fetched)
        earlier = [re.sub(r"[0-9a-f]{64}", "0" * 64, key) for key in fetched]
        assert earlier != fetched
        assert all(fnmatchcase(key, granted) for key in earlier)


def test_user_data_is_cloud_config_that_describes_the_node(assembly: Assembly) -> None:
    for group in assembly.cluster.groups:
        text = assembly.user_data(group.name)
        assert text.startswith("#cloud-config\n")
        (written,) = (
            it for it in yaml.safe_load(text)["write_files"] if it["path"] == names.NODE_DESCRIPTION
        )
        node = NodeDescription.from_json(written["content"])
        assert (node.cluster, node.domain) == (assembly.cluster.name, assembly.cluster.domain)
        assert (node.group, node.roles) == (group.name, tuple(sorted(group.roles)))
        assert node.consul_servers == 3
        assert node.network_cidr == assembly.cluster.network.cidr


def test_user_data_fits(assembly: Assembly) -> None:
    for group in assembly.cluster.groups:
        assert len(assembly.user_data(group.name).encode()) <= user_data.LIMIT_BYTES


def test_user_data_fits_with_the_longest_names() -> None:
    node = NodeDescription(
        cluster="c" * LONGEST_CLUSTER_NAME,
        domain="d" * 253,
        group="g" * LONGEST_GROUP_NAME,
        roles=tuple(sorted(Role)),
        consul_servers=7,
        network_cidr="100.100.100.100/16",
        storage=Storage(bucket="b" * 63, region="r" * 20, endpoint="https://" + "e" * 40),
    )
    software = Software(
        bucket="b" * 63,
        key="k" * 99,
        packages="p" * 99,
        region="r" * 20,
        url_suffix="s" * 16,
        digest="d" * 64,
    )
    assert len(user_data.render(node, software).encode()) <= user_data.LIMIT_BYTES


def test_user_data_holds_no_secret(assembly: Assembly) -> None:
    for group in assembly.cluster.groups:
        text = json.dumps(assembly.launch_template_data(group.name)["UserData"]).lower()
        assert not [word for word in ("token", "password", "secretsmanager", "aws_secret") if word in text]


def test_auto_scaling_keeps_a_voter_whose_termination_nobody_answers_and_lets_workers_go(
    assembly: Assembly,
) -> None:
    for group in assembly.cluster.groups:
        found = assembly.auto_scaling_group(group.name)
        retain = {"RetentionTriggers": {"TerminateHookAbandon": "retain"}}
        assert found.get("InstanceLifecyclePolicy") == (retain if group.has_quorum_role else None)
        # Without a list every metric is collected, GroupTerminatingRetainedInstances too.
        assert found["MetricsCollection"] == [{"Granularity": "1Minute"}]


def test_hooks_stand_in_the_group_itself_so_that_the_first_instances_wait_too(assembly: Assembly) -> None:
    for group in assembly.cluster.groups:
        launch, terminate = assembly.auto_scaling_group(group.name)["LifecycleHookSpecificationList"]
        assert launch["LifecycleHookName"] == names.HOOK_LAUNCH
        assert launch["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_LAUNCHING"
        assert launch["DefaultResult"] == "ABANDON"
        # The function gives a node up, and says why; the hook's own end is for when there is no function.
        assert launch["HeartbeatTimeout"] == assembly.cluster.healing.boot_deadline + pacing.LAUNCH_MARGIN_S
        assert terminate["LifecycleHookName"] == names.HOOK_TERMINATE
        assert terminate["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
        assert terminate["DefaultResult"] == ("ABANDON" if group.has_quorum_role else "CONTINUE")
        assert terminate["HeartbeatTimeout"] == 300
    # PutLifecycleHook takes no more.
    assert LONGEST_BOOT_S + pacing.LAUNCH_MARGIN_S <= 7200
