"""The app as a whole: order, checks, tags, what a person is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3
from cfnlint import ManualArgs
from cfnlint import lint as cfn_lint

from stacks import app as stacks
from stacks.people import OWN_SESSION
from swarmer.core import names, software
from tests.core.keys import common_keys
from tests.stacks.assembly import Assembly, listed, statements

ROOT = Path(__file__).parents[2]
REGIONS = ["eu-central-1", "us-east-1"]
WITHOUT_RESOURCES = (
    "FindPeers",
    "UseSessionManager",
    "DescribeCluster",
    "ReadScalingActivities",
    "AttachToVpc",
    "ListEverything",
    "CancelCommands",
    "OpenSessions",
)
"""Statements whose actions have no resource level (Service Authorization Reference), or that Lambda itself
needs to be able to make network interfaces."""
YET_TO_COME = (
    # Names of blobs are digests, and a rollback fetches software of earlier ones.
    "RegistryBlobs",
    "FetchNodeSoftware",
    # Each command has a stream of its own in their log group.
    "WriteCommandOutput",
    # CloudFormation makes up IDs of stacks, and names of alarms.
    "ReadStacks",
    "ReadAlarms",
)
"""Statements about resources without a tag whose names do not exist yet."""


def test_each_key_of_the_shipped_description_has_another_value_in_one_of_the_others(
    shipped: Assembly, variant: Assembly, guest: Assembly
) -> None:
    common = set(common_keys(variant.cluster, shipped.cluster))
    assert common & set(common_keys(guest.cluster, shipped.cluster)) == set(), "give VARIANT the new key"


def test_stacks_come_in_the_order_of_their_deployment(shipped: Assembly) -> None:
    artifacts = json.loads((shipped.directory / "manifest.json").read_text())["artifacts"]
    assert "swarmer-registry" in artifacts["swarmer-network"]["dependencies"]
    assert "swarmer-network" in artifacts["swarmer-healing"]["dependencies"]
    assert "swarmer-healing" in artifacts["swarmer-cluster"]["dependencies"]
    assert tuple(shipped.templates) == names.stack_names("swarmer")


def test_synthesis_says_nothing(assembly: Assembly) -> None:
    """Neither cdk-nag nor CDK's own validation nor an annotation: no error, no warning."""
    report = json.loads((assembly.directory / "validation-report.json").read_text())
    assert [each for plugin in report["pluginReports"] for each in plugin["violations"]] == []
    # W3010 warns of zones by name, which a description may pin on purpose. The CDK itself gives the reason.
    excused = {
        each["ruleName"] for plugin in report["pluginReports"] for each in plugin["suppressedViolations"]
    }
    # Subnets that exist already have their zones: no template names those.
    network = assembly.cluster.network
    assert excused == ({"W3010"} if network.zone_names and not network.vpc else set())


def test_a_finding_of_cdk_nag_stops_the_synthesis(tmp_path: Path) -> None:
    app = stacks.new_app(outdir=str(tmp_path))
    s3.Bucket(cdk.Stack(app, "Careless"), "Bucket")
    with pytest.raises(RuntimeError, match="AwsSolutions-S10"):
        app.synth()


def test_cfn_lint_finds_nothing(assembly: Assembly) -> None:
    for path in assembly.directory.glob("*.template.json"):
        # W3010: see above.
        found = cfn_lint(path.read_text(), config=ManualArgs(regions=REGIONS, ignore_checks=["W3010"]))
        assert [str(match) for match in found] == []


def test_no_account_or_region_is_known_to_the_templates(assembly: Assembly) -> None:
    manifest = json.loads((assembly.directory / "manifest.json").read_text())
    assert "missing" not in manifest  # look-ups that the CDK command would have to do
    environments = {it["environment"] for it in manifest["artifacts"].values() if "environment" in it}
    assert environments == {"aws://unknown-account/unknown-region"}


def test_there_is_no_custom_resource(assembly: Assembly) -> None:
    kinds = {it["Type"] for template in assembly.templates.values() for it in template["Resources"].values()}
    assert not {kind for kind in kinds if kind.startswith(("Custom::", "AWS::CloudFormation"))}


def test_no_wildcard_without_a_reason(assembly: Assembly) -> None:
    for statement in statements(assembly):
        assert not [action for action in listed(statement["Action"]) if "*" in action]
        for resource in listed(statement["Resource"]):
            if resource == "*":
                assert statement["Sid"] in WITHOUT_RESOURCES or statement["Effect"] == "Deny", statement
            elif "*" in json.dumps(resource):
                condition = json.dumps(statement.get("Condition"))
                is_tagged = f"esourceTag/{names.TAG_CLUSTER}" in condition or OWN_SESSION in condition
                assert is_tagged or statement["Sid"] in YET_TO_COME, statement


def test_outputs_tell_what_to_do_next(shipped: Assembly) -> None:
    outputs = shipped.templates["swarmer-cluster"]["Outputs"]
    assert outputs["Registry"]["Value"] == "registry.service.swarmer:5000"
    assert outputs["DockerHost"]["Value"] == "tcp://swarm-4000.service.swarmer:4000"
    assert outputs["ConsulUi"]["Value"] == "http://consul.service.swarmer:8500/ui"
    assert outputs["Shell"]["Value"].startswith("aws ssm start-session --target ")
    assert "AutoScalingGroups" in outputs
    assert all("VPN" in outputs[name]["Description"] for name in ("Registry", "DockerHost", "ConsulUi"))


def test_every_output_for_people_is_described(assembly: Assembly) -> None:
    for template in assembly.templates.values():
        for output in template.get("Outputs", {}).values():
            assert "Export" in output or output["Description"]


def test_the_asset_is_exactly_the_node_software(shipped: Assembly) -> None:
    staged = shipped.node_software
    found = sorted(path.relative_to(staged) for path in staged.rglob("*") if path.is_file())
    assert found == list(software.files())
    assert software.digest() in shipped.user_data("core")


def test_asset_and_templates_are_the_same_every_time(shipped: Assembly, variant: Assembly) -> None:
    ours, theirs = ({path.name for path in it.directory.glob("asset.*")} for it in (shipped, variant))
    assert ours == theirs


def run_app(directory: Path, **context: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CDK_"))}
    env |= {"CDK_OUTDIR": str(directory / "cdk.out"), "CDK_CONTEXT_JSON": json.dumps(context)}
    command = [sys.executable, str(ROOT / "app.py")]
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_app_runs_without_credentials_and_without_a_word(tmp_path: Path) -> None:
    done = run_app(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "cdk.out" / "swarmer-cluster.template.json").exists()


def test_an_invalid_description_is_told_in_lines_without_a_traceback(tmp_path: Path) -> None:
    servers = tmp_path / "servers.yml"
    servers.write_text("groups:\n  core: {roles: [consul-server, swarm-manager, swarm-worker], size: 4}\n")
    done = run_app(tmp_path, servers=str(servers))
    assert done.returncode == 2
    assert done.stderr.startswith(f"{servers}:2: groups.core.size: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "cdk.out" / "manifest.json").exists()
