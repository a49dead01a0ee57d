"""Command documents of a cluster: programs of the node software that Run Command starts on nodes."""

from __future__ import annotations

from typing import Any, Final

from aws_cdk import aws_ssm as ssm
from constructs import Construct

from swarmer.core import names, remote_command

SCHEMA: Final = "2.2"
"""Version of the documents' schema.
https://docs.aws.amazon.com/systems-manager/latest/userguide/documents-schemas-features.html"""
STATUS_TIMEOUT_S: Final = 30
"""Time after which the agent ends a report, in seconds."""
PROGRAM: Final = f"exec {names.INSTALL_ROOT}/bin/python -m"
"""Beginning of a step's command. With `exec` the group that the agent kills has only one process."""


def status_document(scope: Construct, construct_id: str, cluster: str) -> ssm.CfnDocument:
    """Create the document that prints a node's report. A viewer may send it, because it has no parameters."""
    content = {
        "schemaVersion": SCHEMA,
        "description": f"Report of a node of the cluster {cluster}",
        "mainSteps": [_step("report", "node.report", str(STATUS_TIMEOUT_S))],
    }
    return _document(scope, construct_id, names.status_document(cluster), content)


def exec_document(scope: Construct, construct_id: str, cluster: str) -> ssm.CfnDocument:
    """Create the document that runs a command on a node, with the parameters of `core.remote_command`."""
    descriptions = {
        remote_command.ID: "Stream of the log group that takes the output",
        remote_command.COMMAND: "Words of the command: a list in JSON, in base64",
        remote_command.SECONDS: "Seconds after which the command is ended",
    }
    parameters: dict[str, dict[str, str]] = {
        name: {"type": "String", "description": text, "allowedPattern": remote_command.PATTERNS[name]}
        for name, text in descriptions.items()
    }
    parameters[remote_command.SECONDS]["default"] = str(remote_command.DEFAULT_SECONDS)
    seconds = _value(remote_command.SECONDS)
    words = " ".join(f"'{_value(name)}'" for name in (remote_command.ID, remote_command.SECONDS))
    program = f"node.remote_command {words} '{_value(remote_command.COMMAND)}'"
    content = {
        "schemaVersion": SCHEMA,
        "description": f"Runs a command on a node of the cluster {cluster}",
        "parameters": parameters,
        "mainSteps": [_step("run", program, seconds)],
    }
    return _document(scope, construct_id, names.exec_document(cluster), content)


def _step(name: str, program: str, timeout_s: str) -> dict[str, Any]:
    inputs = {"timeoutSeconds": timeout_s, "runCommand": [f"{PROGRAM} {program}"]}
    return {"action": "aws:runShellScript", "name": name, "inputs": inputs}


def _value(parameter: str) -> str:
    """Return the placeholder that the agent replaces by the parameter's value."""
    return f"{{{{ {parameter} }}}}"


def _document(scope: Construct, construct_id: str, name: str, content: dict[str, Any]) -> ssm.CfnDocument:
    return ssm.CfnDocument(
        scope,
        construct_id,
        name=name,
        document_type="Command",
        document_format="JSON",
        target_type="/AWS::EC2::Instance",
        # Without this, a changed content would need another name.
        update_method="NewVersion",
        content=content,
    )
