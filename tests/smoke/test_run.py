"""The whole smoke test with a stand-in for `swarmer`: whatever happens, the report is written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from swarmer.local import environment
from tests.fakeaws.client import Aws, aws, aws_server
from tests.smoke.command import Failed, Swarmer
from tests.smoke.steps import STEPS

__all__ = ["aws", "aws_server"]

STAND_IN = """\
#!/bin/sh
echo "$*" >> {folder}/typed
case $1 in
    doctor) echo '[{{"what": "quota", "state": "{state}", "found": "5", "advice": "ask for 14"}}]' ;;
    deploy) {deploy} ;;
    *) echo "$1 of 10.66.0.7" >&2; exit 1 ;;
esac
"""

MAKE_STACK = """\
import boto3, json
made = dict(endpoint_url="{url}", region_name="us-east-1", aws_access_key_id="t", aws_secret_access_key="t")
body = json.dumps({{"Resources": {{"Q": {{"Type": "AWS::SQS::Queue"}}}}}})
boto3.client("cloudformation", **made).create_stack(StackName="smoke-network", TemplateBody=body)
"""


def stand_in(folder: Path, *, state: str = "ok", deploy: str = "exit 1") -> Path:
    """A program in the place of `swarmer`, in whose account the doctor finds this."""
    path = folder / "swarmer"
    path.write_text(STAND_IN.format(folder=folder, state=state, deploy=deploy))
    path.chmod(0o755)
    return path


def start(folder: Path, aws: Aws, *argv: str) -> subprocess.Popen[str]:
    """Start the smoke test as a person does, in the account of the simulated AWS."""
    variables = {
        "AWS_ENDPOINT_URL": aws.server.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": aws.region,
    }
    command = [sys.executable, "-m", "tests.smoke", "--report", str(folder / "report.md")]
    return subprocess.Popen(
        [*command, "--command", str(folder / "swarmer"), *argv],
        cwd=environment.ROOT,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(folder: Path, aws: Aws, *argv: str) -> tuple[int, str, str]:
    """Exit status, output and report of a whole run."""
    with start(folder, aws, *argv) as running:
        out, _ = running.communicate(timeout=120)
    report = folder / "report.md"
    return running.returncode, out, report.read_text() if report.exists() else ""


def typed(folder: Path) -> list[str]:
    """Verbs of the commands so far."""
    log = folder / "typed"
    return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


def network(aws: Aws) -> None:
    """Make a stack with one of the cluster's names."""
    aws.create("smoke-network", {"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}})


def test_without_a_terminal_and_without_yes_nothing_is_begun(aws: Aws, tmp_path: Path) -> None:
    stand_in(tmp_path)
    status, out, report = run(tmp_path, aws)
    assert (status, report, typed(tmp_path)) == (2, "", [])
    assert "account 123456789012, region us-east-1" in out
    assert out.splitlines()[-1] == "smoke test: nothing was created: add --yes, or type this on a terminal"


def test_a_cluster_that_is_there_already_is_left_alone(aws: Aws, tmp_path: Path) -> None:
    stand_in(tmp_path)
    network(aws)
    status, out, report = run(tmp_path, aws, "--yes")
    assert (status, report, typed(tmp_path)) == (2, "", [])
    assert "has the stack smoke-network already" in out
    assert ".venv/bin/swarmer destroy -f tests/smoke/servers.yml --on aws --yes" in out


def test_an_account_that_lacks_something_ends_the_run_before_the_deploy(aws: Aws, tmp_path: Path) -> None:
    stand_in(tmp_path, state="missing")
    status, out, report = run(tmp_path, aws, "--yes")
    assert (status, typed(tmp_path)) == (1, ["doctor"])
    assert "| failed | quota: ask for 14 |" in report
    assert "nothing of the cluster" in out


def test_a_step_that_fails_is_reported_with_what_is_left_and_what_removes_it(
    aws: Aws, tmp_path: Path
) -> None:
    stand_in(
        tmp_path, deploy=f"{sys.executable} {tmp_path}/deploy.py; echo no capacity in 10.66.0.0/16; exit 1"
    )
    (tmp_path / "deploy.py").write_text(MAKE_STACK.format(url=aws.server.url))
    status, out, report = run(tmp_path, aws, "--yes")
    assert status == 1
    assert "stack smoke-network (CREATE_COMPLETE) with 1 resources" in out
    assert "  .venv/bin/swarmer destroy -f tests/smoke/servers.yml --on aws --yes" in out
    assert report.startswith("# Smoke test: failed")
    assert "| failed | swarmer deploy ended with 1: no capacity in ADDRESS |" in report
    assert "- stack smoke-network (CREATE_COMPLETE)" in report
    assert report.count("| not run |") == len(STEPS) - 2
    for private in ("123456789012", "10.66.0.0", aws.server.url):
        assert private not in report


def test_ctrl_c_ends_the_command_and_is_reported_with_what_is_left(aws: Aws, tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    stand_in(tmp_path, deploy=f"trap 'echo > {ended}; exit 130' INT; echo begun; while :; do sleep 0.1; done")
    with start(tmp_path, aws, "--yes") as running:
        assert running.stdout
        for line in running.stdout:
            if line.strip() == "begun":
                break
        network(aws)
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=60)
    report = (tmp_path / "report.md").read_text()
    assert running.returncode == 130
    assert ended.exists(), "the command was ended in order"
    assert report.startswith("# Smoke test: interrupted")
    assert "stack smoke-network (CREATE_COMPLETE)" in out
    assert ".venv/bin/swarmer destroy -f tests/smoke/servers.yml --on aws --yes" in out


def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    stand_in(tmp_path, deploy="echo begun; exec sleep 600")
    swarmer = Swarmer(
        servers=tmp_path / "servers.yml",
        variables=dict(os.environ),
        log=tmp_path / "log",
        program=str(tmp_path / "swarmer"),
    )
    with pytest.raises(Failed, match="swarmer deploy did not end within 1 s") as failed:
        swarmer.run("deploy", timeout_s=1)
    assert failed.value.log == ("begun",)
