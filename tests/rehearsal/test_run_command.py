"""The agent in each node runs commands of Systems Manager."""

from __future__ import annotations

import json
from typing import Any

import pytest

from swarmer.core import names
from tests.rehearsal.conftest import Cluster, until
from tests.rehearsal.people import root

pytestmark = pytest.mark.cluster


def test_every_node_runs_commands_by_its_agent(cluster: Cluster) -> None:
    ssm, name = root(cluster, "ssm"), f"{cluster.env.cluster.name}-probe"
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
