"""AWS APIs for nodes, and the way in which every adapter calls AWS. Every failure is one `Unavailable`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum, auto
from functools import cache
from typing import Any, Final, NamedTuple

import boto3
import botocore.exceptions
from botocore.config import Config

from swarmer.core import names
from swarmer.core.node import CONSUL_SERVER


class Reason(StrEnum):
    """Kind of a failure: each has its own remedy."""

    NO_CREDENTIALS = auto()
    """Missing credentials, or credentials that AWS does not know."""
    EXPIRED = auto()
    """Expired credentials."""
    DENIED = auto()
    """Missing permission: no policy allows the call, or one denies it."""
    THROTTLED = auto()
    NO_REGION = auto()
    NO_ANSWER = auto()
    """Missing answer at the endpoint."""
    OTHER = auto()


class Unavailable(Exception):
    """AWS did not answer, or refused."""

    def __init__(self, text: str, reason: Reason = Reason.OTHER, code: str = "") -> None:
        super().__init__(text)
        self.reason = reason
        self.code = code
        """AWS's error code; empty if AWS did not answer."""


class Refused(Unavailable):
    """AWS refused."""


class RefusedAction(NamedTuple):
    """Call without permission, from AWS's message."""

    action: str
    """Action of IAM, like `ec2:RebootInstances`."""
    resource: str
    """ARN of the resource; empty if the message has none."""
    is_explicit: bool
    """Whether a policy denies it, because then no other policy can allow it."""


CODES: Final = {
    Reason.NO_CREDENTIALS: (
        *("AuthFailure", "IncompleteSignature", "InvalidAccessKeyId", "InvalidClientTokenId"),
        *("InvalidIdentityToken", "MissingAuthenticationToken", "SignatureDoesNotMatch"),
        "UnrecognizedClientException",
    ),
    Reason.EXPIRED: ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"),
    Reason.DENIED: (
        *("AccessDenied", "AccessDeniedException", "AuthorizationError", "Client.UnauthorizedOperation"),
        "UnauthorizedOperation",
    ),
    Reason.THROTTLED: (
        *("RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "SlowDown"),
        *("ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException"),
    ),
}
"""AWS's error codes by the kind of the failure."""
REASON_BY_CODE: Final = {code: reason for reason, codes in CODES.items() for code in codes}
EXCEPTIONS: Final[tuple[tuple[str, Reason], ...]] = (
    ("SSOTokenLoadError", Reason.EXPIRED),
    ("UnauthorizedSSOTokenError", Reason.EXPIRED),
    ("TokenRetrievalError", Reason.EXPIRED),
    ("LoginError", Reason.EXPIRED),
    ("NoAuthTokenError", Reason.NO_CREDENTIALS),
    ("NoCredentialsError", Reason.NO_CREDENTIALS),
    ("PartialCredentialsError", Reason.NO_CREDENTIALS),
    ("CredentialRetrievalError", Reason.NO_CREDENTIALS),
    ("ProfileNotFound", Reason.NO_CREDENTIALS),
    ("UnknownCredentialError", Reason.NO_CREDENTIALS),
    ("BaseEndpointResolverError", Reason.NO_REGION),
    ("EndpointProviderError", Reason.NO_REGION),
    ("InvalidRegionError", Reason.NO_REGION),
    ("ConnectionError", Reason.NO_ANSWER),
    ("HTTPClientError", Reason.NO_ANSWER),
)
"""Kind of the failure by the name of the SDK's exception. Older releases lack some of these exceptions."""
REFUSED_ACTION: Final = re.compile(r"not authorized to perform: ([\w-]+:\w+)(?: on resource: (\S+))?")
EXPLICIT_DENIAL: Final = "explicit deny"
"""Words of AWS's message if a policy denies the call."""


SETTINGS: Final = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "max_attempts": 3})


@cache
def client(service: str) -> Any:
    """Client of a service in the environment's own region, made once in a process."""
    return boto3.client(service, config=SETTINGS)


@contextmanager
def translated() -> Iterator[None]:
    """Translate every failure of botocore into `Unavailable`, and every refusal into `Refused`."""
    try:
        yield
    except botocore.exceptions.ClientError as exc:
        code = str(exc.response.get("Error", {}).get("Code", ""))
        raise Refused(str(exc), REASON_BY_CODE.get(code, Reason.OTHER), code) from exc
    except botocore.exceptions.BotoCoreError as exc:
        raise Unavailable(str(exc), _reason(exc)) from exc


def refused_action(text: str) -> RefusedAction | None:
    """Refused call from AWS's message; None if it names none."""
    found = REFUSED_ACTION.search(text)
    if found is None:
        return None
    return RefusedAction(found[1], found[2] or "", EXPLICIT_DENIAL in text)


def _reason(exc: Exception) -> Reason:
    names_of = {each.__name__ for each in type(exc).__mro__}
    return next((reason for name, reason in EXCEPTIONS if name in names_of), Reason.OTHER)


def parameter(name: str, region: str) -> str:
    """Value of an SSM parameter."""
    with translated():
        ssm = boto3.client("ssm", region_name=region, config=SETTINGS)
        return str(ssm.get_parameter(Name=name)["Parameter"]["Value"])


def put_parameter(name: str, value: str, region: str) -> None:
    """Overwrite the value of an SSM parameter that exists."""
    with translated():
        ssm = boto3.client("ssm", region_name=region, config=SETTINGS)
        ssm.put_parameter(Name=name, Value=value, Overwrite=True)


def peer_addresses(cluster: str, region: str) -> list[str]:
    """Private addresses of the cluster's machines, Consul's servers first."""
    filters = [
        {"Name": f"tag:{names.TAG_CLUSTER}", "Values": [cluster]},
        {"Name": "instance-state-name", "Values": ["pending", "running"]},
    ]
    with translated():
        ec2 = boto3.client("ec2", region_name=region, config=SETTINGS)
        pages = ec2.get_paginator("describe_instances").paginate(Filters=filters)
        found = [each for page in pages for held in page["Reservations"] for each in held["Instances"]]
    found.sort(key=lambda instance: CONSUL_SERVER not in _tag(instance, names.TAG_ROLES))
    return [instance["PrivateIpAddress"] for instance in found if "PrivateIpAddress" in instance]


def _tag(instance: dict, key: str) -> str:  # type: ignore[type-arg]
    return next((tag["Value"] for tag in instance.get("Tags", ()) if tag["Key"] == key), "")
