"""Check of an AWS account before the first deploy: zones, types, quotas, images, bucket, CDK. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from swarmer.core import quotas
from swarmer.core.cluster import Cluster, Group
from swarmer.core.finding import Finding, State
from swarmer.core.quotas import Quota
from swarmer.core.sections import Egress
from swarmer.core.validation import listed

BOOTSTRAP_PARAMETER: Final = "/cdk-bootstrap/hnb659fds/version"
"""SSM parameter with the version of the CDK's bootstrap stack, with its default qualifier."""
BOOTSTRAP: Final = "CDK bootstrap"
"""Name of the finding about that stack. `swarmer deploy` creates a missing stack."""
SMALLEST_BOOTSTRAP: Final = 6
"""Smallest version of the bootstrap stack that the templates accept (rule CheckBootstrapVersion)."""
FREE: Final = "free"
FOREIGN: Final = "taken"


@dataclass(frozen=True)
class Unknown:
    """Fact about which AWS gave no answer."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts about an account and region."""

    account: str
    region: str
    zones: tuple[str, ...] | Unknown
    """Zones that the account may use, by name."""
    default_zones: frozenset[str] | Unknown
    """Zones with a default subnet."""
    offered: Mapping[str, frozenset[str]] | Unknown
    """Zones that have each instance type of the description."""
    vcpus: Mapping[str, int] | Unknown
    """Number of vCPUs of each instance type of the description."""
    quotas: Mapping[Quota, float | Unknown]
    used: Mapping[Quota, int] | Unknown
    """Use of each quota outside the cluster; for NAT gateways, the use in the fullest zone."""
    images: Mapping[str, bool | Unknown]
    """Whether each public parameter with an image of the description exists, by its name."""
    bucket: str | Unknown | None
    """State of the name of the registry's bucket; None if the description has no name."""
    bootstrap: str | Unknown | None
    """Version of the CDK's bootstrap stack; None without one."""


def judge(cluster: Cluster, facts: Facts) -> tuple[Finding, ...]:
    """Findings in the order in which an operator would fix them."""
    return (
        Finding("account", State.OK, f"{facts.account} in {facts.region}"),
        _region(cluster, facts),
        _zones(cluster, facts),
        *_types(cluster, facts),
        *_quotas(cluster, facts),
        *_images(facts),
        *_bucket(cluster, facts),
        _bootstrap(facts),
    )


def _region(cluster: Cluster, facts: Facts) -> Finding:
    wanted = cluster.network.region
    if wanted in ("", facts.region):
        return Finding("region", State.OK, facts.region)
    place = f"network.zones names zones of {wanted}, but a deploy goes to {facts.region}"
    advice = f"{place}: export AWS_REGION={wanted}"
    return Finding("region", State.MISSING, facts.region, advice)


def chosen_zones(cluster: Cluster, facts: Facts) -> tuple[str, ...]:
    """Known zones of a deploy: those of the description, else the first of `Fn::GetAZs`.

    "The Fn::GetAZs function returns only Availability Zones that have a default subnet unless none of the
    Availability Zones has a default subnet" (AWS CloudFormation User Guide, Fn::GetAZs, read on 2026-11-30).
    """
    if cluster.network.zone_names:
        return cluster.network.zone_names
    return _given(facts)[: cluster.network.zone_count]


def _given(facts: Facts) -> tuple[str, ...]:
    """Zones of `Fn::GetAZs`."""
    if isinstance(facts.zones, Unknown):
        return ()
    known = frozenset[str]() if isinstance(facts.default_zones, Unknown) else facts.default_zones
    return tuple(each for each in facts.zones if each in known) or facts.zones


def _zones(cluster: Cluster, facts: Facts) -> Finding:
    what, network = "zones", cluster.network
    if isinstance(facts.zones, Unknown):
        return _unknown(what, facts.zones)
    if missing := [each for each in network.zone_names if each not in facts.zones]:
        there = f"the account may use {listed(facts.zones)}"
        return Finding(what, State.MISSING, listed(missing), f"not in {facts.region}: {there}")
    if network.zone_names:
        return Finding(what, State.OK, listed(network.zone_names))
    given = _given(facts)
    if len(given) >= network.zone_count:
        return Finding(what, State.OK, f"{listed(given[: network.zone_count])}, as CloudFormation takes them")
    advice = f"network.zones is {network.zone_count}, but CloudFormation gives {len(given)} ({listed(given)})"
    if len(facts.zones) >= network.zone_count:
        names = ", ".join(facts.zones[: network.zone_count])
        return Finding(
            what,
            State.MISSING,
            "",
            f"{advice}, because other zones have no default subnet: write zones: [{names}]",
        )
    return Finding(what, State.MISSING, "", f"{advice}: write zones: {len(given)}, or take another region")


def _types(cluster: Cluster, facts: Facts) -> Iterator[Finding]:
    if isinstance(facts.offered, Unknown):
        yield _unknown("instance types", facts.offered)
        return
    for group in cluster.groups:
        yield _group_types(group, chosen_zones(cluster, facts), facts.offered)


def _group_types(group: Group, zones: tuple[str, ...], offered: Mapping[str, frozenset[str]]) -> Finding:
    what = f"types of {group.name}"
    nowhere = [each for each in group.types if not offered.get(each)]
    absent = {zone: [each for each in group.types if zone not in offered.get(each, ())] for zone in zones}
    empty = [zone for zone, types in absent.items() if len(types) == len(group.types)]
    shown = listed(group.types)
    if nowhere:
        return Finding(
            what, State.MISSING, "", f"{listed(nowhere)}: the region has none; take another instance_type"
        )
    if empty:
        advice = "take another instance_type, or name other zones in network.zones"
        return Finding(what, State.MISSING, "", f"{listed(empty)} has no {shown}; {advice}")
    if partly := [f"{listed(types)} not in {zone}" for zone, types in absent.items() if types]:
        return Finding(what, State.NOTE, shown, f"{'; '.join(partly)}; the other types are")
    return Finding(what, State.OK, f"{shown} in every zone")


def _quotas(cluster: Cluster, facts: Facts) -> Iterator[Finding]:
    if isinstance(facts.vcpus, Unknown):
        yield _unknown("vCPUs", facts.vcpus)
    else:
        yield from _vcpu_quotas(cluster, facts, facts.vcpus)
    network = cluster.network
    gateways = network.zone_count if network.egress is Egress.NAT_PER_ZONE else 1
    for quota, needed in ((quotas.VPCS, 1), (quotas.ADDRESSES, gateways), (quotas.NAT_GATEWAYS, 1)):
        yield _quota(quota, facts, needed, needed)


def _vcpu_quotas(cluster: Cluster, facts: Facts, vcpus: Mapping[str, int]) -> Iterator[Finding]:
    """Findings about each quota of vCPUs, with the needs of the smallest and the largest cluster.

    Each group may have one additional node while a replacement starts.
    """
    needed: dict[Quota, tuple[int, int]] = {}
    for group in cluster.groups:
        found = {each: quotas.of_type(each, spot=group.spot) for each in group.types}
        for quota in {each for each in found.values() if each}:
            each = max(vcpus.get(name, 0) for name, of in found.items() if of == quota)
            least, most = needed.get(quota, (0, 0))
            needed[quota] = (least + (group.smallest + 1) * each, most + (group.largest + 1) * each)
    for quota, (least, most) in needed.items():
        yield _quota(quota, facts, least, most, " vCPUs")


def needed_quotas(cluster: Cluster) -> tuple[Quota, ...]:
    """Quotas that the cluster can meet, each once."""
    by_type = (quotas.of_type(name, spot=group.spot) for group in cluster.groups for name in group.types)
    found = (*(each for each in by_type if each), quotas.VPCS, quotas.ADDRESSES, quotas.NAT_GATEWAYS)
    return tuple(dict.fromkeys(found))


def _quota(quota: Quota, facts: Facts, least: int, most: int, unit: str = "") -> Finding:
    what, value = f"quota {quota.code}", facts.quotas.get(quota, Unknown("nobody asked"))
    if isinstance(value, Unknown):
        return _unknown(what, value)
    if isinstance(facts.used, Unknown):
        return _unknown(what, facts.used)
    used = facts.used.get(quota, 0)
    there = f"{quota.name}: {value:g}{unit}, {used} in use by others"
    wanted = f"{least}" if least == most else f"{least} to {most}"
    ask = f"ask for at least {used + most} in Service Quotas, {facts.region}"
    if used + least > value:
        return Finding(what, State.MISSING, "", f"{there}, and the cluster needs {wanted}: {ask}")
    if used + most > value:
        return Finding(what, State.NOTE, f"{there}, and the cluster needs {wanted}", f"to grow, {ask}")
    return Finding(what, State.OK, f"{there}, and the cluster needs {wanted}")


def _images(facts: Facts) -> Iterator[Finding]:
    for parameter, is_there in facts.images.items():
        if isinstance(is_there, Unknown):
            yield _unknown("image", is_there)
        elif is_there:
            yield Finding("image", State.OK, parameter)
        else:
            key = "base_arm64" if parameter.endswith("arm64") else "base"
            advice = (
                f"{facts.region} has no parameter {parameter}: write the ID of a Debian 13 AMI as image.{key}"
            )
            yield Finding("image", State.MISSING, "", advice)


def _bucket(cluster: Cluster, facts: Facts) -> Iterator[Finding]:
    name = cluster.registry.bucket
    if facts.bucket is None:
        return
    if isinstance(facts.bucket, Unknown):
        yield _unknown("bucket", facts.bucket)
    elif facts.bucket == FOREIGN:
        advice = f"{name} belongs to another account or lies in another region: write another registry.bucket"
        yield Finding("bucket", State.MISSING, "", advice)
    elif facts.bucket == FREE:
        yield Finding("bucket", State.OK, f"{name} is free")
    else:
        advice = "if no stack has it, deploy with --import-existing-resources"
        yield Finding("bucket", State.OK, f"{name} is the account's own", advice)


def _bootstrap(facts: Facts) -> Finding:
    version = facts.bootstrap
    if isinstance(version, Unknown):
        return _unknown(BOOTSTRAP, version)
    if version is None or not version.isdigit() or int(version) < SMALLEST_BOOTSTRAP:
        found = f"version {version}" if version else "not there"
        return Finding(BOOTSTRAP, State.MADE_BY_DEPLOY, found)
    return Finding(BOOTSTRAP, State.OK, f"version {version}")


def _unknown(what: str, fact: Unknown) -> Finding:
    return Finding(what, State.UNKNOWN, "not checked", fact.reason)
