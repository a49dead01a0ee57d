"""Managed nodes of the simulated AWS: a cluster with command documents, and its agents."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from swarmer.fakeaws.ssm import agents
from swarmer.local.run_command_agent import Agent
from tests.fakeaws.client import Aws
from tests.fakeaws.template import cluster

LIMIT_S = 10.0
"""Time in which an agent does its work on a machine that is busy."""
RIGHTS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": list(agents.NEEDED), "Resource": "*"}],
}


def document(*lines: str, timeout: str = "30", **parameters: dict[str, Any]) -> dict[str, Any]:
    """Content of a command document with one step."""
    inputs = {"runCommand": list(lines), "timeoutSeconds": timeout}
    return {
        "schemaVersion": "2.2",
        "description": "a test",
        "parameters": parameters,
        "mainSteps": [{"action": "aws:runShellScript", "name": "run", "inputs": inputs}],
    }


def template(documents: dict[str, dict[str, Any]], rights: Any = RIGHTS, **sizes: str) -> dict[str, Any]:
    """The cluster's template with these documents by name."""
    made = cluster(**(sizes or {"MinSize": "2", "MaxSize": "2"}))
    policies = [{"PolicyName": "p", "PolicyDocument": rights}] if rights else []
    made["Resources"]["Role"]["Properties"]["Policies"] = policies
    for name, content in documents.items():
        made["Resources"][f"Document{name.title().replace('-', '')}"] = {
            "Type": "AWS::SSM::Document",
            "Properties": {
                "Name": name,
                "Content": content,
                "DocumentType": "Command",
                "UpdateMethod": "NewVersion",
                "Tags": [{"Key": "swarmer:cluster", "Value": "t"}],
            },
        }
    return made


@dataclass(frozen=True)
class Node:
    """Node whose agent the test plays by hand."""

    aws: Aws
    id: str
    key: str
    """ID of the access key of the node's role."""

    def call(self, **fields: Any) -> dict[str, Any]:
        """The answer to a call of the agent."""
        scope = f"{self.key}/20260101/{self.aws.region}/ssm/aws4_request"
        request = urllib.request.Request(
            f"{self.aws.server.url}{agents.PATH}",
            data=json.dumps({"about": {"version": "1.2.3", "host": f"host-{self.id}"}, **fields}).encode(),
            headers={"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, Signature=0"},
        )
        with urllib.request.urlopen(request) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def poll(self, *running: str, ending: Sequence[str] = (), wait_s: float = 0) -> dict[str, Any]:
        return self.call(running=list(running), ending=list(ending), wait_s=wait_s)

    def report(self, command: str, code: int = 0, out: str = "", err: str = "", killed: str = "") -> None:
        step = {"name": "run", "code": code, "out": out, "err": err, "killed": killed}
        self.call(results=[{"id": command, "steps": [{**step, "began_s": 1.0, "ended_s": 2.5}]}])


def nodes(aws: Aws, stack: str = "t", group: str = "t-core") -> list[Node]:
    """The group's nodes, each with credentials as its metadata service gives them."""
    sts, found = aws.client("sts"), []
    arn = aws.client("iam").get_role(RoleName=aws.resource(stack, "Role"))["Role"]["Arn"]
    for each in aws.instances(group):
        given = sts.assume_role(RoleArn=arn, RoleSessionName=each["InstanceId"])["Credentials"]
        found.append(Node(aws, each["InstanceId"], given["AccessKeyId"]))
    return found


@contextmanager
def running_agent(node: Node) -> Iterator[Agent]:
    """The agent of the node image, in a thread of this process."""
    environment = {"AWS_SSM_INSTANCE_ID": node.id}
    agent = Agent(node.aws.server.url, node.aws.region, lambda: node.key, environment, wait_s=0.2)
    thread = threading.Thread(target=agent.run)
    thread.start()
    try:
        until(lambda: is_online(node))
        yield agent
    finally:
        agent.ends.set()
        thread.join()


def is_online(node: Node) -> bool:
    found = node.aws.client("ssm").describe_instance_information()["InstanceInformationList"]
    return (node.id, "Online") in {(each["InstanceId"], each["PingStatus"]) for each in found}


def send(aws: Aws, name: str, **more: Any) -> str:
    """ID of a command."""
    return str(aws.client("ssm").send_command(DocumentName=name, **more)["Command"]["CommandId"])


def invocation(aws: Aws, command: str, instance_id: str) -> dict[str, Any]:
    """GetCommandInvocation's answer."""
    answer = aws.client("ssm").get_command_invocation(CommandId=command, InstanceId=instance_id)
    return dict(answer)


def finished(aws: Aws, command: str, instance_id: str) -> dict[str, Any]:
    """GetCommandInvocation's answer once the invocation has ended."""
    until(
        lambda: invocation(aws, command, instance_id)["Status"] not in ("Pending", "InProgress", "Cancelling")
    )
    return invocation(aws, command, instance_id)


def details(aws: Aws, command: str) -> list[str]:
    """Detailed statuses of a command's invocations."""
    found = aws.client("ssm").list_command_invocations(CommandId=command)["CommandInvocations"]
    return [str(each["StatusDetails"]) for each in found]


def until(holds: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    end_s = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < end_s, f"it did not come true within {LIMIT_S} s"
        time.sleep(0.02)
