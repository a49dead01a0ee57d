"""Enforcement of IAM for functions, nodes and people: the policies of a role limit its sessions.

Bare moto enforces resources of four services only, and no conditions. It would refuse the CDK's sessions too.
Here every other caller, including the CDK, may do everything. A session that has expired, is unknown, or has
lost its role is refused.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC
from functools import lru_cache, partial
from typing import Any, Final, NoReturn

from moto.core import errors
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.iam import iam_backends
from moto.sts import sts_backends
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from swarmer.fakeaws.base import faults, journal
from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.fakeaws.iam import policies, roles, s3
from swarmer.fakeaws.iam.policies import Request, Resource
from swarmer.fakeaws.iam.resources import resources

log: Final = logging.getLogger("swarmer.fakeaws")

ENFORCED_FOR: Final = frozenset({"lambda.amazonaws.com", "ec2.amazonaws.com"})
"""Services whose roles are enforced. The trust policy of a role names the service."""
PEOPLE: Final = frozenset({"AWS", "Federated"})
"""Kinds of principals for people and programs outside of AWS. Roles that trust them are enforced, too."""
OF_THE_CDK: Final = "cdk-"
"""Beginning of the names of `cdk bootstrap`'s roles. They trust the account, but are not enforced."""
ALWAYS_ALLOWED: Final = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})
"""Actions that need no permission."""
UNKNOWN_KEY: Final = "InvalidClientTokenId"
"""Error code of STS and of the query services for an unknown session; other services have other codes."""
EXPIRED_KEY: Final = "ExpiredToken"
"""Error code of the same services for an expired session."""
S3_KEY_ERRORS: Final = {UNKNOWN_KEY: ("InvalidAccessKeyId", 403), EXPIRED_KEY: ("ExpiredToken", 400)}
"""Error codes and HTTP statuses of S3 for the same two errors."""
DENIAL_CODES: Final = {
    "ec2": "UnauthorizedOperation",
    "autoscaling": "AccessDenied",
    "cloudwatch": "AccessDenied",
}
"""Error codes for a missing permission, by service."""
DEFAULT_DENIAL_CODE: Final = "AccessDeniedException"
"""Error code for a missing permission in every other service."""

Fail = Callable[[Any, str, str, int], NoReturn]
"""Function that ends a request of a service, given its response object, the error's code and message, and the
HTTP status."""

moto_authorize: Final = ActionAuthenticatorMixin._authenticate_and_authorize_normal_action


def extend() -> None:
    errors.COMMON_ERROR_CODES = frozenset(
        {
            *errors.COMMON_ERROR_CODES,
            DEFAULT_DENIAL_CODE,
            UNKNOWN_KEY,
            EXPIRED_KEY,
            *DENIAL_CODES.values(),
            *faults.STATUS_BY_ERROR,
        }
    )
    ActionAuthenticatorMixin._authenticate_and_authorize_normal_action = _authorize
    ActionAuthenticatorMixin._authenticate_and_authorize_s3_action = _authorize_s3


class AccessDenied(ServiceException):  # type: ignore[misc]
    """Error of this module, because moto's own class expects the module of a service."""


class Denied(HTTPException):
    """HTTP error with a serialized `description`, which moto sends as the body."""

    code = 403


def _authorize(self: Any, resource: str = "*") -> None:
    if temporary_key(self.headers.get("Authorization", "")) is None:
        moto_authorize(self, resource)
        return
    session, role = _session(self, _fail)
    service, action = _signing_name(self.boto3_service_name), self._get_action()
    if role is None or _is_free(session, f"{service}:{action}", partial(_fail, self)):
        return
    parameters = _parameters(self)
    request = Request(
        action=f"{service}:{action}",
        resources=resources(service, action, self.region, parameters),
        context=_context(session, role, self.region, service, parameters),
    )
    refused = _refusal(role, request)
    if refused is not None:
        code = DENIAL_CODES.get(service, DEFAULT_DENIAL_CODE)
        _fail(self, code, _told(session, request, refused), Denied.code)


def _authorize_s3(self: Any, bucket_name: str | None = None, key_name: str | None = None) -> None:
    if temporary_key(self.headers.get("Authorization", "")) is None:
        return
    session, role = _session(self, _fail_s3)
    if role is None:
        return
    body = self.raw_body if self.is_delete_keys() else b""
    asked = s3.permissions(self._get_action(), bucket_name, key_name, self.headers, body or b"")
    context = _context(session, role, self.region, "s3", {})
    for action, arn in asked:
        if _is_free(session, action, partial(_fail_s3, self)):
            return
        request = Request(action=action, resources=(Resource(arn=arn),), context=context)
        refused = _refusal(role, request)
        if refused is not None:
            _fail_s3(self, "AccessDenied", _told(session, request, refused), Denied.code)


def _session(self: Any, fail: Fail) -> tuple[Any, Any]:
    """Session of a temporary key, and its role; no role if it is not enforced."""
    key = temporary_key(self.headers.get("Authorization", ""))
    session = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(key)
    role = None if session is None else _role(session)
    if role is None:
        _reject(
            self, fail, key, session, UNKNOWN_KEY, "The security token included in the request is invalid."
        )
    if session.expiration.replace(tzinfo=UTC).timestamp() <= time.time():
        _reject(
            self, fail, key, session, EXPIRED_KEY, "The security token included in the request is expired"
        )
    return session, role if _is_enforced(role) else None


def _is_enforced(role: Any) -> bool:
    """Whether the role is one of functions, nodes or people."""
    if ENFORCED_FOR & trusted(role, "Service"):
        return True
    return not role.name.startswith(OF_THE_CDK) and any(trusted(role, kind) for kind in PEOPLE)


def session_of(header: str) -> Any:
    """The session whose key signed the request; None if it is unknown, has expired, or lost its role."""
    key = temporary_key(header)
    session = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(key) if key else None
    if session is None or _role(session) is None:
        return None
    return session if session.expiration.replace(tzinfo=UTC).timestamp() > time.time() else None


def refusal_of(self: Any, action: str, resource: Resource) -> policies.Refusal | None:
    """Refusal of one more resource of a request that is being answered, or None."""
    session = session_of(self.headers.get("Authorization", ""))
    role = None if session is None else _role(session)
    if role is None or not _is_enforced(role):
        return None
    context = _context(session, role, self.region, action.partition(":")[0], {})
    return _refusal(role, Request(action=action, resources=(resource,), context=context))


def caller(self: Any) -> tuple[str, str, str]:
    """ARN, `aws:userid` and name of the caller of a request. A permanent key is the account's own."""
    session = session_of(self.headers.get("Authorization", ""))
    if session is None:
        return f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, "root"
    return session.arn, session.user_id, session.session_name


def _is_free(session: Any, name: str, fail: Callable[[str, str, int], NoReturn]) -> bool:
    """Whether the call needs no permission. An injected fault fails it here."""
    if error := faults.active.error_for(name, session.session_name):
        journal.record_call("fault", error, {"function": session.session_name, "error": name})
        fail(error, f"{name} fails on purpose", faults.STATUS_BY_ERROR[error])
    return name in ALWAYS_ALLOWED


def _told(session: Any, request: Request, refused: policies.Refusal) -> str:
    """Message of a refusal, which is also in the journal and in the log."""
    message = (
        f"User: {session.arn} is not authorized to perform: {request.action} on resource: "
        f"{refused.resource} {refused.because}"
    )
    journal.record_call("iam", "AccessDenied", {"function": session.session_name, "error": message})
    log.warning("%s", message)
    return message


def _reject(self: Any, fail: Fail, key: str | None, session: Any, code: str, message: str) -> NoReturn:
    """Refuse a request whose credentials are unknown or have expired."""
    who = key if session is None else session.session_name
    journal.record_call("iam", code, {"function": who, "error": f"{self._get_action()}: {message}"})
    log.warning("%s: %s: %s", who, self._get_action(), message)
    fail(self, code, message, Denied.code)


def _fail(self: Any, code: str, message: str, status: int) -> NoReturn:
    _, headers, body = self.serialized(ActionResult(AccessDenied(code, message)))
    self.response_headers.update(headers)
    failure = Denied(description=body)
    failure.code = status
    raise failure


def _fail_s3(self: Any, code: str, message: str, status: int) -> NoReturn:
    code, status = S3_KEY_ERRORS.get(code, (code, status))
    _, headers, body = self.serialized(ActionResult(AccessDenied(code, message)))
    raise Denied(response=Response(body, status, headers))


def first_refusal(role_arn: str, *asked: tuple[str, str]) -> policies.Refusal | None:
    """The first `(action, arn)` that the role's policies refuse, or None.

    AWS's services ask this before they act with a role.
    """
    name = role_arn.rpartition("/")[2]
    role = next((each for each in iam_backends[ACCOUNT]["aws"].roles.values() if each.name == name), None)
    for action, arn in asked:
        request = Request(action=action, resources=(Resource(arn=arn),))
        refused = _refusal(role, request) if role else policies.refusal([], request)
        if refused is not None:
            return refused
    return None


def _refusal(role: Any, request: Request) -> policies.Refusal | None:
    """The first refusal by the role's policies, or by its boundary."""
    boundary = roles.boundary_policy(role.permissions_boundary_arn)
    limit = None if boundary is None else policies.all_statements(_documents([boundary]))
    return policies.refusal(statements(role), request, limit)


def temporary_key(authorization: str) -> str | None:
    """ID of the temporary key that signed the request; None for a permanent key or no key."""
    _, mark, rest = authorization.partition("Credential=")
    key = rest.partition("/")[0]
    return key if mark and key.startswith("ASIA") else None


def _role(session: Any) -> Any:
    name = session.role_arn.rpartition("/")[2]
    return next((role for role in iam_backends[ACCOUNT]["aws"].roles.values() if role.name == name), None)


def trusted(role: Any, kind: str) -> frozenset[str]:
    """Principals of this kind that may assume the role, for example of the kind `Service`."""
    document = role.assume_role_policy_document
    policy = json.loads(document) if isinstance(document, str) else document
    found: set[str] = set()
    for statement in policies.statements_of(policy or {}):
        principal = statement.get("Principal", {})
        named = principal.get(kind, []) if isinstance(principal, Mapping) else []
        found.update([named] if isinstance(named, str) else named)
    return frozenset(found)


def statements(role: Any) -> list[Mapping[str, Any]]:
    """Statements of the role's inline and attached policies."""
    inline = [json.loads(each) if isinstance(each, str) else each for each in role.policies.values()]
    return policies.all_statements([*inline, *_documents(role.managed_policies.values())])


def _documents(managed: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    """Documents of managed policies, in their default versions."""
    for policy in managed:
        for version in policy.versions:
            if version.is_default:
                document = version.document
                yield json.loads(document) if isinstance(document, str) else document


@lru_cache(maxsize=64)
def _signing_name(service: str) -> str:
    """Prefix of the service's actions, for most services their signing name."""
    return {"monitoring": "cloudwatch"}.get(service, service)


def _parameters(self: Any) -> dict[str, Any]:
    """Parameters of the request by their names in the service's model, for any protocol."""
    before = self.__dict__.get("params")
    try:
        self.parse_parameters(self.normalized_request)
        return dict(self.params or {})
    except Exception:
        # Without parameters the request concerns every resource, and only a grant of all covers it.
        log.warning("the parameters of %s cannot be read", self._get_action(), exc_info=True)
        return {}
    finally:
        self.params = before


def _context(
    session: Any, role: Any, region: str, service: str, parameters: Mapping[str, Any]
) -> dict[str, tuple[str, ...]]:
    tags = {
        tag["Key"]: str(tag.get("Value", ""))
        for tag in parameters.get("Tags") or ()
        if isinstance(tag, Mapping) and "Key" in tag
    }
    context: dict[str, tuple[str, ...]] = {
        "aws:RequestedRegion": (region,),
        "aws:PrincipalArn": (role.arn,),
        "aws:userid": (session.user_id,),
        "aws:PrincipalAccount": (ACCOUNT,),
        "aws:SecureTransport": ("true",),
        **{f"aws:RequestTag/{key}": (value,) for key, value in tags.items()},
    }
    if tags:
        context["aws:TagKeys"] = tuple(tags)
    if "lambda.amazonaws.com" in trusted(role, "Service"):
        # Lambda names a session after its function.
        context["lambda:SourceFunctionArn"] = (
            f"arn:aws:lambda:{region}:{ACCOUNT}:function:{session.session_name}",
        )
    if service == "ssm":
        # AWS checks the document of a session that names none only if the policy asks for it by this key.
        context["ssm:SessionDocumentAccessCheck"] = ("true",)
    if service == "cloudwatch" and parameters.get("Namespace"):
        context["cloudwatch:namespace"] = (str(parameters["Namespace"]),)
    return context
