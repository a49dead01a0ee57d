"""Group of nodes: Auto Scaling group, launch template, role and instance profile."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from stacks import account_demands
from stacks.auto_scaling import auto_scaling_group
from stacks.network import NetworkStack
from stacks.node_role import CommandOutput, node_role, record_cluster_id
from stacks.node_software import NodeSoftware
from swarmer.core import machines, names, user_data
from swarmer.core.cluster import Cluster, Group, Role
from swarmer.core.instance_types import image_parameter
from swarmer.core.node import Storage

ROOT_DEVICE: Final = "/dev/xvda"
"""Root device of Debian's images (debian-cloud-images, upload_ec2.py).

Under another name EC2 would add a second volume beside the image's small root volume. The latter is not
encrypted.
"""


class NodeGroup(Construct):
    """Group of nodes. Results: `role`, `launch_template`, `auto_scaling_group`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cluster: Cluster,
        group: Group,
        network: NetworkStack,
        bucket: s3.IBucket,
        cluster_id: ssm.IStringParameter,
        software: NodeSoftware,
    ) -> None:
        super().__init__(scope, construct_id)
        output = CommandOutput(self, cluster.name)
        statements = [software.read, output.write]
        if group.has_quorum_role:
            statements.append(record_cluster_id(cluster_id))
        self.role = node_role(
            self,
            "Role",
            statements=statements,
            reasons=[software.reason, output.reason],
            storage=bucket if Role.SWARM_MANAGER in group.roles else None,
        )
        region, suffix = software.location.region, software.location.url_suffix
        storage = Storage(bucket=bucket.bucket_name, region=region, endpoint=f"https://s3.{region}.{suffix}")
        described = machines.describe(
            cluster, group, storage=storage, identity=names.identity_parameter(cluster.name)
        )
        text = user_data.render(described, software.location)
        self.launch_template = self._launch_template(cluster, group, network, text)
        for security_group in _role_security_groups(group, network):
            self.launch_template.add_security_group(security_group)
        self.auto_scaling_group = auto_scaling_group(
            self,
            "AutoScalingGroup",
            cluster=cluster,
            group=group,
            subnet_ids=network.node_subnets.subnet_ids,
            launch_template=self.launch_template,
        )
        group_tags = _group_tags(cluster, group)
        for tagged in (self.launch_template, self.auto_scaling_group):
            _tag(tagged, group_tags)
        account_demands.tag_network_interfaces(
            self.launch_template, account_demands.demanded_tags(cluster) | group_tags
        )

    def _launch_template(
        self, cluster: Cluster, group: Group, network: NetworkStack, text: str
    ) -> ec2.LaunchTemplate:
        base = cluster.image.of(group.processor)
        made = ec2.LaunchTemplate(
            self,
            "LaunchTemplate",
            instance_type=ec2.InstanceType(group.types[0]),
            # CloudFormation reads the parameter at every deployment, so new nodes are up to date.
            machine_image=None
            if base
            else ec2.MachineImage.from_ssm_parameter(image_parameter(group.processor)),
            user_data=ec2.UserData.custom(text),
            role=self.role,
            security_group=network.security_groups.nodes,
            associate_public_ip_address=False,
            require_imdsv2=True,
            # An instance whose first boot failed terminates itself, so that the next attempt starts at once.
            instance_initiated_shutdown_behavior=ec2.InstanceInitiatedShutdownBehavior.TERMINATE,
            # A container on a bridge is one hop further away, so it cannot use the node's role. A container
            # with `--network host` can.
            http_put_response_hop_limit=1,
            block_devices=[ec2.BlockDevice(device_name=ROOT_DEVICE, volume=_root_volume(group.disk))],
        )
        if base:
            # The CDK takes an AMI's ID only together with a known region.
            resource = typing.cast(ec2.CfnLaunchTemplate, made.node.default_child)
            resource.add_property_override("LaunchTemplateData.ImageId", base)
        return made


def _role_security_groups(group: Group, network: NetworkStack) -> Iterator[ec2.SecurityGroup]:
    if Role.SWARM_MANAGER in group.roles:
        yield network.security_groups.managers
    if Role.CONSUL_SERVER in group.roles:
        yield network.security_groups.consul_servers


def _root_volume(gib: int) -> ec2.BlockDeviceVolume:
    return ec2.BlockDeviceVolume.ebs(
        gib, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3, delete_on_termination=True
    )


def _group_tags(cluster: Cluster, group: Group) -> dict[str, str]:
    return {
        "Name": names.group_asg_name(cluster.name, group.name),
        names.TAG_CLUSTER: cluster.name,
        names.TAG_GROUP: group.name,
        names.TAG_ROLES: " ".join(sorted(group.roles)),
    }


def _tag(construct: Construct, tags: dict[str, str]) -> None:
    """Add tags to both constructs: tags of the launch template reach the volumes of an instance, too."""
    for key, value in tags.items():
        cdk.Tags.of(construct).add(key, value, apply_to_launched_instances=True)
