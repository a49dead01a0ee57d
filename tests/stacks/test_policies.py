"""Every IAM statement, checked by AWS's own tables, for each partition that the six descriptions are for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stacks import analyser, explained
from tests.stacks.analyser import findings, matches
from tests.stacks.assembly import Assembly
from tests.stacks.policies import Kind, Place, Policy, Unresolved, policies

PLACES = {
    "cn-north-1": Place("aws-cn", "cn-north-1", "amazonaws.com.cn"),
    "us-gov-west-1": Place("aws-us-gov", "us-gov-west-1", "amazonaws.com"),
}
QUEUE = "arn:aws:sqs:us-east-1:123456789012:jobs"
GROUP = "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:*:autoScalingGroupName/a-*"


def place_of(region: str) -> Place:
    return PLACES.get(region, Place("aws", region, "amazonaws.com"))


def found(*statements: dict[str, Any], kind: Kind = Kind.IDENTITY) -> list[str]:
    """Findings about a policy of these statements."""
    whole = tuple({"Effect": "Allow", "Sid": "Probe", **each} for each in statements)
    return sorted(each.what for each in findings([Policy(kind, "AWS::IAM::Role", ("Role",), whole)]))


@pytest.fixture(scope="module")
def every_finding(six: dict[str, Assembly], shipped: Assembly, variant: Assembly) -> set[str]:
    templates = [(region, each.templates) for region, each in six.items()]
    templates.append(("eu-central-1", variant.templates))
    return {
        str(finding) for region, each in templates for finding in findings(policies(each, place_of(region)))
    }


def test_every_statement_is_right_or_explained(every_finding: set[str]) -> None:
    assert sorted(every_finding - explained.IAM.keys()) == []


def test_no_explanation_outlives_its_finding(every_finding: set[str]) -> None:
    assert sorted(explained.IAM.keys() - every_finding) == []


def test_there_are_six_regions_of_every_kind(six: dict[str, Assembly]) -> None:
    """Each partition, one with two zones for most accounts, and a young one."""
    assert len(six) == 6
    assert set(six) > {"cn-north-1", "us-gov-west-1", "eu-central-1", "us-west-1", "mx-central-1"}


def test_policies_of_roles_resources_and_trust_are_read(variant: Assembly) -> None:
    read = list(policies(variant.templates, place_of("eu-central-1")))
    assert {policy.kind for policy in read} == set(Kind)
    carriers = {"AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy", "AWS::S3::BucketPolicy", "AWS::KMS::Key"}
    assert carriers <= {policy.carrier for policy in read}


def test_arns_are_those_of_the_partition(six: dict[str, Assembly]) -> None:
    held = policies(six["cn-north-1"].templates, place_of("cn-north-1"))
    (queues, *_) = (
        each for policy in held for each in policy.statements if each.get("Sid") == "ConsumeQueue"
    )
    assert queues["Resource"].startswith("arn:aws-cn:sqs:cn-north-1:123456789012:")


def test_a_value_that_nobody_taught_is_named() -> None:
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "Policy": {"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": {"Fn::If": 1}}}
        },
    }
    with pytest.raises(Unresolved, match="Fn::If"):
        list(policies({"a": {"Resources": {"Role": role}}}, place_of("us-east-1")))


# -- each check can fail -------------------------------------------------------------------------------


def test_a_statement_without_a_fault_has_no_finding() -> None:
    tag = {"StringEquals": {"aws:ResourceTag/swarmer:cluster": "a"}}
    assert found({"Action": "sqs:SendMessage", "Resource": QUEUE}) == []
    assert found({"Action": "autoscaling:SuspendProcesses", "Resource": GROUP, "Condition": tag}) == []
    assert found({"Action": "ec2:DescribeInstances", "Resource": "*"}) == []


def test_an_action_that_aws_does_not_have_is_found() -> None:
    assert found({"Action": "sqs:SendMesage", "Resource": QUEUE}) == ["sqs:SendMesage: no such action"]
    assert found({"Action": "queues:SendMessage", "Resource": QUEUE}) == [
        "queues:SendMessage: no such action"
    ]


def test_a_resource_of_another_type_is_found() -> None:
    assert found({"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::images/*"}) == [
        "::s3:::images/* is no resource of its actions",
        "s3:ListBucket does not act on ::s3:::images/*",
    ]
    assert "sqs:SendMessage does not act on ::sns:::jobs" in found(
        {"Action": "sqs:SendMessage", "Resource": QUEUE.replace("sqs", "sns")}
    )


def test_a_resource_that_only_other_actions_know_is_found() -> None:
    """AWS accepts such a policy at deployment, and refuses the action when it is called."""
    wrong = {"Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "arn:aws:s3:::images/*"}
    assert found(wrong) == ["s3:ListBucket does not act on ::s3:::images/*"]


def test_a_condition_key_that_the_action_does_not_support_is_found() -> None:
    tag = {"StringEquals": {"aws:ResourceTag/swarmer:cluster": "a"}}
    assert found({"Action": "ec2:DescribeInstances", "Resource": "*", "Condition": tag}) == [
        "ec2:DescribeInstances does not know the condition key aws:ResourceTag/swarmer:cluster"
    ]


def test_a_condition_operator_that_does_not_fit_the_key_is_found() -> None:
    condition = {"StringEquels": {"aws:SourceAccount": "1"}, "Bool": {"aws:SourceArn": "true"}}
    assert found({"Action": "sqs:SendMessage", "Resource": QUEUE, "Condition": condition}) == [
        "Bool does not compare aws:SourceArn, which is of type ARN",
        "StringEquels: no such condition operator",
    ]


def test_a_wildcard_is_found_if_the_action_knows_resources() -> None:
    assert found({"Action": "sqs:SendMessage", "Resource": "*"}) == [
        "sqs:SendMessage on *, although it can be limited to queue"
    ]
    assert "sqs:* is a wildcard" in found({"Action": "sqs:*", "Resource": QUEUE})
    assert "sqs:Sent*: no action of that name" in found({"Action": "sqs:Sent*", "Resource": QUEUE})


def test_an_action_without_the_one_it_depends_on_is_found() -> None:
    alone = {
        "Action": "ec2:CreateNetworkInterface",
        "Resource": "arn:aws:ec2:us-east-1:123456789012:network-interface/*",
    }
    tags = {"Action": "ec2:CreateTags", "Resource": "arn:aws:ec2:us-east-1:123456789012:network-interface/*"}
    assert found(alone) == ["ec2:CreateNetworkInterface needs ec2:CreateTags, too"]
    assert found(alone, tags) == []


def test_what_the_form_of_a_policy_lacks_is_found() -> None:
    anybody = {"Principal": "*", "Action": "sqs:SendMessage", "Resource": QUEUE}
    assert found(anybody, kind=Kind.RESOURCE) == ["anybody is allowed"]
    assert found({"Action": "sqs:SendMessage", "Resource": QUEUE}, kind=Kind.RESOURCE) == ["no Principal"]
    trust = {"Principal": {"Service": "ec2.amazonaws"}, "Action": "sts:AssumeRole"}
    assert found(trust, kind=Kind.TRUST) == ["ec2.amazonaws is no service principal"]
    assert "NotAction covers what nobody listed" in found({"NotAction": "sqs:*", "Resource": QUEUE})


@pytest.mark.parametrize(
    ("name", "arn", "types"),
    [
        ("s3:PutObject", "arn:aws:s3:::images/*", ["object"]),
        ("s3:ListBucket", "arn:aws:s3:::images", ["bucket"]),
        ("logs:PutLogEvents", "arn:aws:logs:eu-west-1:1:log-group:a/b:*", ["log-stream"]),
        ("ssm:GetParameter", "arn:aws:ssm:eu-west-1:1:parameter/a/b/c", ["parameter"]),
        ("ec2:GetConsoleOutput", "arn:aws:ec2:eu-west-1:1:volume/*", []),
    ],
)
def test_an_arn_is_matched_with_the_types_of_an_action(name: str, arn: str, types: list[str]) -> None:
    action = analyser.look_up(name)
    assert action
    assert matches(action, arn) == types
