"""Stack of the container registry's storage. It outlives every node and the cluster."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.guard import guard
from swarmer.core import names
from swarmer.core.cluster import Cluster
from swarmer.core.fixed import Stack

UPLOAD_DAYS: Final = 7
"""Age at which an unfinished upload is deleted, in days. A push takes less than a week, and leftovers cost
money."""
NONCURRENT_DAYS: Final = 14
"""Retention of old versions of objects, in days: enough to notice that an image was deleted or overwritten by
mistake. The registry moves every blob once after its upload, so each push leaves a second copy, and a longer
retention would cost more."""

WHY_NO_ACCESS_LOG: Final = (
    "Only the managers' roles reach this bucket, and the registry logs every push and pull; access logs "
    "would take a second bucket that grows without bound for no further fact."
)


class RegistryStack(cdk.Stack):
    """Stack of the registry's storage. Result: `bucket`."""

    def __init__(self, scope: Construct, construct_id: str, *, cluster: Cluster, description: str) -> None:
        super().__init__(scope, construct_id, description=description)
        self.bucket = _bucket(self, name=cluster.registry.bucket)
        cdk.Validations.of(self.bucket).acknowledge(
            cdk.Acknowledgment(id="AwsSolutions-S1", reason=WHY_NO_ACCESS_LOG)
        )
        guard(self, cluster, Stack.REGISTRY)
        cdk.CfnOutput(
            self,
            names.OUTPUT_BUCKET,
            value=self.bucket.bucket_name,
            description="Holds every image of the registry. It stays when this stack is deleted; under "
            "registry.bucket in servers.yml the next cluster takes it in",
        )


def _bucket(scope: Construct, *, name: str | None) -> s3.Bucket:
    return s3.Bucket(
        scope,
        "Bucket",
        bucket_name=name,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        versioned=True,
        removal_policy=cdk.RemovalPolicy.RETAIN,
        lifecycle_rules=[
            s3.LifecycleRule(
                id="Leftovers",
                abort_incomplete_multipart_upload_after=cdk.Duration.days(UPLOAD_DAYS),
                noncurrent_version_expiration=cdk.Duration.days(NONCURRENT_DAYS),
                expired_object_delete_marker=True,
            )
        ],
    )
