"""Tags and the permissions boundary that an account demands, on every resource and role of every stack."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from swarmer.core import names
from swarmer.core.cluster import Cluster

INTERFACE: Final = "LaunchTemplateData.TagSpecifications.2"
"""Property for the tags of network interfaces. The CDK writes the two properties before it: the tags of
instances and of volumes."""


def demanded_tags(cluster: Cluster) -> dict[str, str]:
    """Tags of every resource: the demanded ones, and the cluster's own."""
    return {**dict(cluster.tags), names.TAG_CLUSTER: cluster.name}


def add_tags(scope: Construct, tags: Mapping[str, str]) -> None:
    """Put the tags on every resource of the scope that can be tagged, and on the stacks themselves."""
    for key, value in tags.items():
        cdk.Tags.of(scope).add(key, value)


def tag_network_interfaces(launch_template: ec2.LaunchTemplate, tags: Mapping[str, str]) -> None:
    """Tag the network interfaces of launched instances; neither the CDK nor Auto Scaling does it."""
    resource = typing.cast(ec2.CfnLaunchTemplate, launch_template.node.default_child)
    listed = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
    resource.add_property_override(INTERFACE, {"ResourceType": "network-interface", "Tags": listed})


def set_permissions_boundary(stacks: Iterable[cdk.Stack], policy: str) -> None:
    """Give every role of the stacks the boundary, also roles that the CDK makes by itself.

    `policy`: name of a policy of the account, or an ARN.
    """
    for stack in stacks:
        arn = policy if policy.startswith("arn:") else _arn(stack, policy)
        boundary = iam.ManagedPolicy.from_managed_policy_arn(stack, "PermissionsBoundary", arn)
        iam.PermissionsBoundary.of(stack).apply(boundary)


def _arn(stack: cdk.Stack, name: str) -> str:
    return stack.format_arn(service="iam", region="", resource="policy", resource_name=name)
