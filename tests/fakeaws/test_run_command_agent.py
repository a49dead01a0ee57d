"""The agent of the node image against the simulated AWS: what it runs, kills and reports."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarmer.local import run_command_agent
from swarmer.local.run_command_agent import Agent, Role
from tests.fakeaws.agents_client import (
    Node,
    details,
    document,
    finished,
    nodes,
    running_agent,
    send,
    template,
    until,
)
from tests.fakeaws.client import Aws

SHELL = document(
    "{{ Script }}", timeout="{{ Seconds }}",
    Script={"type": "String"}, Seconds={"type": "String", "default": "30"},
)  # fmt: skip


@pytest.fixture
def node(aws: Aws) -> Iterator[Node]:
    aws.create("t", template({"t-shell": SHELL}, MinSize="1", MaxSize="1"))
    (found,) = nodes(aws)
    with running_agent(found):
        yield found


def run(node: Node, script: str, seconds: str = "30") -> str:
    parameters = {"Script": [script], "Seconds": [seconds]}
    return send(node.aws, "t-shell", InstanceIds=[node.id], Parameters=parameters)


def lives(pid_file: Path) -> bool:
    """Whether the process is there, and no zombie."""
    try:
        state = Path(f"/proc/{pid_file.read_text().strip()}/stat").read_text()
    except FileNotFoundError:
        return False
    return state.rpartition(") ")[2][0] != "Z"


def test_a_script_runs_with_both_outputs_and_its_exit_status(aws: Aws, node: Node) -> None:
    done = finished(aws, run(node, "echo out; echo err >&2; echo $AWS_SSM_INSTANCE_ID; exit 3"), node.id)
    assert (done["Status"], done["ResponseCode"]) == ("Failed", 3)
    assert done["StandardOutputContent"] == f"out\n{node.id}\n"
    assert done["StandardErrorContent"] == "err\nfailed to run commands: exit status 3"
    assert finished(aws, run(node, "true"), node.id)["Status"] == "Success"


def test_much_output_is_cut_and_does_not_stop_the_script(aws: Aws, node: Node) -> None:
    done = finished(aws, run(node, "head -c 3000000 /dev/zero | tr '\\0' x"), node.id)
    assert (done["Status"], done["StandardOutputContent"]) == ("Success", "x" * 24_000)


def test_a_command_beyond_its_time_is_killed_with_its_children(aws: Aws, node: Node, tmp_path: Path) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/child; wait"
    done = finished(aws, run(node, script, seconds="1"), node.id)
    assert (done["StatusDetails"], done["ResponseCode"]) == ("ExecutionTimedOut", 137)
    until(lambda: not lives(tmp_path / "child"))


def test_a_cancelled_command_is_killed_with_its_children(aws: Aws, node: Node, tmp_path: Path) -> None:
    command = run(node, f"sleep 60 & echo $! > {tmp_path}/child; echo begun; wait")
    until(lambda: (tmp_path / "child").exists() and lives(tmp_path / "child"))
    aws.client("ssm").cancel_command(CommandId=command)
    done = finished(aws, command, node.id)
    assert (done["Status"], done["StandardOutputContent"]) == ("Cancelled", "begun\n")
    until(lambda: not lives(tmp_path / "child"))


def test_commands_run_side_by_side(aws: Aws, node: Node, tmp_path: Path) -> None:
    waiting = run(node, f"until [ -e {tmp_path}/go ]; do sleep 0.05; done")
    assert finished(aws, run(node, f"touch {tmp_path}/go"), node.id)["Status"] == "Success"
    assert finished(aws, waiting, node.id)["Status"] == "Success"


def test_a_process_that_leaves_the_group_does_not_hold_the_command(aws: Aws, node: Node) -> None:
    began_s = time.monotonic()
    done = finished(aws, run(node, "setsid sleep 8 & echo started"), node.id)
    assert (done["Status"], done["StandardOutputContent"]) == ("Success", "started\n")
    assert time.monotonic() - began_s < 7


def test_an_agent_outlives_the_time_without_aws(aws: Aws, node: Node) -> None:
    keys = ["ASIAUNKNOWN"]
    agent = Agent(aws.server.url, aws.region, lambda: keys[0], wait_s=0)
    with pytest.raises(OSError, match="403"):
        agent.poll()
    keys[0] = node.key
    agent.poll()


def test_the_agent_takes_its_key_from_the_metadata_service(
    aws: Aws, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def answer(self: Role, method: str, path: str, headers: dict[str, str]) -> str:
        asked.append((method, path))
        return {"latest/api/token": "token", "latest/meta-data/iam/security-credentials/": "role"}.get(
            path, json.dumps({"AccessKeyId": "ASIA1"})
        )

    monkeypatch.setattr(Role, "_ask", answer)
    role = Role("http://nowhere")
    assert (role(), role()) == ("ASIA1", "ASIA1")
    assert asked == [
        ("PUT", "latest/api/token"),
        ("GET", "latest/meta-data/iam/security-credentials/"),
        ("GET", "latest/meta-data/iam/security-credentials/role"),
    ]


@pytest.mark.parametrize("text", ["instance-id: i-1\n", '{"instance-id": "i-1"}'])
def test_a_machine_without_aws_needs_no_agent(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meta-data").write_text(text)
    monkeypatch.setattr(run_command_agent, "SEED", tmp_path / "meta-data")
    assert run_command_agent.main() == 0


def test_an_action_that_the_agent_does_not_know_fails_with_its_name(aws: Aws) -> None:
    content = document("x")
    content["mainSteps"][0]["action"] = "aws:configureDocker"
    aws.create("t", template({"t-docker": content}, MinSize="1", MaxSize="1"))
    (node,) = nodes(aws)
    with running_agent(node):
        command = send(aws, "t-docker", InstanceIds=[node.id])
        assert "aws:configureDocker" in finished(aws, command, node.id)["StandardErrorContent"]
        assert details(aws, command) == ["Failed"]
