"""One group of nodes: Auto Scaling group, launch template, role and instance profile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.network import NetworkStack
from stacks.node_role import node_role
from stacks.node_software import NodeSoftware
from swarmer.core import names, user_data
from swarmer.core.cluster import QUORUM_ROLES, Cluster, Group, Role
from swarmer.core.node import NodeDescription, Storage

ROOT_DEVICE: Final = "/dev/sda1"
"""Of Ubuntu's images."""
GRACE_PERIOD_S: Final = 300
IMAGE: Final = "/aws/service/canonical/ubuntu/server/24.04/stable/current/{}/hvm/ebs-gp3/ami-id"
"""Canonical's public parameter, documented in 'Find Ubuntu images on AWS'."""

NO_TOPIC: Final = cdk.Acknowledgment(
    id="AwsSolutions-AS3",
    reason="EC2 Auto Scaling sends every launch and termination, failed ones too, to EventBridge by itself; "
    "an SNS topic that nobody subscribed to would tell nobody more.",
)


class NodeGroup(Construct):
    """Results: `role`, `launch_template`, `auto_scaling_group`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cluster: Cluster,
        group: Group,
        network: NetworkStack,
        bucket: s3.IBucket,
        software: NodeSoftware,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = node_role(
            self,
            "Role",
            statements=[software.read],
            storage=bucket if Role.SWARM_MANAGER in group.roles else None,
        )
        node = describe(cluster, group, storage=Storage(bucket=bucket.bucket_name, region=software.location.region))
        self.launch_template = self._launch_template(group, network, user_data.render(node, software.location))
        for security_group in _role_security_groups(group, network):
            self.launch_template.add_security_group(security_group)
        self.auto_scaling_group = self._auto_scaling_group(cluster, group, network)

    def _launch_template(self, group: Group, network: NetworkStack, text: str) -> ec2.LaunchTemplate:
        instance_type = ec2.InstanceType(group.instance_type)
        return ec2.LaunchTemplate(
            self,
            "LaunchTemplate",
            instance_type=instance_type,
            # CloudFormation reads the parameter at every deployment: new nodes are up to date.
            machine_image=ec2.MachineImage.from_ssm_parameter(image_parameter(instance_type)),
            user_data=ec2.UserData.custom(text),
            role=self.role,
            security_group=network.security_groups.nodes,
            associate_public_ip_address=False,
            require_imdsv2=True,
            # A container on a bridge is one hop further away: it cannot take the node's role.
            http_put_response_hop_limit=1,
            block_devices=[ec2.BlockDevice(device_name=ROOT_DEVICE, volume=_root_volume(group.disk))],
        )

    def _auto_scaling_group(
        self, cluster: Cluster, group: Group, network: NetworkStack
    ) -> autoscaling.CfnAutoScalingGroup:
        """L1, because hooks will have to stand in the group itself (LifecycleHookSpecificationList).

        No UpdatePolicy on purpose: a new launch template is used by the next launch and replaces
        nobody. In a quorum group each replacement must vote before the next one goes, which
        CloudFormation cannot know.
        """
        name = names.group_asg_name(cluster.name, group.name)
        auto_scaling_group = autoscaling.CfnAutoScalingGroup(
            self,
            "AutoScalingGroup",
            auto_scaling_group_name=name,
            vpc_zone_identifier=network.node_subnets.subnet_ids,
            health_check_type="EC2",
            health_check_grace_period=GRACE_PERIOD_S,
            instance_maintenance_policy=_maintenance(group),
            metrics_collection=[{"granularity": "1Minute"}],
            **_sizes(group),
            **_launches(self.launch_template, spot=group.spot),
        )
        _tag(auto_scaling_group, {"Name": name} | _identity(cluster, group))
        cdk.Validations.of(auto_scaling_group).acknowledge(NO_TOPIC)
        return auto_scaling_group


def describe(cluster: Cluster, group: Group, *, storage: Storage) -> NodeDescription:
    """What every node of the group is told."""
    return NodeDescription(
        cluster=cluster.name,
        domain=cluster.domain,
        group=group.name,
        roles=tuple(sorted(group.roles)),
        consul_servers=cluster.consul_servers,
        network_cidr=cluster.network.cidr,
        storage=storage,
    )


def image_parameter(instance_type: ec2.InstanceType) -> str:
    """Name of the public SSM parameter with the image for this type's processor."""
    is_arm = instance_type.architecture is ec2.InstanceArchitecture.ARM_64
    return IMAGE.format("arm64" if is_arm else "amd64")


def _role_security_groups(group: Group, network: NetworkStack) -> Iterator[ec2.SecurityGroup]:
    if Role.SWARM_MANAGER in group.roles:
        yield network.security_groups.managers
    if Role.CONSUL_SERVER in group.roles:
        yield network.security_groups.consul_servers


def _root_volume(gib: int) -> ec2.BlockDeviceVolume:
    return ec2.BlockDeviceVolume.ebs(
        gib, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3, delete_on_termination=True
    )


def _sizes(group: Group) -> dict[str, str]:
    sizes = {"min_size": str(group.smallest), "max_size": str(group.largest)}
    # Between min and max every deployment would set back what scaling has done.
    return sizes if group.desired is None else sizes | {"desired_capacity": str(group.desired)}


def _launches(launch_template: ec2.LaunchTemplate, *, spot: bool) -> dict[str, Any]:
    # A number, not $Latest: an instance refresh can only be rolled back to a numbered version.
    specification = {
        "launchTemplateId": launch_template.launch_template_id,
        "version": launch_template.latest_version_number,
    }
    if not spot:
        return {"launch_template": specification}
    return {
        "mixed_instances_policy": {
            "launchTemplate": {"launchTemplateSpecification": specification},
            "instancesDistribution": {
                "onDemandBaseCapacity": 0,
                "onDemandPercentageAboveBaseCapacity": 0,
                "spotAllocationStrategy": "price-capacity-optimized",
            },
        },
        # Replaces a node on the notice that it is about to be interrupted, not after.
        "capacity_rebalance": True,
    }


def _maintenance(group: Group) -> dict[str, int]:
    """Launch before terminate, said explicitly: accounts differ in their default.

    A quorum group may grow by one member, never by two (`100 + 100 // size`), and never shrinks: a
    voter goes only when its successor is there. Others get what the console calls 'launch before
    terminating'.
    """
    surplus = 100 // group.largest if group.roles & QUORUM_ROLES.keys() else 10
    return {"minHealthyPercentage": 100, "maxHealthyPercentage": 100 + surplus}


def _identity(cluster: Cluster, group: Group) -> dict[str, str]:
    return {
        names.TAG_CLUSTER: cluster.name,
        names.TAG_GROUP: group.name,
        names.TAG_ROLES: " ".join(sorted(group.roles)),
    }


def _tag(auto_scaling_group: autoscaling.CfnAutoScalingGroup, tags: dict[str, str]) -> None:
    for key, value in tags.items():
        cdk.Tags.of(auto_scaling_group).add(key, value, apply_to_launched_instances=True)
