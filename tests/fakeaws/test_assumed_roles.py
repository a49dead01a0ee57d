"""Roles that people of the account assume: their policies are enforced, with tags and policy variables."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from swarmer.fakeaws.base.preload import ACCOUNT
from tests.fakeaws.agents_client import Node, details, document, nodes, template
from tests.fakeaws.client import Aws
from tests.fakeaws.scaling_client import GROUP
from tests.fakeaws.test_authorization import allow, is_refused

Session = Callable[[str], Any]
PREFIX = f"arn:aws:ssm:us-east-1:{ACCOUNT}"
INSTANCES = f"arn:aws:ec2:us-east-1:{ACCOUNT}:instance/*"
TAGGED = {"StringEquals": {"aws:ResourceTag/swarmer:cluster": "t"}}
SHELL = f"{PREFIX}:document/SSM-SessionManagerRunShell"
TARGETS = [{"Key": "tag:swarmer:cluster", "Values": ["t"]}]
VIEWER = [
    allow("ssm:SendCommand", on=f"{PREFIX}:document/t-status"),
    allow("ssm:SendCommand", on=INSTANCES, Condition=TAGGED),
    allow("ssm:ListCommandInvocations"),
]
OWN = {"StringLike": {"ssm:resourceTag/aws:ssmmessages:session-id": ["${aws:userid}"]}}
OPERATOR = [
    *VIEWER,
    allow("ssm:SendCommand", on=f"{PREFIX}:document/t-exec"),
    allow("ssm:CancelCommand"),
    allow("ssm:StartSession", on=INSTANCES, Condition=TAGGED),
    allow("ssm:StartSession", on=SHELL),
    allow("ssm:TerminateSession", "ssm:ResumeSession", on=f"{PREFIX}:session/*", Condition=OWN),
    allow("ec2:RebootInstances", on=INSTANCES, Condition=TAGGED),
]


def person(
    aws: Aws, *statements: dict[str, Any], role: str = "viewer", name: str = "ann", principal: Any = None
) -> Session:
    """Clients of a person who assumes a role that trusts the account."""
    trusted = principal or {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    allowed = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [allowed]}
    iam = aws.client("iam")
    arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    if role not in [each["RoleName"] for each in iam.list_roles()["Roles"]]:
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))
        if statements:
            text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            policy = iam.create_policy(PolicyName=role, PolicyDocument=text)["Policy"]["Arn"]
            iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    given = aws.client("sts").assume_role(RoleArn=arn, RoleSessionName=name)["Credentials"]
    return aws.session(given)


@pytest.fixture
def two(aws: Aws) -> list[Node]:
    """Two managed nodes of the cluster."""
    aws.create("t", template({"t-status": document("report"), "t-exec": document("run")}))
    found = nodes(aws)
    for node in found:
        node.poll()
    return found


def test_a_viewer_sends_the_document_of_the_policy_and_no_other(aws: Aws, two: list[Node]) -> None:
    ssm = person(aws, *VIEWER)("ssm")
    assert not is_refused(ssm.send_command, DocumentName="t-status", Targets=TARGETS)
    assert not is_refused(ssm.send_command, DocumentName="t-status", InstanceIds=[two[0].id])
    assert is_refused(ssm.send_command, DocumentName="t-exec", Targets=TARGETS)
    assert is_refused(ssm.send_command, DocumentName=f"{PREFIX}:document/t-exec", Targets=TARGETS)
    command = aws.client("ssm").send_command(DocumentName="t-exec", Targets=TARGETS)["Command"]["CommandId"]
    assert is_refused(ssm.cancel_command, CommandId=command)
    assert is_refused(ssm.get_command_invocation, CommandId=command, InstanceId=two[0].id)
    assert is_refused(ssm.start_session, Target=two[0].id)


def test_a_node_of_another_cluster_is_refused_by_its_id_and_denied_as_a_target(
    aws: Aws, two: list[Node]
) -> None:
    tags = [{"Key": "swarmer:cluster", "Value": "other"}, {"Key": "both", "Value": "yes"}]
    aws.client("ec2").create_tags(Resources=[two[1].id], Tags=tags)
    aws.client("ec2").create_tags(Resources=[two[0].id], Tags=tags[1:])
    ssm = person(aws, *VIEWER)("ssm")
    assert is_refused(ssm.send_command, DocumentName="t-status", InstanceIds=[two[1].id])
    both = [{"Key": "tag:both", "Values": ["yes"]}]
    command = ssm.send_command(DocumentName="t-status", Targets=both)["Command"]["CommandId"]
    assert sorted(details(aws, command)) == ["AccessDenied", "Pending"]
    assert two[1].poll()["run"] == []


def test_sessions_begin_and_end_and_belong_to_who_began_them(aws: Aws, two: list[Node]) -> None:
    ann, ben = (person(aws, *OPERATOR, role="operator", name=name)("ssm") for name in ("ann", "ben"))
    started = ann.start_session(Target=two[0].id)
    session = started["SessionId"]
    assert session.startswith("ann-")
    assert started["StreamUrl"].startswith("wss://ssmmessages.us-east-1.amazonaws.com/v1/data-channel/ann-")
    (active,) = aws.client("ssm").describe_sessions(State="Active")["Sessions"]
    assert (active["Target"], active["Status"], active["Owner"]) == (
        two[0].id,
        "Connected",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/operator/ann",
    )
    assert is_refused(ben.terminate_session, SessionId=session)
    assert is_refused(ben.resume_session, SessionId=session)
    assert ann.resume_session(SessionId=session)["SessionId"] == session
    ann.terminate_session(SessionId=session)
    assert aws.client("ssm").describe_sessions(State="Active")["Sessions"] == []
    chosen = [{"key": "SessionId", "value": session}]
    (ended,) = aws.client("ssm").describe_sessions(State="History", Filters=chosen)["Sessions"]
    assert ended["Status"] == "Terminated" and ended["EndDate"] >= ended["StartDate"]
    with pytest.raises(ClientError, match="DoesNotExistException"):
        ann.resume_session(SessionId=session)


def test_a_session_needs_a_document_and_a_connected_node(aws: Aws, two: list[Node]) -> None:
    ssm = person(aws, *OPERATOR, role="operator")("ssm")
    command = "AWS-StartInteractiveCommand"
    assert is_refused(ssm.start_session, Target=two[0].id, DocumentName=command)
    everybody = aws.client("ssm")
    everybody.start_session(Target=two[0].id, DocumentName=command, Parameters={"command": ["top"]})
    with pytest.raises(ClientError, match="InvalidDocument"):
        everybody.start_session(Target=two[0].id, DocumentName="AWS-Other")
    aws.pass_time(11)
    with pytest.raises(ClientError, match=f"TargetNotConnected.*{two[0].id} is not connected"):
        ssm.start_session(Target=two[0].id)


def test_a_session_ends_with_its_instance(aws: Aws, two: list[Node]) -> None:
    ssm = aws.client("ssm")
    ssm.start_session(Target=two[0].id)
    kept = ssm.start_session(Target=two[1].id)["SessionId"]
    aws.client("ec2").terminate_instances(InstanceIds=[two[0].id])
    aws.pass_time()
    assert [each["SessionId"] for each in ssm.describe_sessions(State="Active")["Sessions"]] == [kept]


def test_an_operator_reboots_the_cluster_s_own_instances_only(aws: Aws, two: list[Node]) -> None:
    stranger = aws.client("ec2").run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)["Instances"][0]
    ec2 = person(aws, *OPERATOR, role="operator")("ec2")
    assert not is_refused(ec2.reboot_instances, InstanceIds=[two[0].id])
    assert is_refused(ec2.reboot_instances, InstanceIds=[two[0].id, stranger["InstanceId"]])
    assert is_refused(ec2.terminate_instances, InstanceIds=[two[0].id])


def test_a_group_is_scaled_by_its_tag_and_a_stack_is_read_by_its_name(aws: Aws, two: list[Node]) -> None:
    groups = f"arn:aws:autoscaling:us-east-1:{ACCOUNT}:autoScalingGroup:*:autoScalingGroupName/*"
    stack = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/t/*"
    client = person(
        aws,
        allow("autoscaling:SetDesiredCapacity", on=groups, Condition=TAGGED),
        allow("cloudformation:DescribeStacks", on=stack),
    )
    scale = client("autoscaling").set_desired_capacity
    assert not is_refused(scale, AutoScalingGroupName=GROUP, DesiredCapacity=2)
    assert is_refused(scale, AutoScalingGroupName="other", DesiredCapacity=2)
    describe = client("cloudformation").describe_stacks
    assert not is_refused(describe, StackName="t")
    assert is_refused(describe, StackName="u")
    assert is_refused(describe)


def test_alarms_are_listed_by_the_prefix_that_is_granted(aws: Aws) -> None:
    alarms = f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:"
    describe = person(aws, allow("cloudwatch:DescribeAlarms", on=f"{alarms}t-*"))(
        "cloudwatch"
    ).describe_alarms
    assert not is_refused(describe, AlarmNamePrefix="t-")
    assert not is_refused(describe, AlarmNames=["t-one"])
    assert is_refused(describe)
    everything = person(aws, allow("cloudwatch:DescribeAlarms", on=f"{alarms}*"), role="all")("cloudwatch")
    assert not is_refused(everything.describe_alarms)


def test_whoever_comes_from_an_identity_provider_is_held_to_the_role(aws: Aws) -> None:
    principal = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/example.com"}
    ec2 = person(aws, allow("ec2:DescribeVpcs"), principal=principal)("ec2")
    assert not is_refused(ec2.describe_vpcs)
    assert is_refused(ec2.describe_instances)


def test_the_roles_of_the_cdk_may_do_everything_though_they_trust_the_account(aws: Aws) -> None:
    assert not is_refused(person(aws, role="cdk-hnb659fds-deploy-role")("ec2").describe_instances)


def test_a_variable_is_the_caller_s_and_one_that_the_request_lacks_matches_nothing(aws: Aws) -> None:
    aws.client("s3").create_bucket(Bucket="store")
    folders = ("${aws:userid}", "${aws:PrincipalTag/team}")
    statements = [allow("s3:PutObject", on=f"arn:aws:s3:::store/{folder}/*") for folder in folders]
    put = person(aws, *statements)("s3").put_object
    own = person(aws)("sts").get_caller_identity()["UserId"]
    other = person(aws, name="ben")("sts").get_caller_identity()["UserId"]
    assert not is_refused(put, Bucket="store", Key=f"{own}/x", Body=b"x")
    for folder in (other, "blue", ""):
        assert is_refused(put, Bucket="store", Key=f"{folder}/x", Body=b"x")
