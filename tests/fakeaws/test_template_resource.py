"""Resources of templates whose protocol is extended: their creation, update and deletion."""

from __future__ import annotations

import json
from typing import Any

from tests.fakeaws.client import Aws
from tests.fakeaws.template import att, ref

TYPES = {"AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::EC2::SecurityGroupEgress"}


def policy(sid: str) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def queues(target: str, sid: str) -> dict[str, Any]:
    """Two queues, one of them with a policy."""
    return {
        "Resources": {
            "First": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "first"}},
            "Second": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "second"}},
            "Policy": {
                "Type": "AWS::SQS::QueuePolicy",
                "Properties": {"Queues": [ref(target)], "PolicyDocument": policy(sid)},
            },
        }
    }


def sid_of(aws: Aws, queue: str) -> str | None:
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {})
    return json.loads(found["Policy"])["Statement"][0]["Sid"] if "Policy" in found else None


def test_moto_finds_every_model(aws: Aws) -> None:
    from moto.cloudformation import parsing

    found = {kind for kind, model in parsing.get_model_map().items() if "fakeaws" in model.__module__}
    assert found >= TYPES


def test_a_queue_policy_moves_to_another_queue(aws: Aws) -> None:
    aws.create("t", queues("First", "old"))
    before = aws.resource("t", "Policy")
    assert (sid_of(aws, "first"), sid_of(aws, "second")) == ("old", None)
    assert aws.update("t", queues("Second", "new"))["StackStatus"] == "UPDATE_COMPLETE"
    assert (sid_of(aws, "first"), sid_of(aws, "second")) == (None, "new")
    assert aws.resource("t", "Policy") == before
    without = queues("Second", "new")
    del without["Resources"]["Policy"]
    aws.update("t", without)
    assert sid_of(aws, "second") is None


def test_a_bucket_policy_changes_in_place(aws: Aws) -> None:
    def template(sid: str) -> dict[str, Any]:
        properties = {"Bucket": ref("Bucket"), "PolicyDocument": policy(sid)}
        return {
            "Resources": {
                "Bucket": {"Type": "AWS::S3::Bucket"},
                "Policy": {"Type": "AWS::S3::BucketPolicy", "Properties": properties},
            }
        }

    aws.create("t", template("old"))
    aws.update("t", template("new"))
    bucket = aws.resource("t", "Bucket")
    assert aws.resource("t", "Policy") == bucket
    held = json.loads(aws.client("s3").get_bucket_policy(Bucket=bucket)["Policy"])
    assert held["Statement"][0]["Sid"] == "new"


def egress(port: int) -> dict[str, Any]:
    rule = {"GroupId": att("Group", "GroupId"), "IpProtocol": "tcp", "FromPort": port, "ToPort": port}
    group = {"GroupDescription": "d", "SecurityGroupEgress": [], "VpcId": ref("Vpc")}
    return {
        "Resources": {
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
            "Group": {"Type": "AWS::EC2::SecurityGroup", "Properties": group},
            "Egress": {
                "Type": "AWS::EC2::SecurityGroupEgress",
                "Properties": {**rule, "CidrIp": "10.0.0.0/8"},
            },
        }
    }


def test_a_change_of_an_egress_rule_is_reported_as_not_rehearsed(aws: Aws) -> None:
    from swarmer.fakeaws.cloudformation import coverage

    aws.create("t", egress(1))
    assert aws.resource("t", "Egress") == f"{aws.resource('t', 'Group')}-egress"
    assert aws.update("t", egress(2))["StackStatus"] == "UPDATE_COMPLETE"
    (skipped,) = (each for each in coverage.listing()["skipped"] if each["logical_id"] == "Egress")
    assert skipped["why"].startswith("moto cannot change this type")


def template(**resources: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """A template of these resources: logical ID, type and properties."""
    return {"Resources": {name: {"Type": kind, "Properties": own} for name, (kind, own) in resources.items()}}


def test_tags_of_a_parameter_are_a_mapping(aws: Aws) -> None:
    properties = {"Type": "String", "Name": "/p", "Value": "v", "Tags": {"a": "b"}}
    aws.create("t", template(Parameter=("AWS::SSM::Parameter", properties)))
    found = aws.client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId="/p")
    assert found["TagList"] == [{"Key": "a", "Value": "b"}]


def test_a_change_of_a_layer_creates_another_version_and_updates_its_function(aws: Aws) -> None:
    def layered(key: str) -> dict[str, Any]:
        return template(
            Role=("AWS::IAM::Role", {"AssumeRolePolicyDocument": policy("trust")}),
            Layer=(
                "AWS::Lambda::LayerVersion",
                {"Content": {"S3Bucket": "archives", "S3Key": key}},
            ),
            Function=(
                "AWS::Lambda::Function",
                {
                    "FunctionName": "f",
                    "Runtime": "python3.13",
                    "Handler": "index.handle",
                    "Role": att("Role", "Arn"),
                    "Code": {"S3Bucket": "archives", "S3Key": "first"},
                    "Layers": [ref("Layer")],
                },
            ),
        )

    s3 = aws.client("s3")
    s3.create_bucket(Bucket="archives")
    for key in ("first", "second"):
        s3.put_object(Bucket="archives", Key=key, Body=key.encode())
    for version, key in ((1, "first"), (2, "second")):
        (aws.update if version > 1 else aws.create)("t", layered(key))
        assert aws.resource("t", "Layer").endswith(f":{version}")
        (layer,) = aws.client("lambda").get_function(FunctionName="f")["Configuration"]["Layers"]
        assert layer["Arn"].endswith(f":{version}")


def test_a_bucket_and_a_queue_that_cloudformation_named_change_in_place(aws: Aws) -> None:
    def changed(status: str, timeout_s: int) -> dict[str, Any]:
        return template(
            Bucket=("AWS::S3::Bucket", {"VersioningConfiguration": {"Status": status}}),
            Queue=("AWS::SQS::Queue", {"VisibilityTimeout": timeout_s, "DelaySeconds": timeout_s}),
        )

    aws.create("t", changed("Enabled", 1))
    bucket, url = aws.resource("t", "Bucket"), aws.resource("t", "Queue")
    aws.update("t", changed("Suspended", 2))
    assert (aws.resource("t", "Bucket"), aws.resource("t", "Queue")) == (bucket, url)
    assert aws.client("s3").get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"
    names = ["VisibilityTimeout", "DelaySeconds"]
    found = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    assert found == {"VisibilityTimeout": "2", "DelaySeconds": "2"}


def test_another_description_replaces_a_security_group(aws: Aws) -> None:
    aws.create("t", egress(1))
    before = aws.resource("t", "Group")
    other = egress(1)
    other["Resources"]["Group"]["Properties"]["GroupDescription"] = "other"
    assert aws.update("t", other)["StackStatus"] == "UPDATE_COMPLETE"
    assert aws.resource("t", "Group") != before
