"""A bucket that outlived its stack: imported on request, otherwise an obstacle to a second stack."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakeaws.client import Aws
from tests.fakeaws.template import ref

NAME = "kept-images"


def template(**more: Any) -> dict[str, Any]:
    bucket = {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "Properties": {"BucketName": NAME}}
    policy: dict[str, Any] = {"Version": "2012-10-17", "Statement": []}
    return {
        "Resources": {
            "Bucket": {**bucket, **more},
            "Policy": {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {"Bucket": ref("Bucket"), "PolicyDocument": policy},
            },
        },
        "Outputs": {"BucketName": {"Value": ref("Bucket")}},
    }


def by_change_set(aws: Aws, stack: str, text: dict[str, Any], kind: str = "CREATE") -> list[dict[str, Any]]:
    """Deploy like `cdk deploy --import-existing-resources`. Returns the announced changes."""
    client = aws.client("cloudformation")
    client.create_change_set(
        StackName=stack,
        ChangeSetName="change",
        ChangeSetType=kind,
        TemplateBody=json.dumps(text),
        ImportExistingResources=True,
    )
    found = client.describe_change_set(StackName=stack, ChangeSetName="change")["Changes"]
    client.execute_change_set(StackName=stack, ChangeSetName="change")
    return [each["ResourceChange"] for each in found]


def push(aws: Aws) -> None:
    aws.client("s3").put_object(Bucket=NAME, Key="image", Body=b"layers")


def images(aws: Aws) -> list[str]:
    return [each["Key"] for each in aws.client("s3").list_objects_v2(Bucket=NAME).get("Contents", ())]


@pytest.fixture
def kept(aws: Aws) -> Aws:
    """A bucket with an image, whose stack is gone."""
    aws.create("first", template())
    push(aws)
    aws.client("cloudformation").delete_stack(StackName="first")
    return aws


def test_a_retained_bucket_outlives_its_stack_and_its_policy_does_not(kept: Aws) -> None:
    assert images(kept) == ["image"]
    with pytest.raises(kept.client("s3").exceptions.ClientError, match="NoSuchBucketPolicy"):
        kept.client("s3").get_bucket_policy(Bucket=NAME)


def test_a_stack_with_its_name_fails_and_says_that_it_is_there(kept: Aws) -> None:
    assert kept.create("second", template())["StackStatus"] == "ROLLBACK_COMPLETE"
    (failed,) = kept.events("second", "CREATE_FAILED")
    assert (failed["LogicalResourceId"], failed["ResourceType"]) == ("Bucket", "AWS::S3::Bucket")
    assert failed["ResourceStatusReason"] == f"{NAME} already exists"
    assert images(kept) == ["image"]


def test_a_change_set_that_imports_takes_it_in_as_it_is(kept: Aws) -> None:
    changes = by_change_set(kept, "second", template())
    assert {each["LogicalResourceId"]: each["Action"] for each in changes} == {
        "Bucket": "Import",
        "Policy": "Add",
    }
    stack = kept.stack("second")
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Outputs"][0]["OutputValue"] == NAME
    assert kept.resource("second", "Bucket") == NAME
    assert images(kept) == ["image"]
    assert kept.client("s3").get_bucket_policy(Bucket=NAME)["Policy"]


def test_it_is_retained_again_and_taken_in_again(kept: Aws) -> None:
    for name in ("second", "third"):
        by_change_set(kept, name, template())
        kept.client("cloudformation").delete_stack(StackName=name)
    assert images(kept) == ["image"]


def test_where_there_is_none_an_importing_change_set_makes_it(aws: Aws) -> None:
    assert {each["Action"] for each in by_change_set(aws, "first", template())} == {"Add"}
    assert aws.stack("first")["StackStatus"] == "CREATE_COMPLETE"
    push(aws)
    assert images(aws) == ["image"]


def test_an_update_takes_it_in_too(kept: Aws) -> None:
    queue = {"Type": "AWS::SQS::Queue"}
    kept.create("second", {"Resources": {"Queue": queue}})
    wanted = template()
    wanted["Resources"]["Queue"] = queue
    by_change_set(kept, "second", wanted, "UPDATE")
    assert kept.stack("second")["StackStatus"] == "UPDATE_COMPLETE"
    assert images(kept) == ["image"]


def test_the_bucket_of_a_stack_that_is_there_is_not_taken_from_it(aws: Aws) -> None:
    aws.create("first", template())
    by_change_set(aws, "second", template())
    assert aws.stack("second")["StackStatus"] == "ROLLBACK_COMPLETE"
    assert f"{NAME} already exists" in aws.events("second", "CREATE_FAILED")[0]["ResourceStatusReason"]
    assert aws.resource("first", "Bucket") == NAME


def test_only_what_says_that_it_is_retained_is_taken_in(kept: Aws) -> None:
    by_change_set(kept, "second", template(DeletionPolicy="Delete"))
    assert kept.stack("second")["StackStatus"] == "ROLLBACK_COMPLETE"
    assert images(kept) == ["image"]


def test_a_stack_that_fails_after_it_took_it_in_leaves_it_there(kept: Aws) -> None:
    text = template()
    text["Resources"]["Group"] = {
        "Type": "AWS::AutoScaling::AutoScalingGroup",
        "DependsOn": ["Policy"],
        "Properties": {"MinSize": "1", "MaxSize": "1", "LaunchConfigurationName": "nobody-made-it"},
    }
    by_change_set(kept, "second", text)
    assert kept.stack("second")["StackStatus"] == "ROLLBACK_COMPLETE"
    assert images(kept) == ["image"]


def test_a_bucket_that_an_update_drops_is_retained(aws: Aws) -> None:
    text = template()
    aws.create("first", text)
    push(aws)
    aws.update("first", {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
    assert aws.stack("first")["StackStatus"] == "UPDATE_COMPLETE"
    assert images(aws) == ["image"]
