"""`swarmer deploy` and `swarmer destroy` with the real CDK against the simulated AWS.

The tests share one deployed cluster and follow each other. No node boots here: its answers are made up.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result
from moto.ssm.models import ssm_backends

from swarmer.adapters.stacks import StackState
from swarmer.cli import place
from swarmer.cli.main import main
from swarmer.core import deployment
from swarmer.core.account import BOOTSTRAP_PARAMETER
from swarmer.core.health import Expected, Observation
from swarmer.core.stack_progress import StackProgress
from swarmer.core.state import MemberStatus, SwarmNode
from swarmer.fakeaws.daemon.server import Server
from swarmer.local import environment
from swarmer.local.cdk import Cdk
from swarmer.providers.aws import target
from swarmer.providers.aws.provider import AwsProvider
from tests.fakeaws.cdk import ACCOUNT, ADMITTED, LET_GO, ROOT, admitting, command_line
from tests.fakeaws.client import OF_THE_SDK, Aws, cleared

__all__ = ["command_line"]

SERVERS: Final = (
    "name: lone\ndomain: lone\nnetwork: {cidr: 10.48.0.0/16, vpn_cidr: 10.49.0.0/22, zones: 1}\n"
    "groups:\n  all: {roles: [consul-server, swarm-manager, swarm-worker], size: 1}\n"
)
STACKS: Final = deployment.stack_names("lone")
IMAGE: Final = "/aws/service/debian/release/13/latest/amd64"
Type = Callable[..., Result]


@pytest.fixture(scope="module")
def account(aws_server: Server) -> Iterator[Aws]:
    """An account that all tests of the module share, empty at first."""
    with cleared(aws_server) as aws:
        yield aws


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("described") / "servers.yml"
    path.write_text(SERVERS)
    return path


@pytest.fixture
def typed(
    account: Aws, servers: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Type:
    """Function that types a command about the cluster, with the account in the environment."""
    for name in OF_THE_SDK:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", account.region)
    monkeypatch.setattr(environment, "STATE", tmp_path_factory.getbasetemp() / "state")
    monkeypatch.setattr(target, "PAUSE_S", 0.1)
    monkeypatch.setattr(Cdk, "synthesise", once(Cdk.synthesise, tmp_path_factory.getbasetemp() / "apps"))
    monkeypatch.setattr(AwsProvider, "observe", lambda _, nodes: well(nodes))

    def type_(command: str, *argv: str) -> Result:
        with admitting(account, ADMITTED | LET_GO):
            return CliRunner().invoke(main, [command, "-f", str(servers), "--on", "aws", *argv])

    return type_


def once(synthesise: Callable[[Cdk], None], kept: Path) -> Callable[[Cdk], None]:
    """Function that synthesises each description once and then copies the app, which is the same."""

    def synthesise_once(self: Cdk) -> None:
        app = kept / hashlib.sha256(self.servers.read_bytes()).hexdigest()
        if not app.exists():
            synthesise(self)
            shutil.copytree(self.assembly, app)
        shutil.copytree(app, self.assembly, dirs_exist_ok=True)

    return synthesise_once


def well(nodes: Sequence[Expected]) -> Observation:
    """Answers of nodes with which all is well."""
    held = {each.name: each for each in nodes}
    return Observation(
        members=dict.fromkeys(held, MemberStatus.ALIVE),
        leader="10.48.0.4:8300",
        voters=frozenset(held),
        swarm={name: _manager(name) for name in held},
        holder=next(iter(held), ""),
        answers=dict.fromkeys(held, True),
    )


def _manager(name: str) -> SwarmNode:
    return SwarmNode(
        id=name, name=name, role="manager", state="ready", reachability="reachable", is_leader=True
    )


def statuses(aws: Aws, among: Collection[str] = STACKS) -> dict[str, str]:
    found = aws.client("cloudformation").describe_stacks()["Stacks"]
    return {each["StackName"]: each["StackStatus"] for each in found if each["StackName"] in among}


def publish_image(aws: Aws) -> str:
    """Give Debian's parameter another image, as Debian does; return its ID."""
    ami = str(aws.client("ec2").register_image(Name="newer", RootDeviceName="/dev/xvda")["ImageId"])
    ssm_backends[ACCOUNT][aws.region]._parameters[IMAGE][-1].value = ami
    return ami


def last_events(aws: Aws) -> list[str]:
    """ID of the newest event of each stack."""
    ask = aws.client("cloudformation").describe_stack_events
    return [str(ask(StackName=each)["StackEvents"][0]["EventId"]) for each in STACKS]


def test_without_a_terminal_the_changes_are_shown_and_nothing_is_changed(account: Aws, typed: Type) -> None:
    done = typed("deploy")
    assert done.exit_code == 2
    assert "lone (AWS, account 123456789012, us-east-1):" in done.stdout
    assert "CDKToolkit: the CDK's bootstrap" in done.stdout
    assert "nodes: all 1 × t3.small" in done.stdout
    assert [each for each in STACKS if f"  {each}: " not in done.stdout] == []
    assert done.stderr.splitlines()[-1].endswith("add --yes, or type this on a terminal")
    assert account.client("cloudformation").describe_stacks()["Stacks"] == []


def test_on_a_terminal_the_answer_no_changes_nothing(
    account: Aws, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "_is_terminal", lambda: True)
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)
    done = typed("deploy")
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (
        1,
        "swarmer: nothing was changed: the answer was no",
    )
    assert statuses(account) == {}


def test_what_the_account_lacks_ends_the_command_before_anything_is_made(
    account: Aws, typed: Type, servers: Path
) -> None:
    servers.write_text(SERVERS.replace("size: 1", "size: 1, instance_type: t9.small"))
    done = typed("deploy", "--yes")
    servers.write_text(SERVERS)
    assert done.exit_code == 2
    assert "t9.small" in done.stdout
    assert "nothing was changed: missing: types of all" in done.stderr
    assert account.client("cloudformation").describe_stacks()["Stacks"] == []


def test_ctrl_c_ends_the_cdk_and_says_that_cloudformation_goes_on(
    account: Aws, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(progress: target.Progress) -> None:
        progress.stacks = [StackProgress(name="lone-registry", status="CREATE_IN_PROGRESS")]
        raise KeyboardInterrupt

    monkeypatch.setattr(target.Progress, "look", interrupted)
    done = typed("deploy", "--yes")
    assert done.exit_code == 130
    last = done.stderr.splitlines()[-1]
    assert last.startswith("swarmer: interrupted: CloudFormation goes on with lone-registry, which the Cloud")
    assert last.endswith("`swarmer deploy` goes on after its end")
    assert "lone-cluster" not in statuses(account)


def test_an_empty_account_gets_the_bootstrap_and_the_cluster_and_the_next_command_is_named(
    account: Aws, typed: Type, servers: Path
) -> None:
    done = typed("deploy", "--yes")
    assert done.exit_code == 0, done.stderr
    assert account.client("ssm").get_parameter(Name=BOOTSTRAP_PARAMETER)
    assert statuses(account) == dict.fromkeys(STACKS, "CREATE_COMPLETE")
    assert [each for each in STACKS if f"{each}: " not in done.stderr] == [], "no progress"
    assert "lone-cluster: done" in done.stderr
    (instance,) = account.instances("lone-all")
    node = f"all-{instance['InstanceId']}"
    assert done.stdout.endswith(f"  .venv/bin/swarmer exec -f {servers} --on aws {node} -- docker node ls\n")


def test_a_second_deploy_changes_nothing_asks_nothing_and_checks_the_cluster(
    account: Aws, typed: Type
) -> None:
    before = last_events(account)
    done = typed("deploy")
    assert done.exit_code == 0, done.stderr
    assert "lone: nothing to change (AWS, account" in done.stdout
    assert "lone is validated" in done.stderr
    assert last_events(account) == before


def test_a_newer_image_of_debian_is_a_change(account: Aws, typed: Type) -> None:
    ami = publish_image(account)
    done = typed("deploy", "--yes")
    assert done.exit_code == 0, done.stderr
    assert f"  image: {ami} instead of ami-" in done.stdout
    assert "nothing to change" in typed("deploy").stdout


def test_a_changed_description_is_shown_by_its_resources_and_deployed(
    account: Aws, typed: Type, servers: Path
) -> None:
    servers.write_text(SERVERS.replace("size: 1", "size: 1, disk: 30"))
    done = typed("deploy")
    assert done.exit_code == 2
    assert "  lone-cluster:\n    ~ AWS::EC2::LaunchTemplate " in done.stdout
    assert "lone-network:" not in done.stdout
    assert typed("deploy", "--yes").exit_code == 0
    assert "nothing to change" in typed("deploy").stdout


def test_a_change_that_aws_cannot_make_is_refused_with_its_line(typed: Type, servers: Path) -> None:
    kept = servers.read_text()
    servers.write_text(kept.replace("10.48.0.0/16", "10.60.0.0/16"))
    done = typed("deploy", "--yes")
    servers.write_text(kept)
    assert done.exit_code == 2
    assert f"{servers}:3: network.cidr: AWS cannot change the addresses of a VPC" in done.stderr


def test_nodes_that_do_not_come_are_told_with_the_first_problem_and_the_next_command(
    typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AwsProvider, "observe", lambda *_: Observation())
    done = typed("deploy", "--timeout", "1")
    assert done.exit_code == 1
    last = done.stderr.splitlines()[-1]
    assert "the cluster is not validated after 1 s: Consul answers on no node; `swarmer events`" in last


def test_an_interrupted_wait_says_that_the_nodes_boot_on(
    typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> Observation:
        raise KeyboardInterrupt

    monkeypatch.setattr(AwsProvider, "observe", interrupted)
    done = typed("deploy")
    assert done.exit_code == 130
    assert "the nodes boot on; `swarmer status --watch` shows it" in done.stderr


def test_a_stack_at_work_for_another_operator_is_left_alone(
    account: Aws, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = target.Target.described

    def busy(self: target.Target) -> dict[str, StackState]:
        found = described(self)
        return {**found, "lone-network": replace(found["lone-network"], status="UPDATE_IN_PROGRESS")}

    monkeypatch.setattr(target.Target, "described", busy)
    for command in ("deploy", "destroy"):
        done = typed(command, "--yes")
        assert done.exit_code == 1
        assert "lone-network is UPDATE_IN_PROGRESS: CloudFormation is at work on it" in done.stderr
    assert statuses(account).keys() == set(STACKS)


def test_a_policy_that_a_person_holds_is_found_before_anything_is_destroyed(
    account: Aws, typed: Type
) -> None:
    iam, outputs = account.client("iam"), account.stack("lone-healing")["Outputs"]
    policy = next(each["OutputValue"] for each in outputs if each["OutputKey"] == "ViewerPolicy")
    iam.create_user(UserName="ada")
    iam.attach_user_policy(UserName="ada", PolicyArn=policy)
    done = typed("destroy", "--yes")
    assert done.exit_code == 1
    remedy = f"aws iam detach-user-policy --user-name ada --policy-arn {policy}"
    assert done.stderr.splitlines()[-1].endswith(remedy)
    assert set(statuses(account).values()) == {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    iam.detach_user_policy(UserName="ada", PolicyArn=policy)


def test_destroy_shows_what_goes_and_stays_and_asks_for_the_cluster_s_name(
    account: Aws, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = typed("destroy")
    assert done.exit_code == 2
    assert f"  AWS::S3::Bucket {account.resource('lone-registry', 'Bucket83908E77')} is kept" in done.stdout
    assert "up to 45 minutes" in done.stdout
    monkeypatch.setattr(place, "_is_terminal", lambda: True)
    monkeypatch.setattr("click.prompt", lambda *_, **__: "swarmer")
    assert "that was not the cluster's name" in typed("destroy").stderr
    assert statuses(account).keys() == set(STACKS)


def test_a_destroyed_cluster_leaves_its_bucket_which_the_next_deploy_takes_in(
    account: Aws, typed: Type, servers: Path
) -> None:
    bucket = account.resource("lone-registry", "Bucket83908E77")
    account.client("s3").put_object(Bucket=bucket, Key="image", Body=b"layer")
    done = typed("destroy", "--yes")
    assert done.exit_code == 0, done.stderr
    assert f"AWS::S3::Bucket {bucket} is there still." in done.stdout
    assert statuses(account) == {}
    assert "lone-network: done" in done.stderr
    assert typed("destroy").stdout.startswith("nothing to destroy: lone has no stack (AWS, account")

    servers.write_text(f"registry: {{bucket: {bucket}}}\n{SERVERS}")
    assert typed("deploy", "--yes").exit_code == 0
    assert account.resource("lone-registry", "Bucket83908E77") == bucket
    assert account.client("s3").get_object(Bucket=bucket, Key="image")["Body"].read() == b"layer"


def test_the_command_that_destroy_prints_removes_the_bucket_with_every_image(
    account: Aws, typed: Type
) -> None:
    done = typed("destroy", "--yes")
    assert done.exit_code == 0, done.stderr
    (command,) = [line for line in done.stdout.splitlines() if "boto3" in line]
    line = command.partition(":  ")[2]
    subprocess.run(["bash", "-c", line], cwd=ROOT, check=True, timeout=60)
    left = {each["Name"] for each in account.client("s3").list_buckets()["Buckets"]}
    assert not [each for each in left if each.startswith("lone-")]
