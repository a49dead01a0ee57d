"""Permissions of a node in AWS: only those that it uses."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from swarmer.core import names

WHY_ANY_RESOURCE: Final = (
    "Neither ec2:DescribeInstances (nodes find their peers by it) nor Session Manager's channels, the only "
    "way into a node, know resource-level permissions."
)
WHY_ALL_BLOBS: Final = (
    "The bucket is the registry's alone, and it names its objects after digests yet to come."
)
WHY_ANY_STREAM: Final = (
    "The log group is for the output of operators' commands alone, and each command has a stream of its own "
    "whose name is yet to come."
)


def node_role(
    scope: Construct,
    construct_id: str,
    *,
    statements: list[iam.PolicyStatement],
    reasons: list[cdk.Acknowledgment],
    storage: s3.IBucket | None,
) -> iam.Role:
    """Create the role of one group's nodes. `reasons` are those of the wildcards in `statements`.

    `storage` is the registry's bucket if these nodes may serve it.
    """
    reasons = [cdk.Acknowledgment(id="AwsSolutions-IAM5[Resource::*]", reason=WHY_ANY_RESOURCE), *reasons]
    policies = {"Node": iam.PolicyDocument(statements=[find_peers(), use_session_manager(), *statements])}
    if storage:
        policies["Registry"] = iam.PolicyDocument(statements=serve_registry(storage))
        reasons.append(_blobs_reason(scope, storage))
    role = iam.Role(
        scope,
        construct_id,
        assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
        # The policies are inline, because a node must not start before its permissions exist: its first call
        # needs them.
        inline_policies=policies,
    )
    cdk.Validations.of(role).acknowledge(*reasons)
    return role


def find_peers() -> iam.PolicyStatement:
    """Allow finding peers. DescribeInstances lacks resource-level permissions, so the resource is `*`
    (Service Authorization Reference, EC2)."""
    return iam.PolicyStatement(sid="FindPeers", actions=["ec2:DescribeInstances"], resources=["*"])


def use_session_manager() -> iam.PolicyStatement:
    """Allow the actions that Systems Manager's agent needs for sessions and for Run Command.

    Source: Systems Manager User Guide, 'Create a custom IAM role for Session Manager'. Commands come over the
    same channels (same guide, 'Reference: ec2messages, ssmmessages, and other API operations'). The managed
    policy AmazonSSMManagedInstanceCore would also let every node read every parameter of the account.
    """
    return iam.PolicyStatement(
        sid="UseSessionManager",
        actions=[
            "ssm:UpdateInstanceInformation",
            "ssmmessages:CreateControlChannel",
            "ssmmessages:CreateDataChannel",
            "ssmmessages:OpenControlChannel",
            "ssmmessages:OpenDataChannel",
        ],
        resources=["*"],
    )


def record_cluster_id(parameter: ssm.IStringParameter) -> iam.PolicyStatement:
    """Allow reading (at each boot) and writing (once) the cluster ID of this cluster only."""
    return iam.PolicyStatement(
        sid="RecordClusterId",
        actions=["ssm:GetParameter", "ssm:PutParameter"],
        resources=[parameter.parameter_arn],
    )


class CommandOutput:
    """Permission to write the output of operators' commands, and the reason for its wildcard."""

    def __init__(self, scope: Construct, cluster: str) -> None:
        name = f"{names.exec_log_group(cluster)}:*"
        streams = cdk.Stack.of(scope).format_arn(
            service="logs",
            resource="log-group",
            resource_name=name,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        self.write = iam.PolicyStatement(
            sid="WriteCommandOutput",
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[streams],
        )
        written = f"arn:<AWS::Partition>:logs:<AWS::Region>:<AWS::AccountId>:log-group:{name}"
        self.reason = cdk.Acknowledgment(id=f"AwsSolutions-IAM5[Resource::{written}]", reason=WHY_ANY_STREAM)


def serve_registry(bucket: s3.IBucket) -> list[iam.PolicyStatement]:
    """Allow the actions that Distribution documents for its S3 driver: storage-drivers/s3, 'S3 permission
    scopes'."""
    return [
        iam.PolicyStatement(
            sid="RegistryBucket",
            actions=["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
            resources=[bucket.bucket_arn],
        ),
        iam.PolicyStatement(
            sid="RegistryBlobs",
            actions=[
                "s3:AbortMultipartUpload",
                "s3:DeleteObject",
                "s3:GetObject",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
                # The driver always names an ACL. By its configuration it names the one that is accepted.
                "s3:PutObjectAcl",
            ],
            resources=[bucket.arn_for_objects("*")],
        ),
    ]


def _blobs_reason(scope: Construct, bucket: s3.IBucket) -> cdk.Acknowledgment:
    """Return the reason for the blobs' wildcard. cdk-nag names the finding after the export of the bucket's
    ARN."""
    exported = cdk.Stack.of(bucket).export_value(bucket.bucket_arn)
    name = cdk.Stack.of(scope).resolve(exported)["Fn::ImportValue"]
    return cdk.Acknowledgment(id=f"AwsSolutions-IAM5[Resource::{name}/*]", reason=WHY_ALL_BLOBS)
