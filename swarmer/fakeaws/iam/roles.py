"""Roles in templates: their permissions boundary, and updates of their policies.

AWS refuses to create a role with a missing boundary. It changes policies, boundary and trust of a role in
place; bare moto changes only the description.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from moto.iam import iam_backends
from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.exceptions import NotFoundException
from moto.iam.models import AWSManagedPolicy, IAMBackend, Role

from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.fakeaws.base.template_resource import Create, Definition, Update, wrap_create, wrap_update

OF_ANY_ACCOUNT: Final = re.compile(r"(?<=:iam::)[0-9]{12}(?=:policy/)")
"""ID of an account in the ARN of a policy. The only account of the rehearsal stands for each."""
OF_AWS: Final = ":iam::aws:policy/"
"""Part of the ARNs of AWS's own policies."""


create_role: Final = IAMBackend.create_role
put_boundary: Final = IAMBackend.put_role_permissions_boundary


def extend() -> None:
    IAMBackend.create_role = _create_role
    IAMBackend.put_role_permissions_boundary = _put_boundary
    wrap_create(Role, _create)
    wrap_update(Role, _update)


def boundary_policy(arn: str | None) -> Any:
    """Managed policy with this ARN; None if there is no boundary. Raises NotFoundException."""
    if not arn:
        return None
    backend = iam_backends[ACCOUNT]["aws"]
    found = backend.managed_policies.get(arn) or _load_from_aws(arn)
    if found is None:
        raise NotFoundException(f"Scope ARN: {arn} does not exist or is not attachable.")
    return found


def _load_from_aws(arn: str) -> Any:
    """One of AWS's own policies. moto keeps all of them as text, and reads that only on request."""
    if OF_AWS not in arn:
        return None
    name = arn.rpartition("/")[2]
    data = json.loads(aws_managed_policies_data).get(name)
    if data is None:
        return None
    backend = iam_backends[ACCOUNT]["aws"]
    policy = AWSManagedPolicy.from_data(name, ACCOUNT, backend.region_name, data)
    backend.managed_policies[policy.arn] = policy
    return policy if policy.arn == arn else None


def _create_role(
    self: Any,
    role_name: str,
    assume_role_policy_document: str,
    path: str,
    permissions_boundary: str | None,
    *args: Any,
    **more: Any,
) -> Any:
    boundary = _existing(permissions_boundary)
    return create_role(self, role_name, assume_role_policy_document, path, boundary, *args, **more)


def _put_boundary(self: Any, role_name: str, permissions_boundary: str) -> None:
    put_boundary(self, role_name, _existing(permissions_boundary))


def _existing(arn: str | None) -> str | None:
    """The ARN in the rehearsal's account, if there is such a policy. Raises NotFoundException."""
    boundary = OF_ANY_ACCOUNT.sub(ACCOUNT, arn) if arn else None
    boundary_policy(boundary)
    return boundary


def _create(create: Create, definition: Definition) -> Any:
    made = create(definition)
    made.inline_names = _names(definition.properties)
    return made


def _update(update: Update, original: Any, definition: Definition) -> Any:
    """Replace the template's part of the role; policies of other resources stay attached."""
    properties = definition.properties
    boundary = _existing(properties.get("PermissionsBoundary"))
    role = update(original, definition)
    role.permissions_boundary_arn = boundary
    for name in original.inline_names - _names(properties):
        role.policies.pop(name, None)
    for policy in properties.get("Policies", []):
        role.put_policy(policy["PolicyName"], policy["PolicyDocument"])
    trust = properties["AssumeRolePolicyDocument"]
    role.assume_role_policy_document = trust if isinstance(trust, str) else json.dumps(trust)
    role.tags = list(properties.get("Tags", []))
    role.inline_names = _names(properties)
    return role


def _names(properties: dict[str, Any]) -> set[str]:
    return {policy["PolicyName"] for policy in properties.get("Policies", [])}
