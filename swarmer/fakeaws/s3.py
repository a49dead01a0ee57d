"""Buckets of templates: their properties beyond the name, and their policies."""

from __future__ import annotations

import json
from typing import Any, Final

from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import cloudformation_backends
from moto.core.common_models import CloudFormationModel
from moto.s3.exceptions import BucketAlreadyExists
from moto.s3.models import FakeBucket, FakeDeleteMarker, S3Backend, s3_backends
from moto.utilities.utils import get_partition

from swarmer.fakeaws.base.template_resource import (
    Create,
    Definition,
    UpdatableResource,
    Update,
    wrap_create,
    wrap_update,
)

LIFECYCLE_DAYS: Final = {"ExpirationInDays": "Days", "ExpiredObjectDeleteMarker": "ExpiredObjectDeleteMarker"}
"""Names of the S3 API for an expiration, by CloudFormation's name."""


def extend() -> None:
    _configure_buckets()
    _ignore_conditional_statements()
    _list_no_deleted_folders()


def unmanaged_bucket(account: str, name: Any) -> Any:
    """The bucket of that name if no stack of the account owns it, else None."""
    bucket = s3_backends[account]["aws"].buckets.get(name) if isinstance(name, str) else None
    stacks = (
        stack for backend in cloudformation_backends[account].values() for stack in backend.stacks.values()
    )
    if any(bucket is each for stack in stacks for each in stack.resource_map._parsed_resources.values()):
        return None
    return bucket


def _configure_buckets() -> None:
    wrap_create(FakeBucket, _create)
    wrap_update(FakeBucket, _update)


def _create(create: Create, definition: Definition) -> Any:
    """CloudFormation reports that a bucket already exists; bare moto repeats the error of S3."""
    try:
        bucket = create(definition)
    except BucketAlreadyExists as exc:
        raise ValidationError(message=f"{definition.name} already exists") from exc
    return _configured(bucket, definition)


def _update(update: Update, original: Any, definition: Definition) -> Any:
    # moto tags `properties["BucketName"]`: a KeyError for a bucket with a name from CloudFormation.
    named = definition.with_properties(**{"BucketName": original.name, **definition.properties})
    return _configured(update(original, named), named)


def _configured(bucket: Any, definition: Definition) -> Any:
    """CloudFormation sets versioning, public access block and lifecycle; bare moto drops the three."""
    backend = s3_backends[definition.account][get_partition(definition.region)]
    properties = definition.properties
    if "VersioningConfiguration" in properties:
        backend.put_bucket_versioning(bucket.name, properties["VersioningConfiguration"]["Status"])
    if "PublicAccessBlockConfiguration" in properties:
        block = properties["PublicAccessBlockConfiguration"]
        backend.put_public_access_block(bucket.name, {key: str(on).lower() for key, on in block.items()})
    rules = properties.get("LifecycleConfiguration", {}).get("Rules", [])
    if rules:
        backend.put_bucket_lifecycle_configuration(bucket.name, [_rule(rule) for rule in rules])
    return bucket


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    """A lifecycle rule of CloudFormation in the format of the S3 API."""
    spoken: dict[str, Any] = {"ID": rule.get("Id"), "Status": rule["Status"]}
    spoken["Filter"] = {"Prefix": rule.get("Prefix", "")}
    expiration = {api: rule[key] for key, api in LIFECYCLE_DAYS.items() if key in rule}
    if expiration:
        spoken["Expiration"] = expiration
    if "NoncurrentVersionExpiration" in rule:
        spoken["NoncurrentVersionExpiration"] = rule["NoncurrentVersionExpiration"]
    if "AbortIncompleteMultipartUpload" in rule:
        spoken["AbortIncompleteMultipartUpload"] = rule["AbortIncompleteMultipartUpload"]
    return spoken


def _ignore_conditional_statements() -> None:
    """AWS evaluates conditions; bare moto does not, so `Deny … unless SecureTransport` denies everything."""
    real = FakeBucket.get_permission

    def get_permission(self: Any, action: str, resource: str) -> Any:
        whole = self.policy
        if whole is None:
            return real(self, action, resource)
        policy = json.loads(whole)
        statements = policy.get("Statement", [])
        statements = statements if isinstance(statements, list) else [statements]
        policy["Statement"] = [statement for statement in statements if "Condition" not in statement]
        return real(_BucketWithPolicy(json.dumps(policy).encode()), action, resource)

    FakeBucket.get_permission = get_permission


def _list_no_deleted_folders() -> None:
    """S3 lists a common prefix if an object remains below it; bare moto also counts delete markers."""
    real = S3Backend.list_objects

    def list_objects(
        self: Any, bucket: Any, prefix: str | None, delimiter: str | None, *args: Any, **options: Any
    ) -> Any:
        keys, folders, *rest = real(self, bucket, prefix, delimiter, *args, **options)
        if folders:
            left = [name for name, key in bucket.keys.items() if not isinstance(key, FakeDeleteMarker)]
            begin = prefix or ""
            below = (name.removeprefix(begin) for name in left if name.startswith(begin))
            alive = {f"{begin}{name.partition(delimiter)[0]}{delimiter}" for name in below}
            folders = [folder for folder in folders if folder in alive]
        return keys, folders, *rest

    S3Backend.list_objects = list_objects


class _BucketWithPolicy:
    """Part of a bucket for moto's get_permission."""

    def __init__(self, policy: bytes) -> None:
        self.policy = policy


class BucketPolicy(UpdatableResource, CloudFormationModel):  # type: ignore[misc]
    """AWS::S3::BucketPolicy, stored in its bucket; bare moto has no model of the type."""

    TYPE = "AWS::S3::BucketPolicy"

    def __init__(self, definition: Definition) -> None:
        super().__init__(definition)
        self.bucket = definition.properties["Bucket"]
        self._backend = s3_backends[definition.account][get_partition(definition.region)]
        policy = json.dumps(definition.properties["PolicyDocument"]).encode()
        self._backend.put_bucket_policy(self.bucket, policy)

    @property
    def physical_resource_id(self) -> str:
        return str(self.bucket)

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete the policy of the bucket."""
        self._backend.delete_bucket_policy(self.bucket)
