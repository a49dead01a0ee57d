"""Two clusters in one account, and one that was destroyed and is deployed again: no name is in the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from swarmer.core import description, names
from tests.stacks.assembly import Assembly, synthesise

CLUSTER = """
name: {name}
domain: {domain}
network: {{cidr: {cidr}, zones: 1}}
groups:
  core: {{roles: [consul-server, swarm-manager], size: 3}}
  workers: {{roles: [swarm-worker], min: 1, max: 3}}
"""
KINDS = (
    "AWS::AutoScaling::AutoScalingGroup",
    "AWS::Lambda::Function",
    "AWS::Logs::LogGroup",
    "AWS::Logs::ResourcePolicy",
    "AWS::SSM::Document",
    "AWS::SSM::Parameter",
)
"""Types of resources with a fixed name."""
IN_A_ROLE = "AWS::IAM::Policy"
"""Its name counts within its role."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Assembly, Assembly]:
    """Their names begin alike; groups and addresses are the same."""
    first, second = (
        synthesise(
            tmp_path_factory.mktemp(name),
            description.parse(CLUSTER.format(name=name, domain=name, cidr="10.60.0.0/20")),
        )
        for name in ("lab", "lab2")
    )
    return first, second


def physical_names(assembly: Assembly) -> set[tuple[str, str]]:
    """Type and name of what CloudFormation does not name, by each type's schema; stacks and exports, too."""
    found: set[tuple[str, str]] = set()
    for stack, template in assembly.templates.items():
        found.add(("stack", stack))
        exports = (it["Export"]["Name"] for it in template.get("Outputs", {}).values() if "Export" in it)
        found |= {("export", name) for name in exports}
        for resource in template["Resources"].values():
            if resource["Type"] == IN_A_ROLE:
                continue
            properties = resource.get("Properties", {})
            given = (properties.get(key) for key in identifiers(resource["Type"]))
            found |= {(resource["Type"], name) for name in given if isinstance(name, str)}
    return found


def identifiers(kind: str) -> set[str]:
    """Properties that name a resource of that type."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    alternatives = [schema.get("primaryIdentifier", []), *schema.get("additionalIdentifiers", [])]
    last = {pointer.rpartition("/")[2] for pointers in alternatives for pointer in pointers}
    return last | {f"{kind.rpartition('::')[2]}Name", "RoleName", "GroupName", "InstanceProfileName"}


def rules(assembly: Assembly) -> Iterator[dict[str, Any]]:
    """The event patterns."""
    for rule in assembly.of_type("AWS::Events::Rule").values():
        if "EventPattern" in rule:
            yield rule["EventPattern"]


def matches(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html"""
    return all(
        matches(wanted, event.get(key, {}))
        if isinstance(wanted, dict)
        else any(
            event.get(key, "").startswith(each["prefix"])
            if isinstance(each, dict)
            else event.get(key) == each
            for each in wanted
        )
        for key, wanted in pattern.items()
    )


def announced(pattern: dict[str, Any], group: str) -> list[dict[str, Any]]:
    """Events of an Auto Scaling group, of the kinds that a pattern asks for, or of one for all."""
    return [
        {"source": "aws.autoscaling", "detail-type": kind, "detail": {"AutoScalingGroupName": group}}
        for kind in pattern.get("detail-type", ["EC2 Instance Launch Successful"])
    ]


def test_nothing_of_one_cluster_has_the_name_of_something_of_the_other(
    pair: tuple[Assembly, Assembly],
) -> None:
    first, second = map(physical_names, pair)
    assert not first & second
    for kind in (*KINDS, "stack", "export"):
        assert {it for it, _ in first} >= {kind}, kind


def test_a_cluster_hears_its_own_groups_and_none_of_the_others(pair: tuple[Assembly, Assembly]) -> None:
    for own, other in (pair, pair[::-1]):
        of_groups = [pattern for pattern in rules(own) if pattern["source"] == ["aws.autoscaling"]]
        assert len(of_groups) == 4
        for pattern in of_groups:
            for group in own.cluster.groups:
                name = names.group_asg_name(own.cluster.name, group.name)
                assert all(matches(pattern, event) for event in announced(pattern, name)), name
                name = names.group_asg_name(other.cluster.name, group.name)
                assert not any(matches(pattern, event) for event in announced(pattern, name)), name


def test_what_is_heard_of_any_instance_is_only_that_it_ends(pair: tuple[Assembly, Assembly]) -> None:
    """EC2's events name no group and carry no tag: the function looks whose the instance was."""
    for assembly in pair:
        (pattern,) = (pattern for pattern in rules(assembly) if pattern["source"] == ["aws.ec2"])
        assert set(pattern["detail"]) == {"state"}
        assert "running" not in pattern["detail"]["state"]


def test_what_one_may_change_is_not_the_others(pair: tuple[Assembly, Assembly]) -> None:
    for own, other in (pair, pair[::-1]):
        text = json.dumps(
            [it for template in own.templates.values() for it in template["Resources"].values()]
        )
        assert f"{own.cluster.name}-" in text
        assert f"{other.cluster.name}-" not in text
        assert f"/swarmer/{other.cluster.name}/" not in text


def test_nothing_but_the_bucket_is_retained(assembly: Assembly) -> None:
    policies = ("DeletionPolicy", "UpdateReplacePolicy")
    retained = [
        resource["Type"]
        for template in assembly.templates.values()
        for resource in template["Resources"].values()
        if any(resource.get(policy, "Delete") != "Delete" for policy in policies)
    ]
    assert retained == ["AWS::S3::Bucket"]


def test_named_resources_are_deleted_with_their_stack_except_a_named_bucket(assembly: Assembly) -> None:
    """The names are free again for a second deployment of the same name."""
    bucket = assembly.cluster.registry.bucket
    named = {(kind, name) for kind, name in physical_names(assembly) if kind.startswith("AWS::")}
    assert {kind for kind, _ in named} == {*KINDS, *(["AWS::S3::Bucket"] if bucket else [])}
    others = [name for kind, name in named if kind != "AWS::S3::Bucket"]
    cluster = assembly.cluster.name
    own = (f"{cluster}-", f"/swarmer/{cluster}/", f"/aws/lambda/{cluster}-", f"/aws/events/swarmer/{cluster}")
    assert all(name.startswith(own) for name in others)


def test_a_bucket_that_has_a_name_can_be_taken_in_again(variant: Assembly) -> None:
    """CloudFormation imports what has a name that stands in the template, and a deletion policy."""
    resources = variant.templates["variant-registry"]["Resources"].values()
    (bucket,) = (it for it in resources if it["Type"] == "AWS::S3::Bucket")
    assert bucket["Properties"]["BucketName"] == variant.cluster.registry.bucket
    assert bucket["DeletionPolicy"] == "Retain"
