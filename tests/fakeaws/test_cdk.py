"""The real CDK command line and stacks against the simulated AWS: first deployment and redeployment."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from swarmer.core import names
from swarmer.fakeaws.daemon import background
from swarmer.fakeaws.daemon.server import Server
from swarmer.local import host
from tests.fakeaws.client import Aws

ROOT = Path(__file__).parents[2]
CDK = ROOT / "node_modules/.bin/cdk"
ACCOUNT = "123456789012"
STACKS = ("swarmer-registry", "swarmer-network", "swarmer-healing", "swarmer-cluster")


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
def admitting(aws: Aws) -> Iterator[None]:
    """Admit every launched instance, as `register_node` does: the CDK waits for them."""
    over = threading.Event()

    def admit() -> None:
        autoscaling = aws.client("autoscaling")
        while not over.wait(0.2):
            for group in autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]:
                for each in group["Instances"]:
                    if each["LifecycleState"] == "Pending:Wait":
                        autoscaling.complete_lifecycle_action(
                            AutoScalingGroupName=group["AutoScalingGroupName"],
                            LifecycleHookName=names.HOOK_LAUNCH,
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


@pytest.fixture(scope="module")
def assembly(cdk: Cdk) -> str:
    return cdk.synth("cdk.out")


def nodes(aws: Aws) -> list[dict[str, Any]]:
    return [*aws.instances("swarmer-core"), *aws.instances("swarmer-workers")]


def statuses(aws: Aws) -> set[str]:
    return {aws.stack(name)["StackStatus"] for name in STACKS}


def test_a_second_deploy_changes_nothing_and_a_larger_group_starts_only_what_is_missing(
    aws: Aws, cdk: Cdk, assembly: str, tmp_path: Path
) -> None:
    cdk.bootstrap()
    cdk.deploy(assembly)
    first = nodes(aws)
    assert statuses(aws) == {"CREATE_COMPLETE"}
    assert len(first) == 5
    assert {each["Placement"]["AvailabilityZone"] for each in first} == {f"us-east-1{zone}" for zone in "abc"}
    assert len({each["SubnetId"] for each in first}) == 3
    # A second one would be the image's own: small, and not encrypted.
    assert {len(each["BlockDeviceMappings"]) for each in first} == {1}
    cdk.deploy(assembly)
    assert statuses(aws) == {"CREATE_COMPLETE"}
    assert nodes(aws) == first
    larger = tmp_path / "servers.yml"
    larger.write_text((ROOT / "servers.yml").read_text().replace("size: 2", "size: 3"))
    cdk.deploy(cdk.synth("larger.out", larger))
    after = {each["InstanceId"] for each in nodes(aws)}
    assert {each["InstanceId"] for each in first} < after
    assert len(after) == 6


def test_cluster_is_deployed_by_change_sets_too(aws: Aws, cdk: Cdk, assembly: str) -> None:
    cdk.bootstrap()
    cdk.deploy(assembly, "--method", "change-set")
    first = nodes(aws)
    cdk.deploy(assembly, "--method", "change-set")
    assert len(first) == 5
    assert nodes(aws) == first


REFUSED = [
    ("change-set", "registry: {bucket: some-images}", ["registry.bucket: AWS cannot rename a bucket"]),
    (
        "direct",
        "network: {cidr: 10.50.0.0/16, zones: 2}",
        ["network.cidr: AWS cannot change the addresses of a VPC", "network.zones: zones can only be added"],
    ),
]
"""Method of the deploy, change of servers.yml, and the words of the refusal."""


def groups() -> str:
    """The groups of the shipped servers.yml."""
    text = (ROOT / "servers.yml").read_text()
    return text[text.index("\ngroups:") :]


def test_a_change_that_aws_cannot_make_is_refused_by_the_template_before_anything_happens(
    aws: Aws, cdk: Cdk, assembly: str, tmp_path: Path
) -> None:
    """The words come from the rule of the template, so they come on AWS as well."""
    cdk.bootstrap()
    cdk.deploy(assembly)
    before = {name: aws.stack(name) for name in STACKS}
    for method, change, words in REFUSED:
        # A change of the functions, too: they must not be touched.
        described = tmp_path / f"{method}.yml"
        described.write_text(f"{change}\nhealing: {{grace: 400}}{groups()}")
        said = cdk.refused(cdk.synth(f"{method}.out", described), "--method", method)
        assert [each for each in words if f"servers.yml: {each}" not in said] == [], said
        assert {each: aws.stack(each) for each in STACKS} == before


def test_zones_are_added_at_the_end_and_none_of_them_can_go(
    aws: Aws, cdk: Cdk, assembly: str, tmp_path: Path
) -> None:
    """CloudFormation refuses a removal that the rule does not know, because other stacks import it."""
    cdk.bootstrap()
    cdk.deploy(assembly)
    more, fewer = tmp_path / "more.yml", tmp_path / "fewer.yml"
    more.write_text(f"network: {{zones: [us-east-1a, us-east-1b, us-east-1c, us-east-1d]}}{groups()}")
    cdk.deploy(cdk.synth("more.out", more))
    assert statuses(aws) <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    assert len(aws.group("swarmer-core")["AvailabilityZones"]) == 4
    before = {name: aws.stack(name) for name in STACKS if name != "swarmer-network"}
    fewer.write_text(f"network: {{zones: [us-east-1a, us-east-1b, us-east-1c]}}{groups()}")
    said = cdk.refused(cdk.synth("fewer.out", fewer))
    assert "cannot be deleted as it is in use by swarmer-healing and swarmer-cluster" in said, said
    assert {name: aws.stack(name) for name in before} == before
