"""Tags and permissions boundaries: which AWS takes, and what is said of the others."""

from __future__ import annotations

import pytest

from swarmer.core import account_rules
from swarmer.core.validation import InvalidValue


def refusal(value: object) -> str:
    with pytest.raises(InvalidValue) as caught:
        account_rules.tags(value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cost-center", "1234"),
        ("Übung 1/2", "a=b+c@d_e.f:g"),
        ("k" * 127, "v" * 256),
        ("name", "x"),
        ("a", " "),
    ],
)
def test_tags_that_every_service_takes_are_kept(key: str, value: str) -> None:
    assert account_rules.tags({key: value}) == ((key, value),)


def test_forty_tags_are_taken_and_one_more_is_refused() -> None:
    """CDK and Swarmer add up to four of their own to a resource, and AWS takes 50."""
    many = {f"key-{number}": "x" for number in range(40)}
    assert len(account_rules.tags(many)) == 40
    assert refusal(many | {"more": "x"}) == "41 tags are too many; take 40 at most; AWS takes 50"


@pytest.mark.parametrize("key", ["aws:a", "AWS:a", "swarmer:cluster", "Swarmer:x", "Name"])
def test_keys_of_aws_and_of_swarmer_are_refused(key: str) -> None:
    assert "take another" in refusal({key: "x"})


def test_a_value_does_not_begin_with_the_prefix_of_aws() -> None:
    assert "belongs to AWS, at the beginning of values too" in refusal({"a": "Aws:x"})


def test_keys_that_differ_only_in_case_are_refused_because_a_role_takes_one() -> None:
    assert refusal({"owner": "a", "Owner": "b"}).startswith("owner and Owner differ only in case")


@pytest.mark.parametrize(
    "value",
    [
        {"k" * 128: "a"},
        {"a": "v" * 257},
        {"a": ""},
        {"": "a"},
        {"a": "50%"},
        {"a\n": "b"},
        {"a": 1},
        "a",
        ["a"],
    ],
)
def test_what_aws_would_refuse_at_the_deployment_is_refused_at_once(value: object) -> None:
    assert refusal(value)


@pytest.mark.parametrize(
    "policy",
    [
        "limits",
        "teams/a/limits",
        "arn:aws:iam::123456789012:policy/limits",
        "arn:aws:iam::123456789012:policy/teams/limits",
        "arn:aws-us-gov:iam::123456789012:policy/limits",
        "arn:aws-cn:iam::aws:policy/PowerUserAccess",
    ],
)
def test_a_boundary_is_a_name_or_an_arn(policy: str) -> None:
    assert account_rules.permissions_boundary(policy) == policy


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("arn:aws:iam::1:policy/a", "is no ARN of a policy; write arn:aws:iam::ACCOUNT:policy/NAME"),
        ("arn:aws:iam::123456789012:role/a", "is no ARN of a policy"),
        ("arn:aws:iam::123456789012:policy/", "is no ARN of a policy"),
        ("", "is no name of a policy"),
        ("a b", "is no name of a policy"),
        ("/a", "is no name of a policy"),
        ("a//b", "is no name of a policy"),
        ("n" * 129, "is no name of a policy"),
        (5, "5 is not text"),
    ],
)
def test_a_boundary_that_names_no_policy_is_refused(policy: object, expected: str) -> None:
    with pytest.raises(InvalidValue, match=expected):
        account_rules.permissions_boundary(policy)


def test_the_name_of_a_policy_is_found_in_its_arn() -> None:
    assert account_rules.policy_name("arn:aws:iam::123456789012:policy/teams/limits") == "teams/limits"
    assert account_rules.policy_name("teams/limits") == "teams/limits"
