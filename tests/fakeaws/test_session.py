"""Sessions of Session Manager: what AWS's plugin is given, and what happens without it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swarmer.adapters.session import COMMAND_DOCUMENT, PLUGIN, VARIABLE
from swarmer.core.errors import NodeUnreachable, UserError
from swarmer.core.health import Expected
from swarmer.providers.aws.provider import AwsProvider
from tests.fakeaws.client import Aws
from tests.fakeaws.operated import OPERATOR, agent, create_documents, launch, provider

Install = Callable[..., Path]
STAND_IN = """#!{python}
import json, os, sys
if sys.argv[1:] == ["--version"]:
    print("{version}")
    sys.exit()
found = {{"argv": sys.argv, "response": os.environ.get("{variable}")}}
with open("{record}", "w") as record:
    json.dump(found, record)
sys.exit({status})
"""
"""Plugin that records its arguments instead of opening a connection."""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Function that installs the stand-in, and returns the file in which it records what it was given."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def install(version: str = "1.2.764.0", status: int = 0) -> Path:
        plugin, record = tmp_path / PLUGIN, tmp_path / "given"
        script = STAND_IN.format(
            python=sys.executable, version=version, variable=VARIABLE, record=record, status=status
        )
        plugin.write_text(script)
        plugin.chmod(0o755)
        return record

    return install


def open_session(aws: Aws, *argv: str) -> tuple[int, AwsProvider, Expected]:
    """Exit status of a session on a connected node, the provider, and the node."""
    create_documents(aws)
    instance_id = launch(aws)
    operator = provider(aws, "operator", OPERATOR)
    (node,) = operator.nodes()
    with agent(aws, instance_id):
        return operator.session(node, argv), operator, node


def sessions(aws: Aws, state: str) -> list[dict[str, Any]]:
    return list(aws.client("ssm").describe_sessions(State=state)["Sessions"])


def test_the_plugin_is_given_what_the_aws_cli_gives_it(aws: Aws, install: Install) -> None:
    record = install()
    status, _, node = open_session(aws)
    assert status == 0
    given = json.loads(record.read_text())
    parameters = json.dumps({"Target": node.instance_id})
    assert given["argv"][1:] == [VARIABLE, aws.region, "StartSession", "", parameters, aws.server.url]
    response = json.loads(given["response"])
    assert response.keys() == {"SessionId", "TokenValue", "StreamUrl"}
    (opened,) = sessions(aws, "Active")
    assert (opened["SessionId"], opened["Target"]) == (response["SessionId"], node.instance_id)


@pytest.mark.parametrize("version", ["1.2.497.0", "unknown"])
def test_an_old_plugin_gets_the_response_as_an_argument(aws: Aws, install: Install, version: str) -> None:
    record = install(version)
    open_session(aws)
    given = json.loads(record.read_text())
    assert given["response"] is None
    assert json.loads(given["argv"][1]).keys() == {"SessionId", "TokenValue", "StreamUrl"}


def test_a_command_is_quoted_into_one_line_of_awss_document(aws: Aws, install: Install) -> None:
    record = install()
    open_session(aws, "journalctl", "-u", "a unit")
    given = json.loads(json.loads(record.read_text())["argv"][5])
    assert given["DocumentName"] == COMMAND_DOCUMENT
    assert given["Parameters"] == {"command": ["sudo journalctl -u 'a unit'"]}


def test_a_session_that_the_plugin_cannot_open_is_ended(aws: Aws, install: Install) -> None:
    install(status=7)
    status, _, _ = open_session(aws)
    assert status == 7
    assert sessions(aws, "Active") == []
    assert len(sessions(aws, "History")) == 1


def test_without_the_plugin_no_session_is_started(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"session-manager-plugin is missing: https://docs\.aws") as said:
        open_session(aws)
    assert said.value.status == 2
    assert sessions(aws, "Active") == sessions(aws, "History") == []


def test_a_node_without_an_agent_has_no_session(aws: Aws, install: Install) -> None:
    install()
    launch(aws)
    operator = provider(aws, "operator", OPERATOR)
    (node,) = operator.nodes()
    with pytest.raises(NodeUnreachable, match="its agent is not connected"):
        operator.session(node)
    assert Counter(operator.account.calls)["ssm.StartSession"] == 1
