"""Demands of an account: tags on everything that can have them, a boundary on every role."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from swarmer.core import names
from tests.stacks.assembly import Assembly, Resource, listed, statements

SCHEMA_REGION = "us-east-1"
PAGE = Path(__file__).parents[2] / "docs/guides/aws-account.md"
UNTAGGED = {
    "AWS::EC2::Route",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::IAM::InstanceProfile",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::Lambda::LayerVersion",
    "AWS::Logs::ResourcePolicy",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
}
"""Types in the templates that have no tags in CloudFormation."""
OF_ROLES = ("AWS::IAM::Policy",)
"""Types of policies that belong to roles of the cluster."""


def resources(assembly: Assembly) -> Iterator[tuple[str, str, Resource]]:
    for template in assembly.templates.values():
        for name, resource in template["Resources"].items():
            yield name, resource["Type"], resource.get("Properties", {})


def tag_property(kind: str) -> str | None:
    """Property of the type that holds its tags, of CloudFormation's schema; None if it has no tags."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(SCHEMA_REGION, kind).schema
    # A launch template has tags, but not as the schema means it: CloudFormation cannot change them in place.
    found = [key for key in ("Tags", "TagSpecifications") if key in schema["properties"]]
    assert bool(found) == schema.get("tagging", {}).get("taggable", False) or "TagSpecifications" in found, (
        kind
    )
    return found[0] if found else None


def tags(value: Any) -> dict[str, str]:
    """Tags in each form that CloudFormation has for them."""
    if isinstance(value, dict):
        return value
    if value and "ResourceType" in value[0]:
        value = value[0]["Tags"]
    return {tag["Key"]: tag["Value"] for tag in value}


def demanded(assembly: Assembly) -> dict[str, str]:
    return {**dict(assembly.cluster.tags), names.TAG_CLUSTER: assembly.cluster.name}


def test_every_resource_that_cloudformation_can_tag_has_the_tags(assembly: Assembly) -> None:
    for name, kind, properties in resources(assembly):
        if key := tag_property(kind):
            assert demanded(assembly).items() <= tags(properties.get(key, [])).items(), (name, kind)


def test_only_types_that_have_no_tags_have_none(assembly: Assembly) -> None:
    assert {kind for _, kind, _ in resources(assembly) if tag_property(kind) is None} <= UNTAGGED


def test_the_stacks_themselves_have_the_tags(assembly: Assembly) -> None:
    artifacts = json.loads((assembly.directory / "manifest.json").read_text())["artifacts"].values()
    stacks = [it["properties"]["tags"] for it in artifacts if it["type"] == "aws:cloudformation:stack"]
    assert stacks == [demanded(assembly)] * 4


def test_instances_volumes_and_interfaces_of_auto_scaling_have_the_tags(assembly: Assembly) -> None:
    for group in assembly.cluster.groups:
        specifications = assembly.launch_template_data(group.name)["TagSpecifications"]
        kinds = [each["ResourceType"] for each in specifications]
        assert kinds == ["instance", "volume", "network-interface"]
        own = {"Name", names.TAG_GROUP, names.TAG_ROLES}
        for each in specifications:
            found = {tag["Key"]: tag["Value"] for tag in each["Tags"]}
            assert demanded(assembly).items() <= found.items()
            assert found.keys() - demanded(assembly).keys() == own
        asg = assembly.auto_scaling_group(group.name)["Tags"]
        assert all(tag["PropagateAtLaunch"] for tag in asg)


def test_a_resource_with_forty_tags_of_yours_stays_below_fifty(assembly: Assembly) -> None:
    for name, kind, properties in resources(assembly):
        if key := tag_property(kind):
            own = tags(properties[key]).keys() - dict(assembly.cluster.tags).keys()
            assert len(own) <= 10, name


def test_every_role_has_the_boundary(variant: Assembly, guest: Assembly) -> None:
    arn = guest.cluster.permissions_boundary
    roles = guest.of_type("AWS::IAM::Role")
    assert {role["PermissionsBoundary"] for role in roles.values()} == {arn}
    for name, role in variant.of_type("AWS::IAM::Role").items():
        ((separator, parts),) = role["PermissionsBoundary"].values()
        assert separator == ""
        assert parts[-1] == ":policy/teams/limits-of-all", name
    # The flow log's role is the CDK's own.
    assert any(name.startswith("VpcFlowLog") for name in variant.of_type("AWS::IAM::Role"))
    assert not variant.of_type("AWS::IAM::User")


def test_without_the_key_no_role_has_a_boundary(shipped: Assembly) -> None:
    assert not any("PermissionsBoundary" in role for role in shipped.of_type("AWS::IAM::Role").values())


def test_the_page_lists_exactly_the_actions_that_a_boundary_has_to_allow(
    shipped: Assembly, variant: Assembly
) -> None:
    """The page is about the cluster's own roles, because managed policies are for roles of people."""
    used = {
        action
        for assembly in (shipped, variant)
        for statement in statements(assembly, *OF_ROLES)
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
    }
    section = PAGE.read_text().partition("## A permissions boundary")[2].partition("\n## ")[0]
    (policy,) = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    (statement,) = json.loads(policy)["Statement"]
    assert statement["Action"] == sorted(used)
