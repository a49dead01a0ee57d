"""Instance metadata service (IMDSv2) of node containers.

The service identifies a caller by its source address, the private address of an instance. Paths:
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from moto.ec2 import ec2_backends
from moto.iam import iam_backends
from moto.sts import sts_backends

from swarmer.fakeaws.base import faults, journal
from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.fakeaws.ec2.states import LIVING

TOKEN_PATH: Final = "latest/api/token"  # noqa: S105 (a path)
TOKEN_TTL_HEADER: Final = "HTTP_X_AWS_EC2_METADATA_TOKEN_TTL_SECONDS"  # noqa: S105
TOKEN_HEADER: Final = "HTTP_X_AWS_EC2_METADATA_TOKEN"  # noqa: S105
MAX_TOKEN_TTL_S: Final = 21600
"""Limit of a token's lifetime."""
CREDENTIALS_PATH: Final = "iam/security-credentials/"
CREDENTIALS_DURATION_S: Final = 3600
"""Lifetime of credentials."""
CREDENTIALS_RENEWAL_S: Final = 1800
"""Remaining lifetime below which credentials are renewed. SDKs request new ones 10 to 20 minutes before the
end."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """HTTP answer of the service."""

    status: str
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()


NOT_FOUND: Final = Reply(status="404 Not Found", body="Not Found")
BAD_REQUEST: Final = Reply(status="400 Bad Request", body="Bad Request")
UNAUTHORIZED: Final = Reply(status="401 Unauthorized", body="Unauthorized")
UNAVAILABLE: Final = Reply(status="503 Service Unavailable", body="Service Unavailable")


@dataclass
class MetadataService:
    """The metadata service of every instance, with its tokens and credentials."""

    clock: Callable[[], float] = time.time
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Address of the caller and end of the lifetime, by token."""
    _credentials: dict[str, Any] = field(default_factory=dict)
    """Assumed role of moto's STS, by instance ID."""

    def reply(self, environ: dict[str, Any], path: str) -> Reply:
        """Answer a request. `path` starts with `latest/`."""
        caller = environ.get("REMOTE_ADDR", "")
        instance = instance_at(caller)
        if instance is None:
            return NOT_FOUND
        if error := faults.active.error_for("imds:Get", instance.id):
            journal.record_call("fault", error, {"function": instance.id, "error": "imds:Get"})
            return UNAVAILABLE
        if path.strip("/") == TOKEN_PATH:
            return self._new_token(environ, caller)
        if not self._is_valid(environ.get(TOKEN_HEADER, ""), caller):
            return UNAUTHORIZED
        if environ["REQUEST_METHOD"] != "GET":
            return Reply(status="405 Method Not Allowed")
        body = self._value(instance, path.removeprefix("latest/"))
        return NOT_FOUND if body is None else Reply(status="200 OK", body=body)

    def _new_token(self, environ: dict[str, Any], caller: str) -> Reply:
        if environ["REQUEST_METHOD"] != "PUT":
            return Reply(status="405 Method Not Allowed")
        ttl = environ.get(TOKEN_TTL_HEADER, "")
        if not ttl.isdigit() or not 1 <= int(ttl) <= MAX_TOKEN_TTL_S:
            return BAD_REQUEST
        now = self.clock()
        self._tokens = {token: given for token, given in self._tokens.items() if given[1] > now}
        token = secrets.token_urlsafe(32)
        self._tokens[token] = (caller, now + int(ttl))
        # aws-sdk-go refuses a token without this header.
        return Reply(status="200 OK", body=token, headers=(("X-aws-ec2-metadata-token-ttl-seconds", ttl),))

    def _is_valid(self, token: str, caller: str) -> bool:
        given_to, ends = self._tokens.get(token, ("", 0.0))
        return given_to == caller and ends > self.clock()

    def _value(self, instance: Any, path: str) -> str | None:
        if path.startswith("dynamic/instance-identity/document"):
            return json.dumps(_identity(instance), indent=2)
        if path == "user-data":
            return _user_data(instance)
        item = path.removeprefix("meta-data/")
        if item.rstrip("/") == CREDENTIALS_PATH.rstrip("/"):
            return _role_name(instance)
        if item.startswith(CREDENTIALS_PATH):
            return self._role_credentials(instance, item.removeprefix(CREDENTIALS_PATH))
        return _items(instance).get(item)

    def _role_credentials(self, instance: Any, role_name: str) -> str | None:
        if role_name != _role_name(instance):
            return None
        role = self._credentials.get(instance.id)
        if (
            role is None
            or role.expiration.replace(tzinfo=UTC).timestamp() - self.clock() < CREDENTIALS_RENEWAL_S
        ):
            role = self._credentials[instance.id] = _assume(instance)
        answer = {
            "Code": "Success",
            "LastUpdated": _iso(datetime.fromtimestamp(self.clock(), UTC)),
            "Type": "AWS-HMAC",
            "AccessKeyId": role.access_key_id,
            "SecretAccessKey": role.secret_access_key,
            "Token": role.session_token,
            "Expiration": _iso(role.expiration),
        }
        return json.dumps(answer, indent=2)


def instance_at(address: str) -> Any:
    """The living instance with this private address in any region, or None."""
    for backend in list(ec2_backends[ACCOUNT].values()):
        for instance in backend.all_instances():
            if instance.state in LIVING and instance.private_ip == address:
                return instance
    return None


def _items(instance: Any) -> dict[str, str]:
    return {
        "ami-id": instance.image_id,
        "hostname": instance.private_dns_name,
        "instance-id": instance.id,
        "instance-type": instance.instance_type,
        "local-hostname": instance.private_dns_name,
        "local-ipv4": instance.private_ip,
        "placement/availability-zone": instance.placement.zone,
        "placement/region": _region(instance),
    }


def _identity(instance: Any) -> dict[str, Any]:
    return {
        "accountId": ACCOUNT,
        "architecture": instance.architecture,
        "availabilityZone": instance.placement.zone,
        "imageId": instance.image_id,
        "instanceId": instance.id,
        "instanceType": instance.instance_type,
        "pendingTime": _iso(instance.launch_time),
        "privateIp": instance.private_ip,
        "region": _region(instance),
        "version": "2017-09-30",
    }


def _region(instance: Any) -> str:
    return str(instance.ec2_backend.region_name)


def _user_data(instance: Any) -> str | None:
    if not instance.user_data:
        return None
    return base64.b64decode(str(instance.user_data)).decode(errors="replace")


def _role(instance: Any) -> Any:
    """The role of the instance's profile, or None."""
    association = instance.ec2_backend.iam_instance_profile_associations.get(instance.id)
    if association is None:
        return None
    profile = iam_backends[ACCOUNT]["aws"].get_instance_profile(association.iam_instance_profile.name)
    return profile.roles[0] if profile.roles else None


def _role_name(instance: Any) -> str | None:
    role = _role(instance)
    return None if role is None else str(role.name)


def _assume(instance: Any) -> Any:
    return sts_backends[ACCOUNT]["aws"].assume_role(
        region_name=_region(instance),
        role_session_name=instance.id,
        role_arn=_role(instance).arn,
        policy=None,
        duration=CREDENTIALS_DURATION_S,
        external_id=None,
    )


def _iso(moment: Any) -> str:
    return str(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
