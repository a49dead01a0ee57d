"""A viewer's role looks, and is refused every change, every command on a node, and what others read there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from swarmer.adapters.session import PLUGIN
from swarmer.core import names
from tests.rehearsal.conftest import Cluster, containers
from tests.rehearsal.people import Person, ci_system, only_line, operator, root, viewer

pytestmark = pytest.mark.cluster

SECRET = "words-of-an-operator"
CHANGES = {
    ("scale", "--yes", "workers", "2"): "autoscaling:SetDesiredCapacity",
    ("resume", "--yes", "workers"): "autoscaling:ResumeProcesses",
    ("reboot", "--yes", "{node}"): "ec2:RebootInstances",
    ("reboot", "--yes", "--all"): "ec2:RebootInstances",
    ("terminate", "--yes", "{node}"): "ec2:TerminateInstances",
    ("handover",): "ssm:SendCommand",
    ("recover", "--yes"): "ssm:SendCommand",
    ("exec", "{node}", "--", "touch", "/root/made"): "ssm:SendCommand",
    ("logs", "{node}"): "ssm:SendCommand",
    ("logs", "{node}", "--follow"): "ssm:StartSession",
    ("shell", "{node}"): "ssm:StartSession",
    ("bucket",): "s3:ListBucket",
}
"""Commands that a viewer is refused, and the action of IAM that each lacks first."""


@pytest.fixture(scope="module")
def node(cluster: Cluster) -> str:
    return str(cluster.nodes()[-1]["name"])


@pytest.fixture(scope="module")
def somebody(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """A viewer who has AWS's plugin. This one fails if it gets as far as a session."""
    found, folder = viewer(cluster, "viewer"), tmp_path_factory.mktemp("plugin")
    plugin = folder / PLUGIN
    plugin.write_text('#!/bin/sh\n[ "$1" = --version ] && echo 1.2.764.0\n')
    plugin.chmod(0o755)
    found.variables["PATH"] = f"{folder}:{os.environ['PATH']}"
    return found


@dataclass(frozen=True)
class Facts:
    """State of the cluster that a refused command must leave as it was."""

    machines: dict[str, str]
    groups: list[Any]
    commands: list[str]
    sessions: list[Any]

    @classmethod
    def of(cls, cluster: Cluster) -> Facts:
        groups = root(cluster, "autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        ssm, document = root(cluster, "ssm"), names.exec_document(cluster.env.cluster.name)
        sent = [
            each["CommandId"]
            for page in ssm.get_paginator("list_commands").paginate()
            for each in page["Commands"]
            if each["DocumentName"] == document
        ]
        return cls(
            machines=containers(cluster.env),
            groups=[(each["DesiredCapacity"], each["SuspendedProcesses"]) for each in groups],
            commands=sent,
            sessions=ssm.describe_sessions(State="History")["Sessions"],
        )


@pytest.mark.parametrize(("words", "action"), CHANGES.items(), ids=[" ".join(each) for each in CHANGES])
def test_a_viewer_is_refused_in_one_line_and_nothing_happens(
    cluster: Cluster, node: str, somebody: Person, words: tuple[str, ...], action: str
) -> None:
    before = Facts.of(cluster)
    done = somebody.type(*(each.format(node=node) for each in words))
    assert done.returncode == 1
    assert done.stdout == ""
    policy = names.operator_policy(cluster.env.cluster.name, cluster.env.region)
    said = only_line(done.stderr)
    assert said.startswith(f"swarmer: you may not {action} on arn:aws:"), said
    assert said.endswith(f": the policy {policy} grants it")
    assert Facts.of(cluster) == before


def test_a_viewer_sees_status_events_and_addresses(cluster: Cluster, node: str, somebody: Person) -> None:
    status = somebody.type("status", "--json")
    assert status.returncode == 0, status.stderr
    assert json.loads(status.stdout)["nodes"] == cluster.status()["nodes"]
    events = somebody.type("events", "--minutes", "600")
    assert events.returncode == 0, events.stderr
    assert events.stdout
    address = somebody.type("address", node)
    assert address.stdout.strip() in cluster.on(node, "hostname", "-I").split()


def test_a_viewer_reads_no_output_of_an_operator(cluster: Cluster, node: str, somebody: Person) -> None:
    """The output is in a log group. Run Command's own result, which every viewer may list, is empty."""
    typed = operator(cluster, "another").type("exec", node, "--", "echo", SECRET)
    assert typed.stdout == f"{SECRET}\n", typed.stderr
    group = names.exec_log_group(cluster.env.cluster.name)
    streams = root(cluster, "logs").describe_log_streams(logGroupName=group)["logStreams"]
    latest = max(streams, key=lambda each: each["creationTime"])["logStreamName"]
    logs, ssm = client_of(somebody, "logs"), client_of(somebody, "ssm")
    where = {"logGroupName": group}
    asked: dict[str, Callable[[], object]] = {
        "logs:GetLogEvents": lambda: logs.get_log_events(**where, logStreamName=latest),
        "logs:FilterLogEvents": lambda: logs.filter_log_events(**where),
        "logs:DescribeLogStreams": lambda: logs.describe_log_streams(**where),
        "logs:StartQuery": lambda: logs.start_query(**where, startTime=0, endTime=1, queryString="fields"),
    }
    for action, ask in asked.items():
        with pytest.raises(ClientError, match=f"not authorized to perform: {action} on"):
            ask()
    listed = [
        each
        for page in ssm.get_paginator("list_command_invocations").paginate(Details=True)
        for each in page["CommandInvocations"]
        if each["DocumentName"] == names.exec_document(cluster.env.cluster.name)
    ]
    assert listed, "a viewer may list invocations"
    assert [each["CommandPlugins"][0]["Output"] for each in listed if each["Status"] == "Success"]
    assert SECRET not in json.dumps(listed, default=str)
    with pytest.raises(ClientError, match="not authorized to perform: ssm:GetCommandInvocation"):
        ssm.get_command_invocation(CommandId=listed[0]["CommandId"], InstanceId=listed[0]["InstanceId"])


def client_of(person: Person, service: str) -> Any:
    """Client of a service with the person's credentials."""
    given = person.variables
    return boto3.client(
        service,
        endpoint_url=given["AWS_ENDPOINT_URL"],
        region_name=given["AWS_REGION"],
        aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=given["AWS_SESSION_TOKEN"],
    )


def test_a_viewer_sends_no_other_command_document(cluster: Cluster, node: str, somebody: Person) -> None:
    ssm = client_of(somebody, "ssm")
    ssm_of_root = root(cluster, "ssm")
    step = {"action": "aws:runShellScript", "name": "run", "inputs": {"runCommand": ["touch /root/made"]}}
    content = json.dumps({"schemaVersion": "2.2", "mainSteps": [step]})
    name = f"{cluster.env.cluster.name}-free"
    ssm_of_root.create_document(Name=name, Content=content, DocumentType="Command")
    try:
        with pytest.raises(ClientError, match="not authorized to perform: ssm:SendCommand on"):
            ssm.send_command(DocumentName=name, InstanceIds=[names.instance_id(node)])
        with pytest.raises(ClientError, match="not authorized to perform: ssm:CreateDocument on"):
            ssm.create_document(Name=f"{name}-2", Content=content, DocumentType="Command")
    finally:
        ssm_of_root.delete_document(Name=name)
    assert "made" not in cluster.on(node, "ls", "/root").split()


def test_a_ci_system_acts_by_its_web_identity_with_the_policy_of_its_role(
    cluster: Cluster, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("signed by the identity provider")
    policy = names.viewer_policy(cluster.env.cluster.name, cluster.env.region)
    ci = ci_system(cluster, "ci", policy, token)
    addresses = [node["address"] for node in cluster.nodes("swarm-manager")]
    found = ci.type("address", "--role", "swarm-manager")
    assert found.stdout.strip() in addresses, found.stderr
    refused = ci.type("scale", "--yes", "workers", "2")
    assert refused.returncode == 1
    assert "you may not autoscaling:SetDesiredCapacity" in only_line(refused.stderr)
