"""What the buckets of a template say beyond their name, and their policies."""

from __future__ import annotations

import json
from typing import Any, Final

from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import cloudformation_backends
from moto.core.common_models import CloudFormationModel
from moto.s3.exceptions import BucketAlreadyExists
from moto.s3.models import FakeBucket, s3_backends
from moto.utilities.utils import get_partition

LIFECYCLE_DAYS: Final = {"ExpirationInDays": "Days", "ExpiredObjectDeleteMarker": "ExpiredObjectDeleteMarker"}


def extend() -> None:
    _configure_buckets()
    _heed_only_unconditional_statements()


def without_stack(account: str, name: Any) -> Any:
    """The bucket of that name, where there is one and no stack of the account has it; or None."""
    bucket = s3_backends[account]["aws"].buckets.get(name) if isinstance(name, str) else None
    stacks = (
        stack for backend in cloudformation_backends[account].values() for stack in backend.stacks.values()
    )
    if any(bucket is each for stack in stacks for each in stack.resource_map._parsed_resources.values()):
        return None
    return bucket


def _configure_buckets() -> None:
    """CloudFormation sets versioning, public access block and lifecycle; bare moto drops the three.

    And it says of a bucket that is there already what people look for; bare moto what S3 says.
    """
    create = FakeBucket.create_from_cloudformation_json.__func__
    update = FakeBucket.update_from_cloudformation_json.__func__

    def create_from_cloudformation_json(
        cls: Any, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **more: Any
    ) -> Any:
        try:
            bucket = create(cls, resource_name, cloudformation_json, account_id, region_name, **more)
        except BucketAlreadyExists as exc:
            raise ValidationError(message=f"{resource_name} already exists") from exc
        return _configured(bucket, cloudformation_json["Properties"], account_id, region_name)

    def update_from_cloudformation_json(
        cls: Any,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Any:
        properties = cloudformation_json["Properties"]
        # moto tags `properties["BucketName"]`, a KeyError for a bucket that CloudFormation named.
        properties.setdefault("BucketName", original_resource.name)
        bucket = update(
            cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name
        )
        return _configured(bucket, properties, account_id, region_name)

    FakeBucket.create_from_cloudformation_json = classmethod(create_from_cloudformation_json)  # type: ignore[arg-type]
    FakeBucket.update_from_cloudformation_json = classmethod(update_from_cloudformation_json)


def _configured(bucket: Any, properties: dict[str, Any], account: str, region: str) -> Any:
    backend = s3_backends[account][get_partition(region)]
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
    """A lifecycle rule as the S3 API words it, from CloudFormation's words."""
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


def _heed_only_unconditional_statements() -> None:
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
        return real(_Policed(json.dumps(policy).encode()), action, resource)

    FakeBucket.get_permission = get_permission


class _Policed:
    """As much of a bucket as moto's own get_permission looks at."""

    def __init__(self, policy: bytes) -> None:
        self.policy = policy


class BucketPolicy(CloudFormationModel):  # type: ignore[misc]
    """AWS::S3::BucketPolicy, of which bare moto has no model: kept with the bucket."""

    def __init__(self, bucket: str, policy: Any, account: str, region: str) -> None:
        self.bucket = bucket
        self._backend = s3_backends[account][get_partition(region)]
        self._backend.put_bucket_policy(bucket, json.dumps(policy).encode())

    @property
    def physical_resource_id(self) -> str:
        return self.bucket

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::S3::BucketPolicy"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> BucketPolicy:
        properties = cloudformation_json["Properties"]
        return cls(properties["Bucket"], properties["PolicyDocument"], account_id, region_name)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> BucketPolicy:
        return cls.create_from_cloudformation_json(
            new_resource_name, cloudformation_json, account_id, region_name
        )

    def delete(self, account_id: str, region_name: str) -> None:
        self._backend.delete_bucket_policy(self.bucket)
