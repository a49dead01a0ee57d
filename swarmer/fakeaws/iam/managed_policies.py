"""Managed policies in templates.

CloudFormation changes the document in place. It deletes the policy with its stack, unless a user, group or
role has the policy. Bare moto does neither.
"""

from __future__ import annotations

import json
from typing import Any, Final

from moto.iam import iam_backends
from moto.iam.exceptions import DeleteConflictException
from moto.iam.models import ManagedPolicy

from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.fakeaws.base.template_resource import Definition

MOST_VERSIONS: Final = 5
"""Maximum number of versions of a policy."""


def extend() -> None:
    ManagedPolicy.update_from_cloudformation_json = classmethod(_update)
    ManagedPolicy.delete = _delete


def _update(
    cls: Any,
    /,
    original_resource: Any,
    new_resource_name: str,
    cloudformation_json: Any,
    account_id: str,
    region_name: str,
) -> Any:
    """Make the document of the template the default version, and remove the oldest version if necessary."""
    definition = Definition(new_resource_name, cloudformation_json, account_id, region_name)
    document = json.dumps(definition.properties["PolicyDocument"])
    backend = _backend(original_resource)
    versions = original_resource.versions
    if len(versions) >= MOST_VERSIONS:
        oldest = next(each for each in versions if not each.is_default)
        backend.delete_policy_version(original_resource.arn, oldest.version_id)
    backend.create_policy_version(original_resource.arn, document, True)
    return original_resource


def _delete(self: Any, account_id: str, region_name: str) -> None:
    if self.attachment_count:
        raise DeleteConflictException("Cannot delete a policy attached to entities.")
    _backend(self).delete_policy(self.arn)


def _backend(policy: Any) -> Any:
    return iam_backends[ACCOUNT][policy.partition]
