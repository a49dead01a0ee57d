"""The real CDK command line, run against the simulated AWS."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from swarmer.core import names
from swarmer.fakeaws.daemon import background
from swarmer.fakeaws.daemon.server import Server
from swarmer.local import host
from tests.fakeaws.client import Aws

ROOT = Path(__file__).parents[2]
CDK = ROOT / "node_modules/.bin/cdk"
ACCOUNT = "123456789012"
ADMITTED = {"Pending:Wait": names.HOOK_LAUNCH}
LET_GO = {"Terminating:Wait": names.HOOK_TERMINATE}


@pytest.fixture(scope="module", autouse=True)
def command_line() -> None:
    host.ensure_cdk()


@dataclass(frozen=True)
class Cdk:
    """Runner of `cdk`, whose environment names only the simulated AWS."""

    server: Server
    folder: Path

    def bootstrap(self) -> None:
        # Away from cdk.json there is no app that it would synthesise first.
        self._run("bootstrap", f"aws://{ACCOUNT}/us-east-1", cwd=self.folder)

    def synth(self, out: str, servers: Path = ROOT / "servers.yml") -> str:
        """Synthesize the assembly for `deploy`."""
        assembly = str(self.folder / out)
        self._run("synth", "--quiet", "--output", assembly, "--context", f"servers={servers}")
        return assembly

    def deploy(self, assembly: str, *options: str) -> None:
        options = options or ("--method", "direct", "--concurrency", "4")
        with admitting(Aws(self.server)):
            self._run("deploy", "--all", "--app", assembly, "--require-approval", "never", *options)

    def refused(self, assembly: str, *options: str) -> str:
        """Output of a `deploy` that fails."""
        done = self._done("deploy", "--all", "--app", assembly, "--require-approval", "never", *options)
        assert done.returncode != 0, "it was deployed"
        return done.stdout + done.stderr

    def _run(self, verb: str, *argv: str, cwd: Path = ROOT) -> None:
        done = self._done(verb, *argv, cwd=cwd)
        assert done.returncode == 0, done.stdout + done.stderr

    def _done(self, verb: str, *argv: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        command = [str(CDK), verb, *argv, "--no-notices", "--no-color"]
        environment = self._environment()
        return subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    def _environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        return inherited | {
            "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "AWS_ENDPOINT_URL": self.server.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CDK_DISABLE_VERSION_CHECK": "1",
        }


@contextmanager
def admitting(aws: Aws, hooks: Mapping[str, str] = ADMITTED) -> Iterator[None]:
    """Admit every launched instance, as `register_node` does: the CDK waits for them.

    `hooks`: lifecycle hook to answer, by the state in which an instance waits for it.
    """
    over = threading.Event()

    def admit() -> None:
        autoscaling = aws.client("autoscaling")
        while not over.wait(0.2):
            for group in autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]:
                for each in group["Instances"]:
                    if each["LifecycleState"] in hooks:
                        autoscaling.complete_lifecycle_action(
                            AutoScalingGroupName=group["AutoScalingGroupName"],
                            LifecycleHookName=hooks[each["LifecycleState"]],
                            InstanceId=each["InstanceId"],
                            LifecycleActionResult="CONTINUE",
                        )
            background.tick()

    thread = threading.Thread(target=admit)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def cdk(aws_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Cdk:
    return Cdk(aws_server, tmp_path_factory.mktemp("cdk"))
