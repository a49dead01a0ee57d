"""A cluster `t` of bare instances whose agents run in this process, and sessions of people who operate it."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3

from swarmer.adapters.operator import OF_THIS_MACHINE, Account
from swarmer.core import names, remote_command
from swarmer.core.cluster import Cluster, Group, Role
from swarmer.core.node_report import NodeFacts, encode
from swarmer.core.software import ROOT
from swarmer.core.state import MemberStatus
from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.local.run_command_agent import Agent
from swarmer.providers.aws.provider import AwsProvider
from tests.fakeaws.client import Aws

CLUSTER = Cluster(
    name="t",
    groups=(
        Group(name="core", roles=frozenset(Role), size=3),
        Group(name="more", roles=frozenset({Role.SWARM_WORKER}), min=0, max=2),
    ),
)
FACTS = NodeFacts(leader="10.0.0.1:8300", members={"core-i-1": MemberStatus.ALIVE}, registry_answers=True)
"""Report of every node of these tests."""
AGENT = ("ssm:UpdateInstanceInformation", "ssmmessages:OpenControlChannel")
OF_VIEWERS = (
    *("autoscaling:Describe*", "cloudformation:Describe*", "ec2:Describe*", "logs:FilterLogEvents"),
    *("ssm:DescribeInstanceInformation", "ssm:ListCommandInvocations"),
)
OF_OPERATORS = (
    *("autoscaling:SetDesiredCapacity", "ec2:RebootInstances", "ec2:TerminateInstances"),
    *("ec2:GetConsoleOutput", "logs:GetLogEvents", "s3:ListBucket", "ssm:CancelCommand", "ssm:StartSession"),
    "ssm:TerminateSession",
)


def statement(*actions: str, on: str = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on}


def may_send(document: str) -> list[dict[str, Any]]:
    """Statements that allow one document on every instance."""
    return [
        statement("ssm:SendCommand", on=f"arn:aws:ssm:*:*:document/{document}"),
        statement("ssm:SendCommand", on="arn:aws:ec2:*:*:instance/*"),
    ]


VIEWER = [statement(*OF_VIEWERS), *may_send("t-status")]
OPERATOR = [*VIEWER, statement(*OF_OPERATORS), *may_send("t-exec")]


def credentials(
    aws: Aws, role: str, statements: list[dict[str, Any]], principal: dict[str, str], session: str
) -> dict[str, str]:
    """Credentials of a session of a new role."""
    allowed = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [allowed]}
    iam = aws.client("iam")
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    document = {"Version": "2012-10-17", "Statement": statements}
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=json.dumps(document))
    return dict(aws.client("sts").assume_role(RoleArn=arn, RoleSessionName=session)["Credentials"])


def provider(aws: Aws, role: str, statements: list[dict[str, Any]], region: str = "") -> AwsProvider:
    """The cluster, with the credentials of a person."""
    given = credentials(aws, role, statements, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "somebody")
    session = boto3.Session(
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
        region_name=region or aws.region,
    )
    return AwsProvider(CLUSTER, Account(session, aws.server.url, OF_THIS_MACHINE))


def launch(aws: Aws, group: str = "core", cluster: str = "t") -> str:
    """ID of a new instance."""
    tags = {names.TAG_CLUSTER: cluster, names.TAG_GROUP: group, names.TAG_ROLES: "consul-server"}
    made = aws.client("ec2").run_instances(
        ImageId="ami-12345678",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": key, "Value": tags[key]} for key in tags]}
        ],
    )
    return str(made["Instances"][0]["InstanceId"])


def create_documents(aws: Aws, *, report: str = f"echo '{encode(FACTS)}'", run: str = "") -> None:
    """Create the command documents, and the log group of remote commands.

    `report`, `run`: shell scripts that nodes run instead of the programs of the node software.
    """
    step = f"exec {sys.executable} -m tests.fakeaws.remote_step {names.exec_log_group('t')}"
    parameters = {
        name: {"type": "String", "allowedPattern": pattern}
        for name, pattern in remote_command.PATTERNS.items()
    }
    given = " ".join(f"'{{{{ {name} }}}}'" for name in ("Id", "Seconds", "Command"))
    _create_document(aws, names.status_document("t"), report, "30", {})
    _create_document(aws, names.exec_document("t"), run or f"{step} {given}", "{{ Seconds }}", parameters)
    aws.client("logs").create_log_group(logGroupName=names.exec_log_group("t"))


def _create_document(aws: Aws, name: str, script: str, timeout_s: str, parameters: dict[str, Any]) -> None:
    inputs = {"timeoutSeconds": timeout_s, "runCommand": [script]}
    content = {
        "schemaVersion": "2.2",
        "parameters": parameters,
        "mainSteps": [{"action": "aws:runShellScript", "name": "run", "inputs": inputs}],
    }
    aws.client("ssm").create_document(
        Name=name, Content=json.dumps(content), DocumentType="Command", DocumentFormat="JSON"
    )


@contextmanager
def agent(aws: Aws, instance_id: str) -> Iterator[Agent]:
    """Context with the agent of an instance."""
    rights = [statement(*AGENT), statement("logs:CreateLogStream", "logs:PutLogEvents")]
    given = credentials(aws, f"n-{instance_id}", rights, {"Service": "ec2.amazonaws.com"}, instance_id)
    environment = {
        "PYTHONPATH": str(ROOT),
        "AWS_SSM_INSTANCE_ID": instance_id,
        "AWS_ENDPOINT_URL": aws.server.url,
        "AWS_REGION": aws.region,
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }
    running = Agent(aws.server.url, aws.region, lambda: given["AccessKeyId"], environment, wait_s=0.2)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    try:
        _await_connection(aws, instance_id)
        yield running
    finally:
        running.ends.set()
        thread.join()
        for command in list(running._running.values()):  # programs of a dead machine die with it
            command.cancel()


def _await_connection(aws: Aws, instance_id: str) -> None:
    pause = threading.Event()
    for _ in range(100):
        listed = aws.client("ssm").describe_instance_information()["InstanceInformationList"]
        if instance_id in {each["InstanceId"] for each in listed}:
            return
        pause.wait(0.05)
    raise AssertionError(f"the agent of {instance_id} does not come")
