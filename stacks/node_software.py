"""Node software and its Python packages as assets that nodes of a stock image fetch at their first boot."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from swarmer.adapters import files, pip
from swarmer.core import software
from swarmer.core.user_data import Software

ASSET_BUCKET: Final = "arn:<AWS::Partition>:s3:::cdk-{}-assets-<AWS::AccountId>-<AWS::Region>"
"""ARN of the bucket that `cdk bootstrap` makes, in the format of cdk-nag, with a gap for its qualifier."""
QUALIFIER_KEY: Final = "@aws-cdk/core:bootstrapQualifier"
"""Key of the context for another bootstrap qualifier than the default."""
WHY_ALL_ARCHIVES: Final = (
    "The prefix holds this cluster's node software alone. A node of an older launch template version, for "
    "example after a rollback, fetches an older archive."
)


class NodeSoftware(Construct):
    """Assets of the node software.

    Results: `location`, for the user-data; `read`, the permission to fetch this archive and earlier ones.
    """

    def __init__(self, scope: Construct, construct_id: str, *, prefix: str) -> None:
        """`prefix`: the beginning of the assets' keys, from the stack's synthesizer."""
        super().__init__(scope, construct_id)
        digest = software.digest()
        with TemporaryDirectory() as staged:
            _copy(Path(staged))
            # The asset copies the folder into cdk.out immediately.
            self.archive = _asset(self, "Archive", Path(staged), digest)
        wheels = pip.node_wheels_digest()
        packages = _asset(self, "Packages", ensure_packages(wheels), wheels)
        self.location = Software(
            bucket=self.archive.s3_bucket_name,
            key=self.archive.s3_object_key,
            packages=packages.s3_object_key,
            region=cdk.Stack.of(self).region,
            url_suffix=cdk.Stack.of(self).url_suffix,
            digest=digest,
        )
        resource = self.archive.bucket.arn_for_objects(f"{prefix}*.zip")
        self.read = iam.PolicyStatement(
            sid="FetchNodeSoftware", actions=["s3:GetObject"], resources=[resource]
        )
        qualifier = self.node.try_get_context(QUALIFIER_KEY) or cdk.DefaultStackSynthesizer.DEFAULT_QUALIFIER
        bucket = ASSET_BUCKET.format(qualifier)
        self.reason = cdk.Acknowledgment(
            id=f"AwsSolutions-IAM5[Resource::{bucket}/{prefix}*.zip]", reason=WHY_ALL_ARCHIVES
        )


def ensure_packages(digest: str) -> Path:
    """Return the archive of the node's wheels, made once for each list. Raises process.Failed."""
    archive = software.CACHE / f"packages-{digest[:12]}.zip"
    wheels = pip.ensure_node_wheels()
    with files.alone(software.CACHE / "packages.lock"):
        if not archive.exists():
            made = shutil.make_archive(str(archive.with_suffix(".new")), "zip", wheels)
            Path(made).rename(archive)
    return archive


def _asset(scope: Construct, construct_id: str, path: Path, digest: str) -> assets.Asset:
    return assets.Asset(
        scope, construct_id, path=str(path), asset_hash=digest, asset_hash_type=cdk.AssetHashType.CUSTOM
    )


def _copy(target: Path) -> None:
    """Copy exactly the files of the node software, with their modes."""
    for path in software.files():
        copy = target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(software.ROOT / path, copy)
