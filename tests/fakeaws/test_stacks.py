from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakeaws.client import Aws
from tests.fakeaws.template import att, cluster, ref

# Moto's, about its own gaps; the daemon ignores them too and lists the gaps instead.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def not_rehearsed(aws: Aws) -> dict[str, list[dict[str, str]]]:
    with urllib.request.urlopen(f"{aws.server.url}/swarmer/not-rehearsed") as answer:
        found: dict[str, list[dict[str, str]]] = json.load(answer)
    return found


def broken() -> dict[str, Any]:
    template = cluster()
    template["Resources"]["Template"]["Properties"]["LaunchTemplateData"]["SecurityGroupIds"] = ["sg-none"]
    return template


def test_stack_of_a_cluster_is_created(aws: Aws) -> None:
    stack = aws.create("t", cluster())
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Outputs"][0]["OutputValue"] == "t-core"


def test_failing_resource_rolls_the_stack_back_and_says_why(aws: Aws) -> None:
    assert aws.create("t", broken())["StackStatus"] == "ROLLBACK_COMPLETE"
    failed = aws.events("t", "CREATE_FAILED")
    assert [event["LogicalResourceId"] for event in failed] == ["Group"]
    assert "sg-none" in failed[0]["ResourceStatusReason"]


def test_describing_a_failed_stack_creates_nothing(aws: Aws) -> None:
    aws.create("t", broken())
    before = len(aws.client("ec2").describe_vpcs()["Vpcs"])
    assert "Outputs" not in aws.stack("t")
    assert aws.client("cloudformation").describe_stack_resources(StackName="t")["StackResources"] == []
    assert len(aws.client("ec2").describe_vpcs()["Vpcs"]) == before
    assert aws.instances("t-core") == []


def test_failed_stack_can_be_deleted_and_created_again(aws: Aws) -> None:
    aws.create("t", broken())
    aws.client("cloudformation").delete_stack(StackName="t")
    assert aws.create("t", cluster())["StackStatus"] == "CREATE_COMPLETE"
    assert len(aws.instances("t-core")) == 5


def test_deleted_stack_takes_its_instances_and_exports_along(aws: Aws) -> None:
    stack_id = aws.create("t", cluster())["StackId"]
    aws.client("cloudformation").delete_stack(StackName="t")
    assert aws.stack(stack_id)["StackStatus"] == "DELETE_COMPLETE"
    assert aws.instances("t-core") == []
    assert aws.client("cloudformation").list_exports()["Exports"] == []


def test_second_deploy_of_the_same_template_changes_nothing(aws: Aws) -> None:
    aws.create("t", cluster())
    before = aws.instances("t-core")
    with pytest.raises(ClientError, match=r"No updates are to be performed\."):
        aws.update("t", cluster(), keep=("Image", "Words"))
    assert aws.stack("t")["StackStatus"] == "CREATE_COMPLETE"
    assert aws.instances("t-core") == before


def test_update_keeps_parameters_that_were_left_to_their_defaults(aws: Aws) -> None:
    aws.create("t", cluster())
    stack = aws.update("t", cluster(MinSize="6", MaxSize="6"), keep=("Image", "Words"))
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    values = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
    assert values["Words"] == "as before"


def test_failing_update_brings_the_old_template_back(aws: Aws) -> None:
    aws.create("t", cluster())
    bad = cluster(user_data="#changed\n")
    bad["Resources"]["Second"] = {
        "Type": "AWS::EC2::Subnet",
        "Properties": {"VpcId": ref("Vpc"), "CidrBlock": "192.0.2.0/24"},
    }
    assert aws.update("t", bad)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert [event["LogicalResourceId"] for event in aws.events("t", "UPDATE_FAILED")] == ["Second"]
    body = aws.client("cloudformation").get_template(StackName="t")["TemplateBody"]
    assert "Second" not in body["Resources"]


def test_importing_stack_sees_an_export_that_an_update_added(aws: Aws) -> None:
    aws.create("t", cluster())
    changed = cluster()
    changed["Outputs"]["Vpc"] = {"Value": ref("Vpc"), "Export": {"Name": "t:Vpc"}}
    aws.update("t", changed)
    importer = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Name": "/vpc"}}
    importer["Properties"]["Value"] = {"Fn::ImportValue": "t:Vpc"}  # type: ignore[index]
    assert aws.create("u", {"Resources": {"P": importer}})["StackStatus"] == "CREATE_COMPLETE"


def importing(export: str) -> dict[str, Any]:
    properties = {"Type": "String", "Name": "/imported", "Value": {"Fn::ImportValue": export}}
    return {"Resources": {"P": {"Type": "AWS::SSM::Parameter", "Properties": properties}}}


def test_an_export_that_is_in_use_cannot_be_removed(aws: Aws) -> None:
    """The rule keeps each zone's subnet while groups and functions are in it."""
    aws.create("t", cluster())
    aws.create("u", importing("t-core:Group"))
    without = cluster()
    del without["Outputs"]
    without["Resources"]["More"] = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "more"}}
    assert aws.update("t", without)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    why = aws.events("t", "UPDATE_FAILED")[0]["ResourceStatusReason"]
    assert "Export t-core:Group cannot be deleted as it is in use by u" in why
    assert "QueueUrls" not in aws.client("sqs").list_queues(), "nothing had begun"
    aws.client("cloudformation").delete_stack(StackName="u")
    assert aws.update("t", without)["StackStatus"] == "UPDATE_COMPLETE"


def test_an_export_that_is_in_use_cannot_change(aws: Aws) -> None:
    aws.create("t", cluster())
    aws.create("u", importing("t-core:Group"))
    other = cluster()
    other["Outputs"]["Group"]["Value"] = "another"
    assert aws.update("t", other)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    why = aws.events("t", "UPDATE_FAILED")[0]["ResourceStatusReason"]
    assert "Export t-core:Group cannot be updated as it is in use by u" in why


def test_export_of_another_stack_cannot_be_taken(aws: Aws) -> None:
    aws.create("t", cluster())
    template = cluster(cidr="127.43")
    template["Resources"]["Group"]["Properties"]["AutoScalingGroupName"] = "u-core"
    second = aws.create("u", template)
    assert second["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "t-core:Group is already exported" in aws.events("u", "CREATE_FAILED")[0]["ResourceStatusReason"]


def test_change_set_creates_and_exports(aws: Aws) -> None:
    client = aws.client("cloudformation")
    client.create_change_set(
        StackName="t", ChangeSetName="first", ChangeSetType="CREATE", TemplateBody=json.dumps(cluster())
    )
    client.execute_change_set(StackName="t", ChangeSetName="first")
    assert aws.stack("t")["StackStatus"] == "CREATE_COMPLETE"
    assert [export["Name"] for export in client.list_exports()["Exports"]] == ["t-core:Group"]


def test_change_set_updates_with_previous_values(aws: Aws) -> None:
    aws.create("t", cluster())
    client = aws.client("cloudformation")
    client.create_change_set(
        StackName="t",
        ChangeSetName="second",
        ChangeSetType="UPDATE",
        TemplateBody=json.dumps(cluster(MinSize="6", MaxSize="6")),
        Parameters=[{"ParameterKey": "Image", "UsePreviousValue": True}],
    )
    client.execute_change_set(StackName="t", ChangeSetName="second")
    assert aws.stack("t")["StackStatus"] == "UPDATE_COMPLETE"
    assert len(aws.instances("t-core")) == 6


def test_change_sets_of_two_stacks_may_have_the_same_name(aws: Aws) -> None:
    client = aws.client("cloudformation")
    for name in ("t", "u"):
        body = json.dumps({"Resources": {name: {"Type": "AWS::SQS::Queue"}}})
        client.create_change_set(
            StackName=name, ChangeSetName="same", ChangeSetType="CREATE", TemplateBody=body
        )
    client.execute_change_set(StackName="u", ChangeSetName="same")
    client.delete_change_set(StackName="u", ChangeSetName="same")
    assert aws.stack("t")["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert client.describe_change_set(StackName="t", ChangeSetName="same")["StackName"] == "t"
    assert aws.resource("u", "u")
    with pytest.raises(client.exceptions.ChangeSetNotFoundException):
        client.describe_change_set(StackName="u", ChangeSetName="same")


def test_missing_public_parameter_is_refused_at_once(aws: Aws) -> None:
    template = cluster()
    template["Parameters"]["Image"]["Default"] = "/aws/service/nobody/knows"
    with pytest.raises(ClientError, match="/aws/service/nobody/knows"):
        aws.create("t", template)


def test_zone_that_the_region_does_not_have_fails_with_the_reason(aws: Aws) -> None:
    aws.region = "eu-west-1"
    template = cluster()
    subnet = template["Resources"]["Subnet2"]["Properties"]
    subnet["AvailabilityZone"] = {"Fn::Select": [3, {"Fn::GetAZs": ""}]}
    aws.create("t", template)
    assert "index 3" in aws.events("t", "CREATE_FAILED")[0]["ResourceStatusReason"]


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_zones_are_those_of_the_region(aws: Aws, region: str) -> None:
    aws.region = region
    aws.create("t", cluster())
    zones = {each["Placement"]["AvailabilityZone"] for each in aws.instances("t-core")}
    assert zones == {f"{region}{letter}" for letter in "abc"}


def test_type_that_moto_does_not_know_is_listed_and_can_be_referred_to(aws: Aws) -> None:
    template = cluster()
    template["Resources"]["Alarms"] = {"Type": "AWS::SNS::Topic"}
    template["Outputs"]["Vpn"] = {"Value": ref("Vpn")}
    template["Outputs"]["VpnId"] = {"Value": att("Vpn", "ClientVpnEndpointArn")}
    outputs = {each["OutputKey"]: each["OutputValue"] for each in aws.create("t", template)["Outputs"]}
    assert outputs["Vpn"].startswith("t-Vpn-")
    skipped = {(each["logical_id"], each["type"]) for each in not_rehearsed(aws)["skipped"]}
    assert ("Vpn", "AWS::EC2::ClientVpnEndpoint") in skipped
    assert ("Group", "AWS::AutoScaling::AutoScalingGroup") in skipped  # its UpdatePolicy
    without_effect = {each["type"] for each in not_rehearsed(aws)["without_effect"]}
    assert "AWS::SNS::Topic" in without_effect
    assert "AWS::EC2::SecurityGroup" not in without_effect


def test_change_that_moto_cannot_make_is_listed_and_keeps_the_resource(aws: Aws) -> None:
    aws.create("t", cluster())
    vpc = aws.resource("t", "Vpc")
    changed = cluster()
    changed["Resources"]["Vpc"]["Properties"]["EnableDnsHostnames"] = True
    aws.update("t", changed)
    assert aws.resource("t", "Vpc") == vpc
    assert "Vpc" in {each["logical_id"] for each in not_rehearsed(aws)["skipped"]}


def test_security_group_changes_its_rules_and_stays_the_same_group(aws: Aws) -> None:
    aws.create("t", cluster())
    before = aws.resource("t", "Nodes")
    changed = cluster()
    changed["Resources"]["Nodes"]["Properties"]["SecurityGroupIngress"][0]["ToPort"] = 90
    aws.update("t", changed)
    assert aws.resource("t", "Nodes") == before
    group = aws.client("ec2").describe_security_groups(GroupIds=[before])["SecurityGroups"][0]
    assert [rule["ToPort"] for rule in group["IpPermissions"]] == [90]


def test_alarms_that_mail_people_can_be_deployed_changed_and_deleted(aws: Aws) -> None:
    def calling(address: str) -> dict[str, Any]:
        policy = {"Version": "2012-10-17", "Statement": []}
        resources = {
            "Key": ("AWS::KMS::Key", {"KeyPolicy": policy, "Tags": [{"Key": "a", "Value": "b"}]}),
            "Topic": (
                "AWS::SNS::Topic",
                {"KmsMasterKeyId": att("Key", "Arn"), "Tags": [{"Key": "a", "Value": "b"}]},
            ),
            "Policy": ("AWS::SNS::TopicPolicy", {"Topics": [ref("Topic")], "PolicyDocument": policy}),
            "Mail": (
                "AWS::SNS::Subscription",
                {"Protocol": "email", "TopicArn": ref("Topic"), "Endpoint": address},
            ),
            "Alarm": (
                "AWS::CloudWatch::Alarm",
                {"AlarmActions": [ref("Topic")], "OKActions": [ref("Topic")]},
            ),
        }
        return {"Resources": {key: {"Type": it, "Properties": own} for key, (it, own) in resources.items()}}

    assert aws.create("t", calling("people@example.com"))["StackStatus"] == "CREATE_COMPLETE"
    stack = aws.client("cloudformation").update_stack(
        StackName="t", TemplateBody=json.dumps(calling("others@example.com"))
    )
    assert aws.stack(stack["StackId"])["StackStatus"] == "UPDATE_COMPLETE"
    assert len(aws.client("sns").list_topics()["Topics"]) == 1
    aws.client("cloudformation").delete_stack(StackName="t")
    assert aws.client("sns").list_topics()["Topics"] == []
