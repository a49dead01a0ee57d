"""Failures of AWS as one line for the operator: problem, object, remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from swarmer.adapters import aws
from swarmer.adapters.aws import Reason
from swarmer.core.errors import UserError

NO_DOCUMENT: Final = "InvalidDocument"
"""Error code of SendCommand for a missing document."""
BAD_INPUT: Final = frozenset({Reason.NO_CREDENTIALS, Reason.EXPIRED, Reason.NO_REGION})
"""Kinds of failures that the operator's settings cause."""


@contextmanager
def explained(policy: str, *, region: str, silence: str) -> Iterator[None]:
    """Context that turns `aws.Unavailable` into UserError.

    `policy`: name of the policy that allows its calls. `silence`: line for an endpoint without an answer.
    """
    try:
        yield
    except aws.Unavailable as exc:
        status = 2 if exc.reason in BAD_INPUT else 1
        raise UserError(sentence(exc, policy, region, silence), status=status) from exc


def sentence(failure: aws.Unavailable, policy: str, region: str, silence: str) -> str:
    """Return the line for one failure."""
    text, place = " ".join(str(failure).split()), f" in {region}" if region else ""
    by_reason: dict[Reason, Callable[[], str]] = {
        Reason.NO_CREDENTIALS: lambda: (
            f"AWS accepts no call with these credentials: {text}; log in or export AWS_PROFILE, then try "
            "aws sts get-caller-identity"
        ),
        Reason.EXPIRED: lambda: f"the AWS credentials have expired: aws sso login, or get new ones ({text})",
        Reason.DENIED: lambda: _denied(text, policy),
        Reason.THROTTLED: lambda: f"AWS throttles the account's calls{place}: try again in a minute ({text})",
        Reason.NO_REGION: lambda: (
            f"no AWS region is chosen, or it is none: export AWS_REGION=eu-central-1, or another one ({text})"
        ),
        Reason.NO_ANSWER: lambda: f"{silence} ({text})",
    }
    if failure.reason in by_reason:
        return by_reason[failure.reason]()
    if failure.code == NO_DOCUMENT:
        return f"the cluster lacks a command document, as before 0.3: deploy it again ({text})"
    return f"AWS refuses: {text}" if isinstance(failure, aws.Refused) else f"AWS does not answer: {text}"


def _denied(text: str, policy: str) -> str:
    refused = aws.refused_action(text)
    if refused is None:
        return f"a permission is missing, which the policy {policy} grants: {text}"
    what = f"{refused.action} on {refused.resource}" if refused.resource else refused.action
    if refused.is_explicit:
        return f"a policy of your organization or account denies you {what}: ask who manages it"
    return f"you may not {what}: the policy {policy} grants it"
