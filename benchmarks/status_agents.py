"""Simulated AWS with the agents of N nodes, in one process: python -m benchmarks.status_agents N LATENCY_S

It prints a line of JSON, `{"url": URL, "cluster": NAME}`, once every agent is connected. It ends when its
input ends.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Final

import boto3

from swarmer.core import names
from swarmer.core.node_report import NodeFacts, encode
from swarmer.core.state import MemberStatus
from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.fakeaws.daemon.server import Server
from swarmer.local.environment import REGION
from swarmer.local.run_command_agent import Agent

CLUSTER: Final = "bench"
SERVERS: Final = 5
"""Number of Consul servers among the nodes."""
CONNECTION_TIMEOUT_S: Final = 60.0
"""Timeout for all agents to be connected, in seconds."""
TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
RIGHTS: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["ssm:UpdateInstanceInformation", "ssmmessages:OpenControlChannel"],
            "Resource": "*",
        }
    ],
}


class Account:
    """Simulated account of the benchmark."""

    def __init__(self, url: str) -> None:
        self.session = boto3.Session(
            aws_access_key_id="bench", aws_secret_access_key="bench", region_name=REGION
        )
        self.url = url

    def client(self, service: str):  # type: ignore[no-untyped-def]  # boto3 has no types
        return self.session.client(service, endpoint_url=self.url)

    def launch(self, number: int, group: str, roles: str) -> list[str]:
        """IDs of new instances."""
        tags = {names.TAG_CLUSTER: CLUSTER, names.TAG_GROUP: group, names.TAG_ROLES: roles}
        made = self.client("ec2").run_instances(
            ImageId="ami-12345678",
            MinCount=number,
            MaxCount=number,
            TagSpecifications=[
                {
                    "ResourceType": "instance",
                    "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                }
            ],
        )
        return [each["InstanceId"] for each in made["Instances"]]

    def create_document(self, report: str, latency_s: float) -> None:
        """Create a status document that prints a report after `latency_s` seconds."""
        inputs = {"timeoutSeconds": "30", "runCommand": [f"sleep {latency_s}; echo '{report}'"]}
        content = {
            "schemaVersion": "2.2",
            "mainSteps": [{"action": "aws:runShellScript", "name": "report", "inputs": inputs}],
        }
        self.client("ssm").create_document(
            Name=names.status_document(CLUSTER),
            Content=json.dumps(content),
            DocumentType="Command",
            DocumentFormat="JSON",
        )

    def key_of(self, instance_id: str) -> str:
        """Access key of a session of the nodes' role."""
        role = f"arn:aws:iam::{ACCOUNT}:role/nodes"
        given = self.client("sts").assume_role(RoleArn=role, RoleSessionName=instance_id)
        return str(given["Credentials"]["AccessKeyId"])

    def create_role(self) -> None:
        """Create the nodes' role."""
        iam = self.client("iam")
        iam.create_role(RoleName="nodes", AssumeRolePolicyDocument=json.dumps(TRUST))
        iam.put_role_policy(RoleName="nodes", PolicyName="agent", PolicyDocument=json.dumps(RIGHTS))


def facts(group: str, ids: list[str]) -> NodeFacts:
    """Facts about as many alive members."""
    members = dict.fromkeys((names.node_name(group, each) for each in ids), MemberStatus.ALIVE)
    return NodeFacts(is_server=True, leader="10.0.0.1:8300", members=members, registry_answers=True)


def main(number: int, latency_s: float) -> None:
    with Server(["127.0.0.1:0"]) as server:
        account = Account(server.url)
        account.create_role()
        ids = account.launch(number, "nodes", "swarm-worker")
        account.create_document(encode(facts("nodes", ids)), latency_s)
        agents = [_agent(account, each) for each in ids]
        for agent in agents:
            threading.Thread(target=agent.run, daemon=True).start()
        _await_agents(account, number)
        print(json.dumps({"url": server.url, "cluster": CLUSTER}), flush=True)  # noqa: T201
        sys.stdin.read()
        for agent in agents:
            agent.ends.set()


def _agent(account: Account, instance_id: str) -> Agent:
    key = account.key_of(instance_id)
    return Agent(account.url, REGION, lambda: key)


def _await_agents(account: Account, number: int) -> None:
    deadline_s = time.monotonic() + CONNECTION_TIMEOUT_S
    pages = account.client("ssm").get_paginator("describe_instance_information")
    while sum(len(page["InstanceInformationList"]) for page in pages.paginate()) < number:
        if time.monotonic() > deadline_s:
            raise SystemExit("an agent is not connected")
        time.sleep(0.2)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
