"""What a node may do in AWS, and no more."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

SESSION_MANAGER: Final = "AmazonSSMManagedInstanceCore"
SESSION_MANAGER_ARN: Final = f"arn:<AWS::Partition>:iam::aws:policy/{SESSION_MANAGER}"
"""As cdk-nag writes it."""
WHY_MANAGED: Final = (
    "AWS keeps this policy for Session Manager, the only way into a node: there is no SSH port."
)
WHY_ALL_INSTANCES: Final = (
    "Nodes find their peers by ec2:DescribeInstances, which has no resource-level permissions."
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
    reasons = [
        cdk.Acknowledgment(id=f"AwsSolutions-IAM4[Policy::{SESSION_MANAGER_ARN}]", reason=WHY_MANAGED),
        cdk.Acknowledgment(id="AwsSolutions-IAM5[Resource::*]", reason=WHY_ALL_INSTANCES),
    ]
    policies = {"Node": iam.PolicyDocument(statements=[find_peers(), *statements])}
    if storage:
        policies["Registry"] = iam.PolicyDocument(statements=serve_registry(storage))
        reasons.append(_blobs_reason(scope, storage))
    role = iam.Role(
        scope,
        construct_id,
        assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
        managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(SESSION_MANAGER)],
        # Inline: a node must not start before its rights are there, and has them from its first call.
        inline_policies=policies,
    )
    cdk.Validations.of(role).acknowledge(*reasons)
    return role


def find_peers() -> iam.PolicyStatement:
    """DescribeInstances knows no resources, so `*` it is (Service Authorization Reference, EC2)."""
    return iam.PolicyStatement(sid="FindPeers", actions=["ec2:DescribeInstances"], resources=["*"])


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
            ],
            resources=[bucket.arn_for_objects("*")],
        ),
    ]


def _blobs_reason(scope: Construct, bucket: s3.IBucket) -> cdk.Acknowledgment:
    """cdk-nag names the finding after the export by which the bucket's stack hands over its ARN."""
    exported = cdk.Stack.of(bucket).export_value(bucket.bucket_arn)
    name = cdk.Stack.of(scope).resolve(exported)["Fn::ImportValue"]
    return cdk.Acknowledgment(id=f"AwsSolutions-IAM5[Resource::{name}/*]", reason=WHY_ALL_BLOBS)
