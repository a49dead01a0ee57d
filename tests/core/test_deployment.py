"""Decisions about a deploy and its end, made without an AWS."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmer.core import deployment, description
from swarmer.core.cluster import Cluster, Group, Role
from swarmer.core.deployment import Attachment, Changes

SHIPPED = description.load(Path(__file__).parents[2] / "servers.yml")
VIEWER = "arn:aws:iam::1:policy/t-viewer-eu-central-1"
DIFF = """\
Stack t-registry (aws://1/eu-central-1)
There were no differences

Stack t-network (aws://1/eu-central-1)
IAM Statement Changes
┌───┬──────────┐
│   │ Resource │
└───┴──────────┘
Parameters
[~] Parameter NetworkCidr NetworkCidr: {"Type":"String"} to {"Type":"Number"}

Resources
[-] AWS::EC2::FlowLog VpcFlowLog8FF33A73 destroy
[+] AWS::SNS::Topic New
[~] AWS::EC2::Subnet Vpc/EgressSubnet1/Subnet VpcEgressSubnet1Subnet22F4DD3E replace
 ├─ [~] CidrBlock (requires replacement)
 │   ├─ [-] 10.42.0.0/28
 │   └─ [+] 10.42.200.0/24
[~] AWS::EC2::NatGateway Vpc/NATGateway VpcNATGateway2255C3A6 may be replaced
[~] AWS::EC2::SecurityGroup Nodes Nodes1234

✨  Number of stacks with differences: 1
"""


def test_the_difference_is_a_line_for_each_resource_and_none_for_a_stack_that_stays() -> None:
    assert deployment.differences(DIFF) == {
        "t-network": (
            "~ parameters: NetworkCidr",
            "- AWS::EC2::FlowLog VpcFlowLog8FF33A73: is deleted",
            "+ AWS::SNS::Topic New",
            "~ AWS::EC2::Subnet Vpc/EgressSubnet1/Subnet: is replaced",
            "~ AWS::EC2::NatGateway Vpc/NATGateway: may be replaced",
            "~ AWS::EC2::SecurityGroup Nodes",
        )
    }


def test_a_stack_that_differs_in_no_resource_is_a_change_all_the_same() -> None:
    assert deployment.differences("Stack t-network (aws://1/x)\nOther Changes\n") == {"t-network": ()}


def test_settled_and_missing_stacks_hinder_nothing() -> None:
    assert deployment.hindrance({}) == ""
    settled = (*deployment.SETTLED, *deployment.NOT_BEGUN, "CREATE_FAILED", "UPDATE_FAILED")
    assert deployment.hindrance({f"t-{each}": each for each in settled}) == ""


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("UPDATE_IN_PROGRESS", "try again after its end, which the CloudFormation console shows"),
        ("DELETE_IN_PROGRESS", "for another operator"),
        ("DELETE_FAILED", "`swarmer destroy` ends its deletion"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name t-network"),
    ],
)
def test_a_stack_that_takes_no_deploy_is_named_with_the_remedy(status: str, words: str) -> None:
    line = deployment.hindrance({"t-registry": "CREATE_COMPLETE", "t-network": status})
    assert line.startswith(f"t-network is {status}: ")
    assert words in line
    assert "\n" not in line


def test_only_a_stack_that_is_being_changed_cannot_be_destroyed() -> None:
    able = ("CREATE_COMPLETE", "CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "DELETE_FAILED", "ROLLBACK_FAILED")
    assert deployment.removal_hindrance({f"t-{each}": each for each in able}) == ""
    line = deployment.removal_hindrance({"t-cluster": "UPDATE_ROLLBACK_IN_PROGRESS"})
    assert line.startswith("t-cluster is UPDATE_ROLLBACK_IN_PROGRESS: ")


def test_a_new_cluster_is_told_by_its_stacks_and_nodes() -> None:
    changes = Changes(created=dict.fromkeys(deployment.stack_names("swarmer"), 7))
    assert changes.is_creation
    assert changes.lines(SHIPPED, "LOG") == [
        *(f"  swarmer-{each}: 7 resources, new" for each in deployment.STACKS),
        "  nodes: core 3 × t3.small, workers 2 × t3.small",
    ]


def test_a_spot_group_is_told_with_its_bounds_and_types() -> None:
    group = Group(
        name="batch",
        roles=frozenset({Role.SWARM_WORKER}),
        min=0,
        max=9,
        spot=True,
        instance_type=("m7i.large", "m6i.large"),
    )
    core = Group(name="core", roles=frozenset(Role), size=1)
    lines = Changes(created={"t-cluster": 9}).lines(Cluster(name="t", groups=(core, group)), "LOG")
    assert lines[1] == "  nodes: core 1 × t3.small, batch 0 to 9 × m7i.large or m6i.large (spot)"


def test_a_deploy_is_empty_only_without_any_difference() -> None:
    assert Changes().is_empty
    for changes in (
        Changes(created={"t-network": 1}),
        Changes(changed={"t-network": ()}),
        Changes(images=(("/p", "ami-1", "ami-2"),)),
        Changes(unsettled={"t-cluster": "CREATE_FAILED"}),
    ):
        assert not changes.is_empty
        assert changes.lines(SHIPPED, "LOG")


def test_a_newer_image_and_a_failed_stack_are_told() -> None:
    changes = Changes(
        images=(("/debian/13", "ami-1", "ami-2"),),
        unsettled={"swarmer-cluster": "CREATE_FAILED"},
        changed={"swarmer-network": ("+ AWS::SNS::Topic New",)},
    )
    assert changes.lines(SHIPPED, "LOG") == [
        "  swarmer-network:",
        "    + AWS::SNS::Topic New",
        "  image: ami-2 instead of ami-1, for the next instances (/debian/13)",
        "  swarmer-cluster: CREATE_FAILED, and is deployed again",
        "  (all of it: LOG)",
    ]


def test_after_an_interruption_the_stacks_at_work_and_the_next_command_are_named() -> None:
    line = deployment.interrupted(["t-network", "t-registry"], "swarmer deploy")
    assert "CloudFormation goes on with t-network and t-registry" in line
    assert line.endswith("the CloudFormation console shows; `swarmer deploy` goes on after its end")
    assert deployment.interrupted([], "swarmer deploy").endswith("; `swarmer deploy` goes on")


def test_policies_that_people_attached_are_named_with_the_commands_that_detach_them() -> None:
    own = Attachment(policy=VIEWER, kind="role", name="t-own")
    assert deployment.attached_by_hand([own], {"t-own"}) == ""
    user = Attachment(policy=VIEWER, kind="user", name="ada")
    line = deployment.attached_by_hand([own, user], {"t-own"})
    assert "t-viewer-eu-central-1 is attached to the user ada, and IAM deletes no attached policy" in line
    assert line.endswith(f"aws iam detach-user-policy --user-name ada --policy-arn {VIEWER}")


def test_a_user_with_the_name_of_a_role_is_no_role() -> None:
    user = Attachment(policy=VIEWER, kind="user", name="t-own")
    assert "the user t-own" in deployment.attached_by_hand([user], {"t-own"})
