"""Findings of `swarmer doctor --aws`. Pure: facts about an account in, findings out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import botocore.session
import pytest

from swarmer.core import account, description, quotas
from swarmer.core.account import Facts, Unknown
from swarmer.core.cluster import Cluster
from swarmer.core.finding import State
from swarmer.core.quotas import Quota

ZONES = tuple(f"eu-central-1{letter}" for letter in "abc")
STANDARD = Quota("ec2", "L-1216C47A", "Running On-Demand Standard instances")
SPOT = Quota("ec2", "L-34B43A08", "All Standard Spot Instance Requests")
CORE = "core: {roles: [consul-server, swarm-manager, swarm-worker], size: 3}"


def cluster(groups: str = CORE, **sections: str) -> Cluster:
    lines = [f"{name}: {{{text}}}" for name, text in sections.items()]
    return description.parse("\n".join([*lines, "groups:", *(f"  {line}" for line in groups.splitlines())]))


WELL = Facts(
    account="123456789012",
    region="eu-central-1",
    zones=ZONES,
    default_zones=frozenset(ZONES),
    offered={"t3.small": frozenset(ZONES)},
    vcpus={"t3.small": 2},
    quotas={STANDARD: 32.0, quotas.VPCS: 5.0, quotas.ADDRESSES: 5.0, quotas.NAT_GATEWAYS: 5.0},
    used={},
    images={"/aws/service/debian/release/13/latest/amd64": True},
    bucket=None,
    bootstrap="30",
)


def bad(wanted: Cluster, facts: Facts) -> dict[str, str]:
    """Advice of everything that is missing."""
    return {each.what: each.advice for each in account.judge(wanted, facts) if each.is_bad}


def test_an_account_that_has_everything_is_well() -> None:
    found = account.judge(cluster(), WELL)
    assert {each.state for each in found} == {State.OK}
    assert [each.what for each in found] == [
        *("account", "region", "zones", "types of core"),
        *("quota L-1216C47A", "quota L-F678F1CE", "quota L-0263D0A3", "quota L-FE5A380F"),
        *("image", "CDK bootstrap"),
    ]


@pytest.mark.parametrize(
    ("change", "what", "advice"),
    [
        ({"zones": ZONES[:2]}, "zones", "CloudFormation gives 2 (eu-central-1a and eu-central-1b)"),
        (
            {"default_zones": frozenset(ZONES[:2])},
            "zones",
            "other zones have no default subnet: write zones: [eu-central-1a, eu-central-1b, eu-central-1c]",
        ),
        ({"offered": {"t3.small": frozenset()}}, "types of core", "t3.small: the region has none"),
        ({"offered": {"t3.small": frozenset(ZONES[1:])}}, "types of core", "eu-central-1a has no t3.small"),
        (
            {"used": {STANDARD: 25}},
            "quota L-1216C47A",
            "32 vCPUs, 25 in use by others, and the cluster needs 8",
        ),
        (
            {"used": {quotas.VPCS: 5}},
            "quota L-F678F1CE",
            "ask for at least 6 in Service Quotas, eu-central-1",
        ),
        ({"used": {quotas.ADDRESSES: 5}}, "quota L-0263D0A3", "and the cluster needs 1"),
        ({"used": {quotas.NAT_GATEWAYS: 5}}, "quota L-FE5A380F", "and the cluster needs 1"),
        (
            {"images": {"/a/amd64": False}},
            "image",
            "no parameter /a/amd64: write the ID of a Debian 13 AMI as",
        ),
    ],
)
def test_what_is_missing_is_named_with_the_way_to_get_it(
    change: dict[str, Any], what: str, advice: str
) -> None:
    found = bad(cluster(), replace(WELL, **change))
    assert list(found) == [what]
    assert advice in found[what]


@pytest.mark.parametrize("version", [None, "5", "?"])
def test_a_bootstrap_that_is_missing_or_old_is_made_by_the_deploy(version: str | None) -> None:
    facts = replace(WELL, bootstrap=version)
    assert bad(cluster(), facts) == {}
    (found,) = [each for each in account.judge(cluster(), facts) if each.what == account.BOOTSTRAP]
    assert found.state is State.MADE_BY_DEPLOY


def test_without_any_default_subnet_every_zone_counts() -> None:
    """Fn::GetAZs gives "only Availability Zones that have a default subnet unless none" of them has one."""
    assert bad(cluster(), replace(WELL, default_zones=frozenset())) == {}


def test_named_zones_need_no_default_subnet_but_must_be_in_the_region_of_the_deploy() -> None:
    named = cluster(network="zones: [eu-central-1c]")
    assert bad(named, replace(WELL, default_zones=frozenset(ZONES[:1]))) == {}
    found = bad(named, replace(WELL, region="us-east-1", zones=("us-east-1a",)))
    assert "export AWS_REGION=eu-central-1" in found["region"]
    assert "not in us-east-1" in found["zones"]


def test_a_group_of_several_types_needs_one_of_them_in_every_zone() -> None:
    spare = "roles: [swarm-worker], min: 0, max: 5, spot: true, instance_type: [m7i.large, m6i.large]"
    spot = cluster(f"{CORE}\nspare: {{{spare}}}")
    offered = {"t3.small": frozenset(ZONES), "m7i.large": frozenset(ZONES), "m6i.large": frozenset(ZONES[:2])}
    facts = replace(
        WELL,
        offered=offered,
        vcpus={"t3.small": 2, "m7i.large": 2, "m6i.large": 2},
        quotas={**WELL.quotas, SPOT: 8.0},
    )
    assert bad(spot, facts) == {}
    notes = {each.what: each for each in account.judge(spot, facts) if each.state is State.NOTE}
    assert "m6i.large not in eu-central-1c" in notes["types of spare"].advice
    assert "the cluster needs 2 to 12" in notes["quota L-34B43A08"].found
    assert "to grow, ask for at least 12" in notes["quota L-34B43A08"].advice


def test_each_zone_with_a_nat_gateway_takes_an_elastic_address() -> None:
    six = tuple(f"eu-central-1{letter}" for letter in "abcdef")
    facts = replace(WELL, zones=six, default_zones=frozenset(six), offered={"t3.small": frozenset(six)})
    wanted = cluster(network="zones: 6, egress: nat-gateway-per-zone")
    assert "the cluster needs 6: ask for at least 6" in bad(wanted, facts)["quota L-0263D0A3"]


@pytest.mark.parametrize(
    ("state", "is_bad", "words"),
    [
        ("free", False, "is free"),
        ("the account's own", False, "own"),
        ("taken", True, "another registry.bucket"),
    ],
)
def test_the_bucket_s_name_is_free_or_the_accounts_own(state: str, is_bad: bool, words: str) -> None:
    found = account.judge(cluster(registry="bucket: some-images"), replace(WELL, bucket=state))
    (bucket,) = (each for each in found if each.what == "bucket")
    assert bucket.is_bad is is_bad
    assert words in f"{bucket.found} {bucket.advice}"


def test_what_may_not_be_asked_is_a_note_and_no_fault() -> None:
    no = Unknown("AccessDenied: not authorized to perform: servicequotas:GetServiceQuota")
    silent = replace(
        WELL,
        zones=no, default_zones=no, offered=no, vcpus=no, used=no, bucket=no, bootstrap=no,
        quotas=dict.fromkeys(WELL.quotas, no), images=dict.fromkeys(WELL.images, no),
    )  # fmt: skip
    found = account.judge(cluster(registry="bucket: some-images"), silent)
    assert {each.state for each in found[2:]} == {State.UNKNOWN}
    assert all("not authorized" in each.advice for each in found[2:])


LINUX = [
    each
    for each in botocore.session.get_session().get_service_model("ec2").shape_for("InstanceType").enum
    if not each.startswith("mac")
]


def test_every_instance_type_counts_against_a_quota() -> None:
    assert [each for each in LINUX if quotas.of_type(each, spot=False) is None] == []


@pytest.mark.parametrize(
    ("name", "spot", "code"),
    [
        ("t3.small", False, "L-1216C47A"),
        ("im4gn.large", False, "L-1216C47A"),
        ("c7i-flex.large", True, "L-34B43A08"),
        ("g5g.xlarge", True, "L-3819A6DF"),
        ("gr6.4xlarge", False, "L-DB2E81BA"),
        ("inf2.xlarge", False, "L-1945791B"),
        ("u7i-6tb.112xlarge", False, "L-43DA4232"),
        ("x2gd.metal", False, "L-7295265B"),
        ("hpc7g.4xlarge", False, "L-F7808C92"),
    ],
)
def test_the_quota_is_that_of_the_family(name: str, spot: bool, code: str) -> None:
    found = quotas.of_type(name, spot=spot)
    assert found is not None
    assert found.code == code


def test_no_quota_is_known_for_spot_instances_that_aws_does_not_sell() -> None:
    assert quotas.of_type("hpc7g.4xlarge", spot=True) is None
    assert quotas.of_type("u7i-6tb.112xlarge", spot=True) is None
