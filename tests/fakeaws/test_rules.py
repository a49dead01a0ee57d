"""Rules of a template are checked before anything happens, with the values that parameters keep."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.cloudformation.exceptions import ValidationError

from swarmer.fakeaws.cloudformation import rules
from tests.fakeaws.client import Aws

WORDS = "the size cannot change; write the former one"


def template(size: str, *, admits: list[str] | None = None) -> dict[str, Any]:
    """Template that records its size when it is made, and admits only these recorded ones."""
    recorded = {"Ref": "Size"}
    return {
        "Parameters": {"Size": {"Type": "String", "Default": size}},
        "Rules": {
            "SizeIsFixed": {
                "Assertions": [
                    {"Assert": {"Fn::Contains": [admits or [size], recorded]}, "AssertDescription": WORDS}
                ]
            }
        },
        "Resources": {
            "P": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Type": "String", "Name": "/p", "Value": size},
            }
        },
    }


def value(aws: Aws) -> str:
    return str(aws.client("ssm").get_parameter(Name="/p")["Parameter"]["Value"])


def test_a_parameter_keeps_the_default_of_the_template_that_made_the_stack(aws: Aws) -> None:
    aws.create("t", template("3"))
    stack = aws.update("t", template("5", admits=["3", "5"]), keep=["Size"])
    assert [each["ParameterValue"] for each in stack["Parameters"]] == ["3"]
    assert value(aws) == "5"
    with pytest.raises(ClientError, match=WORDS):
        aws.update("t", template("7", admits=["5", "7"]), keep=["Size"])


def test_an_update_that_breaks_a_rule_changes_nothing(aws: Aws) -> None:
    aws.create("t", template("3"))
    with pytest.raises(ClientError, match=f"ValidationError.*{WORDS}"):
        aws.update("t", template("5"), keep=["Size"])
    assert value(aws) == "3"
    assert aws.stack("t")["StackStatus"] == "CREATE_COMPLETE"
    assert aws.update("t", template("5"))["StackStatus"] == "UPDATE_COMPLETE"


def test_a_change_set_that_breaks_a_rule_is_not_made(aws: Aws) -> None:
    aws.create("t", template("3"))
    wanted: dict[str, Any] = {"StackName": "t", "ChangeSetName": "c", "ChangeSetType": "UPDATE"}
    wanted["Parameters"] = [{"ParameterKey": "Size", "UsePreviousValue": True}]
    with pytest.raises(ClientError, match=WORDS):
        aws.client("cloudformation").create_change_set(**wanted, TemplateBody=json.dumps(template("5")))
    with pytest.raises(ClientError, match="does not exist"):
        aws.client("cloudformation").describe_change_set(StackName="t", ChangeSetName="c")
    assert value(aws) == "3"


@pytest.mark.parametrize("kind", ["stack", "change set"])
def test_a_stack_whose_parameters_break_a_rule_is_not_made(aws: Aws, kind: str) -> None:
    client, body = aws.client("cloudformation"), json.dumps(template("3", admits=["5"]))
    with pytest.raises(ClientError, match=WORDS):
        if kind == "stack":
            client.create_stack(StackName="t", TemplateBody=body)
        else:
            client.create_change_set(
                StackName="t", ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=body
            )
    assert client.describe_stacks()["Stacks"] == []


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ({"Fn::Equals": [{"Ref": "A"}, "1"]}, True),
        ({"Fn::Not": [{"Fn::Equals": [{"Ref": "A"}, "1"]}]}, False),
        ({"Fn::And": [{"Fn::Equals": ["a", "a"]}, {"Fn::Contains": [["2"], {"Ref": "A"}]}]}, False),
        ({"Fn::Or": [{"Fn::Equals": ["a", "a"]}, {"Fn::Contains": [["2"], {"Ref": "A"}]}]}, True),
        ({"Fn::EachMemberEquals": [["1", {"Ref": "A"}], "1"]}, True),
        ({"Fn::EachMemberIn": [["1", "2"], ["2", "3"]]}, False),
    ],
)
def test_functions_of_rules(expression: dict[str, Any], holds: bool) -> None:
    written = {"Rules": {"R": {"Assertions": [{"Assert": expression}]}}}
    assert rules.broken(written, {"A": "1"}) == ([] if holds else ["rule R is broken"])


def test_a_rule_whose_condition_does_not_hold_is_not_checked() -> None:
    never = {"Fn::Equals": ["a", "b"]}
    rule = {"RuleCondition": never, "Assertions": [{"Assert": never}]}
    assert rules.broken({"Rules": {"R": rule}}, {}) == []


def test_a_function_that_is_not_rehearsed_is_no_silent_yes() -> None:
    written = {"Rules": {"R": {"Assertions": [{"Assert": {"Fn::RefAll": "AWS::EC2::VPC::Id"}}]}}}
    with pytest.raises(ValidationError, match="Fn::RefAll in Rules is not rehearsed"):
        rules.broken(written, {})
