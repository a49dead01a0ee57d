"""Failures of AWS in one line each: the problem, the object and the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import botocore.exceptions
import pytest

from swarmer.adapters import aws as adapter
from swarmer.adapters.aws import RefusedAction
from swarmer.adapters.operator import usual
from swarmer.core.errors import UserError
from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.providers.aws import survey
from swarmer.providers.aws.explained import explained
from tests.fakeaws.client import Aws

USER = "User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized to perform: "


def told(fails: Callable[[], object]) -> UserError:
    """The error that an operator sees, in one line."""
    with (
        pytest.raises(UserError) as said,
        explained("t-viewer", region="eu-west-3", silence="AWS does not answer in eu-west-3"),
        adapter.translated(),
    ):
        fails()
    assert "\n" not in str(said.value)
    return said.value


def refusal(code: str, text: str = "words\nof AWS") -> Callable[[], object]:
    def fails() -> object:
        answer = {"Error": {"Code": code, "Message": text}}
        raise botocore.exceptions.ClientError(answer, "DescribeInstances")

    return fails


def failure(exc: Exception) -> Callable[[], object]:
    def fails() -> object:
        raise exc

    return fails


@pytest.mark.parametrize(
    ("fails", "words", "status"),
    [
        (failure(botocore.exceptions.NoCredentialsError()), "with these credentials: .*AWS_PROFILE", 2),
        (refusal("InvalidClientTokenId"), "no call with these credentials", 2),
        (refusal("AuthFailure"), "no call with these credentials", 2),
        (failure(botocore.exceptions.UnauthorizedSSOTokenError()), "have expired: aws sso login", 2),
        (failure(botocore.exceptions.SSOTokenLoadError(error_msg="none")), "have expired: aws sso login", 2),
        (refusal("ExpiredToken"), "have expired", 2),
        (refusal("RequestExpired"), "have expired", 2),
        (failure(botocore.exceptions.NoRegionError()), "no AWS region is chosen.*AWS_REGION", 2),
        (refusal("ThrottlingException"), "throttles the account's calls in eu-west-3: try again", 1),
        (refusal("RequestLimitExceeded"), "throttles", 1),
        (
            failure(botocore.exceptions.EndpointConnectionError(endpoint_url="https://x")),
            "does not answer in eu-west-3 .*https://x",
            1,
        ),
        (failure(botocore.exceptions.ReadTimeoutError(endpoint_url="https://x")), "does not answer", 1),
        (refusal("InvalidDocument"), "lacks a command document.*deploy it again", 1),
        (refusal("ValidationError"), "AWS refuses: .*words of AWS", 1),
        (refusal("AccessDenied", "Access Denied"), "a permission is missing.* t-viewer grants", 1),
        (
            refusal("AccessDeniedException", f"{USER}ssm:SendCommand on resource: arn:x because no policy"),
            "you may not ssm:SendCommand on arn:x: the policy t-viewer grants it",
            1,
        ),
        (
            refusal(
                "UnauthorizedOperation",
                f"You are not authorized. {USER}ec2:RebootInstances with an explicit deny in a policy",
            ),
            "denies you ec2:RebootInstances: ask who manages it",
            1,
        ),
    ],
)
def test_a_failure_is_one_line_with_its_remedy(fails: Callable[[], object], words: str, status: int) -> None:
    said = told(fails)
    assert re.search(words, str(said)), said
    assert said.status == status


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{USER}s3:ListBucket on resource: arn:a because", RefusedAction("s3:ListBucket", "arn:a", False)),
        (f"{USER}ec2:X with an explicit deny", RefusedAction("ec2:X", "", True)),
        ("Access Denied", None),
    ],
)
def test_the_refused_action_is_read_from_awss_words(text: str, found: RefusedAction | None) -> None:
    assert adapter.refused_action(text) == found


def test_the_region_is_the_description_s_or_that_of_the_environment(
    nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nobody / "config").write_text("[default]\nregion = eu-north-1\n[profile work]\nregion = eu-west-1\n")
    assert usual().region == "eu-north-1"
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert usual().region == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "eu-west-2")
    assert usual().region == "eu-west-2"
    assert usual("eu-west-3").region == "eu-west-3"


def test_a_profile_s_credentials_are_used(aws: Aws, nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = "aws_access_key_id = test\naws_secret_access_key = test\n"
    (nobody / "config").write_text(
        f"[profile work]\nregion = {aws.region}\nendpoint_url = {aws.server.url}\n{keys}"
    )
    monkeypatch.setenv("AWS_PROFILE", "work")
    account = usual()
    assert account.id() == ACCOUNT
    assert account.calls == ["sts.GetCallerIdentity"]


def test_the_examination_of_an_account_tells_a_profile_that_is_not_there(
    nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "typo")
    with pytest.raises(UserError, match=r"AWS accepts no call with these credentials: .*typo") as said:
        survey.opened()
    assert said.value.status == 2
