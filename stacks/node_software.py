"""Node software as an asset that nodes of a stock image fetch at their first boot."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from swarmer.core import software
from swarmer.core.user_data import Software


class NodeSoftware(Construct):
    """Asset of the node software.

    Results: `asset`; `location`, for the user-data; `read`, the permission to fetch exactly this asset.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        digest = software.digest()
        with TemporaryDirectory() as staged:
            _copy(Path(staged))
            # The asset copies the directory into cdk.out immediately.
            self.asset = assets.Asset(
                self, "Archive", path=staged, asset_hash=digest, asset_hash_type=cdk.AssetHashType.CUSTOM
            )
        self.location = Software(
            bucket=self.asset.s3_bucket_name,
            key=self.asset.s3_object_key,
            region=cdk.Stack.of(self).region,
            digest=digest,
        )
        self.read = iam.PolicyStatement(
            sid="FetchNodeSoftware",
            actions=["s3:GetObject"],
            resources=[self.asset.bucket.arn_for_objects(self.asset.s3_object_key)],
        )


def _copy(target: Path) -> None:
    """Copy exactly the files of the node software, with their modes."""
    for path in software.files():
        copy = target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(software.ROOT / path, copy)
