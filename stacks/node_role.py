"""What a node may do in AWS, and no more."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm
from constructs import Construct

WHY_ANY_RESOURCE: Final = (
    "Neither ec2:DescribeInstances (nodes find their peers by it) nor Session Manager's channels, the only "
    "way into a node, know resource-level permissions."
)
WHY_ALL_BLOBS: Final = (
    "The bucket is the registry's alone, and it names its objects after digests yet to come."
)


def node_role(
    scope: Construct,
    construct_id: str,
    *,
    statements: list[iam.PolicyStatement],
    storage: s3.IBucket | None,
) -> iam.Role:
    """The role of one group's nodes. `storage`: the bucket of the registry where these nodes may serve it."""
    reasons = [cdk.Acknowledgment(id="AwsSolutions-IAM5[Resource::*]", reason=WHY_ANY_RESOURCE)]
    policies = {"Node": iam.PolicyDocument(statements=[find_peers(), open_shells(), *statements])}
    if storage:
        policies["Registry"] = iam.PolicyDocument(statements=serve_registry(storage))
        reasons.append(_blobs_reason(scope, storage))
    role = iam.Role(
        scope,
        construct_id,
        assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
        # Inline: a node must not start before its rights are there, and has them from its first call.
        inline_policies=policies,
    )
    cdk.Validations.of(role).acknowledge(*reasons)
    return role


def find_peers() -> iam.PolicyStatement:
    """DescribeInstances knows no resources, so `*` it is (Service Authorization Reference, EC2)."""
    return iam.PolicyStatement(sid="FindPeers", actions=["ec2:DescribeInstances"], resources=["*"])


def open_shells() -> iam.PolicyStatement:
    """What Session Manager's agent needs: Systems Manager User Guide, 'Create a custom IAM role for Session
    Manager'. AmazonSSMManagedInstanceCore would let every node read every parameter of the account too.
    """
    return iam.PolicyStatement(
        sid="OpenShells",
        actions=[
            "ssm:UpdateInstanceInformation",
            "ssmmessages:CreateControlChannel",
            "ssmmessages:CreateDataChannel",
            "ssmmessages:OpenControlChannel",
            "ssmmessages:OpenDataChannel",
        ],
        resources=["*"],
    )


def remember_identity(parameter: ssm.IStringParameter) -> iam.PolicyStatement:
    """Whether the cluster was founded, read at each boot and written once; of this cluster only."""
    return iam.PolicyStatement(
        sid="RememberIdentity",
        actions=["ssm:GetParameter", "ssm:PutParameter"],
        resources=[parameter.parameter_arn],
    )


def serve_registry(bucket: s3.IBucket) -> list[iam.PolicyStatement]:
    """What Distribution documents for its S3 driver: storage-drivers/s3, 'S3 permission scopes'."""
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
                # The driver always names an ACL; the configuration has it name the one that is accepted.
                "s3:PutObjectAcl",
            ],
            resources=[bucket.arn_for_objects("*")],
        ),
    ]


def _blobs_reason(scope: Construct, bucket: s3.IBucket) -> cdk.Acknowledgment:
    """cdk-nag names the finding after the export by which the bucket's stack hands over its ARN."""
    exported = cdk.Stack.of(bucket).export_value(bucket.bucket_arn)
    name = cdk.Stack.of(scope).resolve(exported)["Fn::ImportValue"]
    return cdk.Acknowledgment(id=f"AwsSolutions-IAM5[Resource::{name}/*]", reason=WHY_ALL_BLOBS)
