"""Command documents, managed policies and policies of logs in templates."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakeaws.client import Aws
from tests.fakeaws.template import TRUST, ref

PARAMETERS = {"Id": {"type": "String", "description": "d", "allowedPattern": "^[0-9a-f]{32}$"}}


def template(**resources: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return {"Resources": {name: {"Type": kind, "Properties": own} for name, (kind, own) in resources.items()}}


def command(line: str, *, method: str | None = "NewVersion", **tags: str) -> dict[str, Any]:
    """A template with a document that runs one line."""
    step = {"action": "aws:runShellScript", "name": "run", "inputs": {"runCommand": [line]}}
    properties = {
        "Name": "t-status",
        "DocumentType": "Command",
        "DocumentFormat": "JSON",
        "TargetType": "/AWS::EC2::Instance",
        "Content": {"schemaVersion": "2.2", "parameters": PARAMETERS, "mainSteps": [step]},
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }
    if method:
        properties["UpdateMethod"] = method
    return template(Document=("AWS::SSM::Document", properties))


def line_of(aws: Aws, **version: str) -> str:
    found = json.loads(aws.client("ssm").get_document(Name="t-status", **version)["Content"])
    return str(found["mainSteps"][0]["inputs"]["runCommand"][0])


def test_a_document_is_made_and_described(aws: Aws) -> None:
    assert aws.create("t", command("true", a="b"))["StackStatus"] == "CREATE_COMPLETE"
    assert aws.resource("t", "Document") == "t-status"
    assert line_of(aws) == "true"
    found = aws.client("ssm").describe_document(Name="t-status")["Document"]
    assert (found["DocumentType"], found["TargetType"]) == ("Command", "/AWS::EC2::Instance")
    assert found["SchemaVersion"] == "2.2"
    assert [each["Name"] for each in found["Parameters"]] == ["Id"]
    listed = aws.client("ssm").list_tags_for_resource(ResourceType="Document", ResourceId="t-status")
    assert {"Key": "a", "Value": "b"} in listed["TagList"]


def test_another_content_is_the_new_default_version(aws: Aws) -> None:
    aws.create("t", command("first"))
    assert aws.update("t", command("second"))["StackStatus"] == "UPDATE_COMPLETE"
    assert line_of(aws) == "second"
    assert line_of(aws, DocumentVersion="1") == "first"
    aws.update("t", command("first"))
    assert line_of(aws) == "first", "a rollback may bring a former content back"


def test_a_content_that_systems_manager_refuses_leaves_the_former_one(aws: Aws) -> None:
    aws.create("t", command("first"))
    assert aws.update("t", command("{{ Nobody }}"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Nobody is used but not defined" in aws.events("t", "UPDATE_FAILED")[0]["ResourceStatusReason"]
    assert line_of(aws) == "first"


def test_other_tags_make_no_version(aws: Aws) -> None:
    aws.create("t", command("first", a="b"))
    aws.update("t", command("first", c="d"))
    ssm = aws.client("ssm")
    assert ssm.describe_document(Name="t-status")["Document"]["LatestVersion"] == "1"
    tags = ssm.list_tags_for_resource(ResourceType="Document", ResourceId="t-status")["TagList"]
    assert {"Key": "c", "Value": "d"} in tags
    assert {"Key": "a", "Value": "b"} not in tags


def test_a_document_with_a_name_is_not_replaced(aws: Aws) -> None:
    aws.create("t", command("first", method=None))
    assert aws.update("t", command("second", method=None))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    why = aws.events("t", "UPDATE_FAILED")[0]["ResourceStatusReason"]
    assert "when a custom-named resource requires replacing. Rename t-status" in why
    assert line_of(aws) == "first"


def test_a_document_goes_with_its_stack(aws: Aws) -> None:
    aws.create("t", command("first"))
    aws.update("t", command("second"))
    aws.client("cloudformation").delete_stack(StackName="t")
    with pytest.raises(ClientError, match="InvalidDocument"):
        aws.client("ssm").get_document(Name="t-status")
    assert aws.create("t", command("third"))["StackStatus"] == "CREATE_COMPLETE"


# -- managed policies ------------------------------------------------------------------------------------


def managed(action: str) -> dict[str, Any]:
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}],
    }
    return template(
        Policy=("AWS::IAM::ManagedPolicy", {"ManagedPolicyName": "t-viewer", "PolicyDocument": document})
    )


def allowed(aws: Aws) -> str:
    iam, arn = aws.client("iam"), aws.resource("t", "Policy")
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    return str(found["Statement"][0]["Action"])


def test_a_managed_policy_changes_in_place_as_often_as_it_has_to(aws: Aws) -> None:
    actions = [f"ec2:Describe{each}" for each in ("Vpcs", "Subnets", "Images", "Tags", "Hosts", "Volumes")]
    aws.create("t", managed(actions[0]))
    arn = aws.resource("t", "Policy")
    assert arn == "arn:aws:iam::123456789012:policy/t-viewer"
    for action in actions[1:]:
        assert aws.update("t", managed(action))["StackStatus"] == "UPDATE_COMPLETE"
        assert allowed(aws) == action
    assert aws.resource("t", "Policy") == arn
    assert len(aws.client("iam").list_policy_versions(PolicyArn=arn)["Versions"]) == 5


def test_a_managed_policy_goes_with_its_stack(aws: Aws) -> None:
    aws.create("t", managed("ec2:DescribeVpcs"))
    aws.client("cloudformation").delete_stack(StackName="t")
    assert aws.create("t", managed("ec2:DescribeTags"))["StackStatus"] == "CREATE_COMPLETE"
    assert allowed(aws) == "ec2:DescribeTags"


def test_a_managed_policy_that_somebody_has_stays_behind(aws: Aws) -> None:
    aws.create("t", managed("ec2:DescribeVpcs"))
    iam, arn = aws.client("iam"), aws.resource("t", "Policy")
    iam.create_role(RoleName="person", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.attach_role_policy(RoleName="person", PolicyArn=arn)
    aws.client("cloudformation").delete_stack(StackName="t")
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1


# -- policies of logs --------------------------------------------------------------------------------------


def test_a_policy_of_logs_changes_in_place_and_goes_with_its_stack(aws: Aws) -> None:
    def policy(sid: str) -> dict[str, Any]:
        document = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": sid}]})
        return template(
            Group=("AWS::Logs::LogGroup", {"LogGroupName": "/aws/events/t"}),
            Policy=("AWS::Logs::ResourcePolicy", {"PolicyName": "t", "PolicyDocument": document}),
        )

    logs = aws.client("logs")
    aws.create("t", policy("first"))
    assert aws.update("t", policy("second"))["StackStatus"] == "UPDATE_COMPLETE"
    (found,) = logs.describe_resource_policies()["resourcePolicies"]
    assert json.loads(found["policyDocument"])["Statement"] == [{"Sid": "second"}]
    aws.client("cloudformation").delete_stack(StackName="t")
    assert logs.describe_resource_policies()["resourcePolicies"] == []


def test_a_ref_of_a_managed_policy_is_its_arn(aws: Aws) -> None:
    with_output = managed("ec2:DescribeVpcs")
    with_output["Outputs"] = {"Viewer": {"Value": ref("Policy")}}
    (output,) = aws.create("t", with_output)["Outputs"]
    assert output["OutputValue"] == "arn:aws:iam::123456789012:policy/t-viewer"
