"""The real CDK command line and the shipped stacks against the simulated AWS: a deploy, and what follows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from swarmer.fakeaws.daemon.server import Server
from tests.fakeaws.cdk import ROOT, Cdk, cdk, command_line
from tests.fakeaws.client import Aws, cleared
from tests.fakeaws.test_assumed_roles import Session, person
from tests.fakeaws.test_authorization import is_refused

__all__ = ["cdk", "command_line"]

STACKS: Final = ("swarmer-registry", "swarmer-network", "swarmer-healing", "swarmer-cluster")
SHIPPED: Final = (ROOT / "servers.yml").read_text()
LARGER: Final = SHIPPED.replace("size: 2", "size: 3")


@pytest.fixture(scope="module")
def assembly(cdk: Cdk) -> str:
    return cdk.synth("cdk.out")


@pytest.fixture(scope="module")
def deployed(aws_server: Server, cdk: Cdk, assembly: str) -> Iterator[Aws]:
    """AWS with the shipped cluster. A deploy takes seconds, so the tests share it, in their order."""
    with cleared(aws_server) as aws:
        cdk.bootstrap()
        cdk.deploy(assembly)
        yield aws


def nodes(aws: Aws) -> list[dict[str, Any]]:
    return [*aws.instances("swarmer-core"), *aws.instances("swarmer-workers")]


def ids(aws: Aws) -> set[str]:
    return {each["InstanceId"] for each in nodes(aws)}


def statuses(aws: Aws) -> set[str]:
    return {aws.stack(name)["StackStatus"] for name in STACKS}


def groups(described: str) -> str:
    """Groups of a servers.yml."""
    return described[described.index("\ngroups:") :]


def test_a_deploy_starts_what_is_described_and_a_second_one_changes_nothing(
    deployed: Aws, cdk: Cdk, assembly: str
) -> None:
    first = nodes(deployed)
    assert statuses(deployed) == {"CREATE_COMPLETE"}
    assert len(first) == 5
    assert {each["Placement"]["AvailabilityZone"] for each in first} == {f"us-east-1{zone}" for zone in "abc"}
    assert len({each["SubnetId"] for each in first}) == 3
    # A second one would be the image's own: small, and not encrypted.
    assert {len(each["BlockDeviceMappings"]) for each in first} == {1}
    cdk.deploy(assembly)
    assert statuses(deployed) == {"CREATE_COMPLETE"}
    assert nodes(deployed) == first


def holder(aws: Aws, output: str) -> Session:
    """Clients of a person whose role has the policy that an output of the functions' stack names."""
    outputs = {each["OutputKey"]: each["OutputValue"] for each in aws.stack("swarmer-healing")["Outputs"]}
    client = person(aws, role=output)
    aws.client("iam").attach_role_policy(RoleName=output, PolicyArn=outputs[output])
    return client


def test_the_policies_of_the_stack_let_people_look_and_run_and_no_more(deployed: Aws) -> None:
    viewer, operator = holder(deployed, "ViewerPolicy"), holder(deployed, "OperatorPolicy")
    node, output = nodes(deployed)[0]["InstanceId"], "/swarmer/swarmer/exec"
    deployed.client("logs").create_log_stream(logGroupName=output, logStreamName="s")
    sent = {"Targets": [{"Key": "tag:swarmer:cluster", "Values": ["swarmer"]}]}
    report = {"DocumentName": "swarmer-status", **sent}
    command = {
        "DocumentName": "swarmer-exec",
        "Parameters": {"Id": ["0" * 32], "Command": ["WyJ0cnVlIl0="]},
        **sent,
    }
    group = {"AutoScalingGroupName": "swarmer-workers", "DesiredCapacity": 2}
    for client in (viewer, operator):
        assert not is_refused(client("ssm").send_command, **report)
        assert not is_refused(client("ec2").describe_instances)
        assert not is_refused(client("cloudformation").describe_stacks, StackName="swarmer-cluster")
        for log in ("/aws/lambda/swarmer-register-node", "/aws/events/swarmer/swarmer"):
            assert not is_refused(client("logs").filter_log_events, logGroupName=log)
    for client, refused in ((viewer, True), (operator, False)):
        assert is_refused(client("ssm").send_command, **command) is refused
        assert is_refused(client("logs").get_log_events, logGroupName=output, logStreamName="s") is refused
        assert is_refused(client("ec2").reboot_instances, InstanceIds=[node]) is refused
        assert is_refused(client("autoscaling").set_desired_capacity, **group) is refused
    assert is_refused(operator("ssm").send_command, DocumentName="AWS-RunShellScript", **sent)
    assert is_refused(operator("cloudformation").delete_stack, StackName="swarmer-cluster")


def test_what_happens_to_the_groups_is_in_the_log_of_events(deployed: Aws) -> None:
    found = deployed.client("logs").filter_log_events(logGroupName="/aws/events/swarmer/swarmer")["events"]
    events = [json.loads(each["message"]) for each in found]
    assert {each["source"] for each in events} == {"aws.autoscaling"}
    launched = [each["detail"] for each in events if "launch" in each["detail-type"].lower()]
    assert ids(deployed) <= {each["EC2InstanceId"] for each in launched}


REFUSED = [
    ("change-set", "registry: {bucket: some-images}", ["registry.bucket: AWS cannot rename a bucket"]),
    (
        "direct",
        "network: {cidr: 10.50.0.0/16, zones: 2}",
        ["network.cidr: AWS cannot change the addresses of a VPC", "network.zones: zones can only be added"],
    ),
]
"""Method of the deploy, change of servers.yml, and the words of the refusal."""


def test_a_change_that_aws_cannot_make_is_refused_by_the_template_before_anything_happens(
    deployed: Aws, cdk: Cdk, tmp_path: Path
) -> None:
    """The words come from the rule of the template, so they come on AWS as well."""
    before = {name: deployed.stack(name) for name in STACKS}
    for method, change, words in REFUSED:
        # A change of the functions, too: they must not be touched.
        described = tmp_path / f"{method}.yml"
        described.write_text(f"{change}\nhealing: {{grace: 400}}{groups(SHIPPED)}")
        said = cdk.refused(cdk.synth(f"{method}.out", described), "--method", method)
        assert [each for each in words if f"servers.yml: {each}" not in said] == [], said
        assert {each: deployed.stack(each) for each in STACKS} == before


def test_a_larger_group_starts_only_what_is_missing(deployed: Aws, cdk: Cdk, tmp_path: Path) -> None:
    before = ids(deployed)
    larger = tmp_path / "servers.yml"
    larger.write_text(LARGER)
    cdk.deploy(cdk.synth("larger.out", larger))
    after = ids(deployed)
    assert before < after
    assert len(after) == 6


def test_zones_are_added_at_the_end_and_none_of_them_can_go(deployed: Aws, cdk: Cdk, tmp_path: Path) -> None:
    """CloudFormation refuses a removal that the rule does not know, because other stacks import it."""
    more, fewer = tmp_path / "more.yml", tmp_path / "fewer.yml"
    more.write_text(f"network: {{zones: [us-east-1a, us-east-1b, us-east-1c, us-east-1d]}}{groups(LARGER)}")
    cdk.deploy(cdk.synth("more.out", more))
    assert statuses(deployed) <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    assert len(deployed.group("swarmer-core")["AvailabilityZones"]) == 4
    before = {name: deployed.stack(name) for name in STACKS if name != "swarmer-network"}
    fewer.write_text(f"network: {{zones: [us-east-1a, us-east-1b, us-east-1c]}}{groups(LARGER)}")
    said = cdk.refused(cdk.synth("fewer.out", fewer))
    assert "cannot be deleted as it is in use by swarmer-healing and swarmer-cluster" in said, said
    assert {name: deployed.stack(name) for name in before} == before
