"""The resources that moto has no model of: found by their type, created, updated and deleted."""

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
