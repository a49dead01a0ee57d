"""Every rule of the template serves a flow of the cluster, and every flow has its rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.stacks.assembly import Assembly
from tests.stacks.flows import ANYWHERE, Opening, flows, openings, problems

ALL_ADDRESSES = "0.0.0.0/0"
NO_ADDRESS = "255.255.255.255/32"
"""Peer of the rule with which the CDK closes a group: a group without egress rules would let out all."""
NEEDED = [each for flow in flows("30000-60999") for each in openings(flow)]


def rules(assembly: Assembly) -> list[Opening]:
    """Rules of the template: those that are resources, and those within a group."""
    return [*_of_resources(assembly), *_of_groups(assembly)]


def _of_resources(assembly: Assembly) -> Iterator[Opening]:
    for kind, direction, peer in (("Ingress", "in", "Source"), ("Egress", "out", "Destination")):
        for it in assembly.of_type(f"AWS::EC2::SecurityGroup{kind}").values():
            yield Opening(_named(it["GroupId"]), direction, _peer(it, peer), _service(it))


def _of_groups(assembly: Assembly) -> Iterator[Opening]:
    for name, group in assembly.of_type("AWS::EC2::SecurityGroup").items():
        own = name.removeprefix("SecurityGroups")[:-8]
        for kind, direction, peer in (("Ingress", "in", "Source"), ("Egress", "out", "Destination")):
            for it in group.get(f"SecurityGroup{kind}", ()):
                if it.get("CidrIp") != NO_ADDRESS:
                    yield Opening(own, direction, _peer(it, peer), _service(it))


def _peer(it: dict[str, Any], peer: str) -> str:
    if it.get("CidrIp") == ALL_ADDRESSES:
        return ANYWHERE
    return str(it["CidrIp"]) if "CidrIp" in it else _named(it[f"{peer}SecurityGroupId"])


def _named(value: dict[str, Any]) -> str:
    """`Nodes` of {"Fn::GetAtt": ["SecurityGroupsNodes7D1C1F16", "GroupId"]}."""
    return str(value["Fn::GetAtt"][0]).removeprefix("SecurityGroups")[:-8]


def _service(it: dict[str, Any]) -> str:
    first, last = it.get("FromPort"), it.get("ToPort")
    if first is None:
        return str(it["IpProtocol"])
    return f"{it['IpProtocol']} {first}" if first == last else f"{it['IpProtocol']} {first}-{last}"


def test_every_rule_serves_a_flow_and_every_flow_has_its_rules(assembly: Assembly) -> None:
    assert problems(rules(assembly), assembly.cluster.network.service_ports) == []


@pytest.mark.parametrize("missing", NEEDED, ids=str)
def test_a_rule_that_is_removed_is_missed(shipped: Assembly, missing: Opening) -> None:
    left = [each for each in rules(shipped) if each != missing]
    assert len(left) == len(rules(shipped)) - 1
    (problem,) = problems(left, shipped.cluster.network.service_ports)
    assert problem.startswith("no rule ")


@pytest.mark.parametrize(
    "added",
    [
        Opening("Nodes", "in", ANYWHERE, "tcp 22"),
        Opening("Nodes", "in", "Nodes", "tcp 8302"),
        Opening("ConsulServers", "in", "Vpn", "tcp 8300"),
        Opening("Functions", "in", "Nodes", "tcp 443"),
        Opening("Vpn", "out", ANYWHERE, "-1"),
    ],
    ids=str,
)
def test_a_rule_that_is_added_is_noticed(shipped: Assembly, added: Opening) -> None:
    (problem,) = problems([*rules(shipped), added], shipped.cluster.network.service_ports)
    assert problem.startswith("no flow needs ")


def test_a_rule_that_is_there_twice_is_noticed(shipped: Assembly) -> None:
    (problem,) = problems([*rules(shipped), NEEDED[0]], shipped.cluster.network.service_ports)
    assert problem.startswith("the rule is there twice")


def test_every_group_says_by_a_tag_what_it_is(assembly: Assembly) -> None:
    tagged = {
        name.removeprefix("SecurityGroups")[:-8]: {tag["Key"]: tag["Value"] for tag in group["Tags"]}
        for name, group in assembly.of_type("AWS::EC2::SecurityGroup").items()
    }
    assert {name: tags["swarmer:security-group"] for name, tags in tagged.items()} == {
        name: name for name in ("Nodes", "Managers", "ConsulServers", "Vpn", "Functions")
    }
