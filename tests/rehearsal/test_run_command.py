"""The agent in each node: it runs commands of Systems Manager, and a node that is cut off has none."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from swarmer.core import names
from swarmer.local import engine, node_containers
from tests.rehearsal.conftest import Cluster, until

pytestmark = pytest.mark.cluster


def ssm_of(cluster: Cluster) -> Any:
    return boto3.client(
        "ssm",
        endpoint_url=cluster.env.aws_url,
        region_name=cluster.env.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def ping_statuses(cluster: Cluster) -> dict[str, str]:
    """Systems Manager's status of each node's agent, by the node's name."""
    found = ssm_of(cluster).describe_instance_information(MaxResults=50)["InstanceInformationList"]
    return {each["ComputerName"]: each["PingStatus"] for each in found}


def test_every_node_runs_commands_by_its_agent(cluster: Cluster) -> None:
    ssm, name = ssm_of(cluster), f"{cluster.env.cluster.name}-probe"
    inputs = {"runCommand": ["hostname; id -u; exec /opt/swarmer/bin/python -c 'import boto3'"]}
    step = {"action": "aws:runShellScript", "name": "run", "inputs": inputs}
    content = json.dumps({"schemaVersion": "2.2", "mainSteps": [step]})
    ssm.create_document(Name=name, Content=content, DocumentType="Command")
    targets = [{"Key": f"tag:{names.TAG_CLUSTER}", "Values": [cluster.env.cluster.name]}]
    sent = ssm.send_command(DocumentName=name, Targets=targets)["Command"]["CommandId"]

    def invocations() -> list[dict[str, Any]]:
        found = ssm.list_command_invocations(CommandId=sent, Details=True)["CommandInvocations"]
        return list(found)

    until(lambda: {each["Status"] for each in invocations()} == {"Success"}, 30, "a command did not end well")
    assert {each["CommandPlugins"][0]["Output"] for each in invocations()} == {
        f"{node['name']}\n0\n" for node in cluster.nodes()
    }
    ssm.delete_document(Name=name)


def test_a_node_that_is_cut_off_from_aws_is_not_connected(cluster: Cluster) -> None:
    node, env = cluster.nodes("swarm-worker")[-1]["name"], cluster.env
    assert ping_statuses(cluster) == {each["name"]: "Online" for each in cluster.nodes()}
    rule = f"ip daddr {env.gateway} tcp dport {env.aws_port} drop"
    chain = "add chain inet cut out { type filter hook output priority 0; }"
    # `swarmer exec` would cut itself off.
    nft = ("exec", node_containers.container_name(env, node), "nft")
    engine.docker(*nft, f"add table inet cut; {chain}; add rule inet cut out {rule}")
    try:
        until(lambda: ping_statuses(cluster)[node] == "ConnectionLost", 30, "it is still connected")
    finally:
        engine.docker(*nft, "delete table inet cut")
    until(lambda: ping_statuses(cluster)[node] == "Online", 30, "it does not come back")
