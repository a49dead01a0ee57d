"""Evaluation of IAM policies, without AWS."""

from __future__ import annotations

from typing import Any

import pytest

from swarmer.fakeaws.iam.policies import Request, Resource, are_met, refusal

QUEUE = "arn:aws:sqs:us-east-1:1:queue"


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def request(action: str = "sqs:SendMessage", *arns: str, **context: str) -> Request:
    resources = tuple(Resource(arn=arn) for arn in arns or (QUEUE,))
    return Request(
        action=action, resources=resources, context={key: (value,) for key, value in context.items()}
    )


@pytest.mark.parametrize(
    "statement",
    [
        allow("sqs:SendMessage", QUEUE),
        allow("SQS:sendmessage", QUEUE),
        allow(["s3:*", "sqs:Send*"], ["arn:aws:s3:::b", QUEUE]),
        allow("*"),
        allow("sqs:*", "arn:aws:sqs:*:*:que?e"),
        {"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:iam::*"},
    ],
)
def test_allowed(statement: dict[str, Any]) -> None:
    assert refusal([statement], request()) is None


@pytest.mark.parametrize(
    "statements",
    [
        [],
        [allow("sqs:ReceiveMessage")],
        [allow("sqs:SendMessage", QUEUE + "2")],
        [allow("sqs:SendMessage", Condition={"StringEquals": {"aws:ResourceTag/a": "b"}})],
        [allow("*"), {"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}],
    ],
    ids=["nothing", "another action", "another resource", "a condition that is not met", "denied"],
)
def test_refused(statements: list[dict[str, Any]]) -> None:
    assert refusal(statements, request()) is not None


def test_a_grant_on_an_arn_does_not_cover_everything() -> None:
    assert refusal([allow("ec2:DescribeInstances", QUEUE)], request("ec2:DescribeInstances", "*")) is not None


def test_every_resource_must_be_allowed() -> None:
    refused = refusal([allow("sqs:SendMessage", QUEUE)], request("sqs:SendMessage", QUEUE, "other"))
    assert refused is not None
    assert refused.resource == "other"


@pytest.mark.parametrize(
    ("conditions", "met"),
    [
        ({"StringEquals": {"aws:ResourceTag/c": ["x", "t"]}}, True),
        ({"StringEquals": {"AWS:RESOURCETAG/C": "t"}}, True),
        ({"StringEquals": {"aws:ResourceTag/c": "T"}}, False),
        ({"StringEqualsIgnoreCase": {"aws:ResourceTag/c": "T"}}, True),
        ({"StringNotEquals": {"aws:ResourceTag/c": "t"}}, False),
        ({"StringNotEquals": {"aws:ResourceTag/none": "t"}}, True),
        ({"StringEquals": {"aws:ResourceTag/none": "t"}}, False),
        ({"StringEqualsIfExists": {"aws:ResourceTag/none": "t"}}, True),
        ({"StringLike": {"name": "t-*"}}, True),
        ({"ArnLike": {"name": "u-*"}}, False),
        ({"Null": {"aws:ResourceTag/none": "true"}}, True),
        ({"Null": {"aws:ResourceTag/c": "true"}}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, False),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b", "c"]}}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}, False),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}, True),
        ({"NumericLessThan": {"number": "6"}}, True),
        ({"StringEquals": {"aws:ResourceTag/c": "t"}, "StringLike": {"name": "u*"}}, False),
        ({"NobodyKnows": {"name": "t-core"}}, False),
    ],
)
def test_conditions(conditions: dict[str, Any], met: bool) -> None:
    context = {
        "aws:ResourceTag/c": ("t",),
        "name": ("t-core",),
        "aws:SecureTransport": ("true",),
        "aws:TagKeys": ("a", "b"),
        "number": ("5",),
    }
    assert are_met(conditions, context) == met


def test_a_boundary_has_to_allow_too_and_grants_nothing() -> None:
    queue, other = [allow("sqs:SendMessage")], [allow("sqs:ReceiveMessage")]
    assert refusal(queue, request(), queue) is None
    assert refusal(queue, request(), None) is None
    limited = refusal(queue, request(), other)
    assert limited is not None
    assert limited.because == "because no permissions boundary allows the sqs:SendMessage action"
    assert refusal(queue, request(), []) is not None
    not_granted = refusal(other, request(), queue)
    assert not_granted is not None
    assert "no identity-based policy allows" in not_granted.because


def test_a_denial_is_named_before_a_missing_grant() -> None:
    denies = [{"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}]
    refused = refusal([], request(), denies)
    assert refused is not None
    assert refused.because == "with an explicit deny in a permissions boundary"
