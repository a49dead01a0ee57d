"""Stack: where the container registry keeps its images. It outlives every node and the cluster."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from swarmer.core.cluster import Cluster

UPLOAD_DAYS: Final = 7
"""No push takes a week: what is older was broken off and is only paid for."""
NONCURRENT_DAYS: Final = 14
"""Long enough to notice that an image was deleted or overwritten by mistake. Not longer: the
registry moves every blob once after its upload, so each push leaves a second copy behind."""

NO_ACCESS_LOG: Final = (
    "Only the managers' roles reach this bucket, and the registry logs every push and pull; access logs "
    "would take a second bucket that grows without bound for no further fact."
)


class RegistryStack(cdk.Stack):
    """Result: `bucket`."""

    def __init__(self, scope: Construct, construct_id: str, *, cluster: Cluster, description: str) -> None:
        super().__init__(scope, construct_id, description=description)
        self.bucket = _bucket(self, name=cluster.registry.bucket)
        cdk.Validations.of(self.bucket).acknowledge(
            cdk.Acknowledgment(id="AwsSolutions-S1", reason=NO_ACCESS_LOG)
        )
        cdk.CfnOutput(
            self,
            "BucketName",
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
