"""Permissions boundaries: a role may do what both its policies and its boundary allow."""

from __future__ import annotations

import copy
import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from swarmer.fakeaws.base.preload import ACCOUNT
from tests.fakeaws.client import Aws
from tests.fakeaws.events_client import TRUST

LIMITS = f"arn:aws:iam::{ACCOUNT}:policy/limits"


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(*actions: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}


def template(boundary: str | None, *statements: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "RoleName": "bound",
        "AssumeRolePolicyDocument": TRUST,
        "Policies": [{"PolicyName": "p", "PolicyDocument": document(*statements)}],
    }
    if boundary:
        properties["PermissionsBoundary"] = boundary
    return {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": properties}}}


def limit(aws: Aws, *statements: dict[str, Any]) -> None:
    aws.client("iam").create_policy(PolicyName="limits", PolicyDocument=json.dumps(document(*statements)))


def ec2_of_the_role(aws: Aws) -> Any:
    arn = f"arn:aws:iam::{ACCOUNT}:role/bound"
    given = aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="bound")["Credentials"]
    return boto3.client(
        "ec2",
        endpoint_url=aws.server.url,
        region_name=aws.region,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


def test_only_what_both_allow_is_allowed(aws: Aws) -> None:
    limit(aws, allow("ec2:DescribeInstances", "ec2:DescribeSubnets"))
    aws.create("t", template(LIMITS, allow("ec2:DescribeInstances", "ec2:DescribeVpcs")))
    ec2 = ec2_of_the_role(aws)
    ec2.describe_instances()
    with pytest.raises(ClientError, match="no permissions boundary allows the ec2:DescribeVpcs action"):
        ec2.describe_vpcs()
    with pytest.raises(ClientError, match="no identity-based policy allows the ec2:DescribeSubnets action"):
        ec2.describe_subnets()


def test_a_denial_in_the_boundary_counts(aws: Aws) -> None:
    limit(aws, allow("*"), {"Effect": "Deny", "Action": "ec2:Describe*", "Resource": "*"})
    aws.create("t", template(LIMITS, allow("*")))
    with pytest.raises(ClientError, match="with an explicit deny in a permissions boundary"):
        ec2_of_the_role(aws).describe_vpcs()


def test_a_role_with_a_boundary_that_does_not_exist_is_not_created(aws: Aws) -> None:
    made = aws.create("t", template(LIMITS, allow("*")))
    assert made["StackStatus"] == "ROLLBACK_COMPLETE"
    (failed, *_) = aws.events("t", "CREATE_FAILED")
    assert f"Scope ARN: {LIMITS} does not exist or is not attachable" in failed["ResourceStatusReason"]


def test_the_account_of_the_rehearsal_stands_for_the_account_of_the_arn(aws: Aws) -> None:
    limit(aws, allow("ec2:DescribeInstances"))
    aws.create("t", template(LIMITS.replace(ACCOUNT, "999988887777"), allow("*")))
    with pytest.raises(ClientError, match="no permissions boundary allows"):
        ec2_of_the_role(aws).describe_vpcs()


def test_a_policy_of_aws_may_be_the_boundary(aws: Aws) -> None:
    aws.create("t", template("arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess", allow("*")))
    ec2 = ec2_of_the_role(aws)
    ec2.describe_vpcs()
    with pytest.raises(ClientError, match="no permissions boundary allows the ec2:CreateVpc action"):
        ec2.create_vpc(CidrBlock="10.0.0.0/16")


def test_an_update_changes_boundary_and_policies_of_the_same_role(aws: Aws) -> None:
    limit(aws, allow("ec2:DescribeInstances"))
    free = template(None, allow("ec2:DescribeVpcs"))
    aws.create("t", free)
    ec2 = ec2_of_the_role(aws)
    ec2.describe_vpcs()
    bound = template(LIMITS, allow("ec2:DescribeVpcs", "ec2:DescribeInstances"))
    assert aws.update("t", bound)["StackStatus"] == "UPDATE_COMPLETE"
    ec2.describe_instances()
    with pytest.raises(ClientError, match="no permissions boundary allows"):
        ec2.describe_vpcs()
    without = copy.deepcopy(free)
    without["Resources"]["Role"]["Properties"]["Policies"] = []
    aws.update("t", without)
    with pytest.raises(ClientError, match="no identity-based policy allows"):
        ec2.describe_vpcs()


def test_an_update_leaves_policies_of_other_resources_attached(aws: Aws) -> None:
    made = template(None)
    made["Resources"]["Policy"] = {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "PolicyName": "other",
            "PolicyDocument": document(allow("ec2:DescribeVpcs")),
            "Roles": [{"Ref": "Role"}],
        },
    }
    aws.create("t", made)
    changed = copy.deepcopy(made)
    changed["Resources"]["Role"]["Properties"]["Tags"] = [{"Key": "a", "Value": "b"}]
    assert aws.update("t", changed)["StackStatus"] == "UPDATE_COMPLETE"
    ec2_of_the_role(aws).describe_vpcs()
