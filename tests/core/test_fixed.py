"""Changes that AWS cannot make: which they are, and the line that a person gets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from swarmer.core import description, fixed
from swarmer.core.cluster import Cluster

GROUPS = "groups:\n  core: {roles: [consul-server, swarm-manager, swarm-worker], size: 3}\n"
NAMED = "zones: [eu-central-1a, eu-central-1b, eu-central-1c]"
DEPLOYED = {
    "swarmer-registry": {"PresentRegistryBucket": "null", "BucketName": "made"},
    "swarmer-network": {"PresentNetworkCidr": "10.42.0.0/16", "PresentNetworkZones": "3"},
}
"""Outputs of the stacks of a cluster with nothing but GROUPS."""


def cluster(network: str = "", bucket: str = "null") -> Cluster:
    return description.parse(f"{GROUPS}network: {{{network}}}\nregistry: {{bucket: {bucket}}}\n")


def refused(wanted: Cluster, deployed: Mapping[str, Mapping[str, str]] = DEPLOYED) -> dict[str, str]:
    """Message and advice of each refused change, by its key."""
    found = fixed.refused(wanted, lambda stack: deployed.get(stack, {}))
    return {".".join(each.key): f"{each.message}; {each.advice}" for each in found}


def outputs(of: Cluster) -> dict[str, dict[str, str]]:
    """Outputs that a deploy of this cluster leaves."""
    found: dict[str, dict[str, str]] = {}
    for each in fixed.keys(of):
        found.setdefault(f"{of.name}-{each.stack}", {})[each.output] = each.value
    return found


def test_a_cluster_that_is_not_deployed_may_become_anything() -> None:
    assert refused(cluster("cidr: 10.50.0.0/16, zones: 1", "some-images"), {}) == {}


def test_a_stack_of_an_earlier_release_is_not_compared() -> None:
    earlier = {"swarmer-registry": {"BucketName": "made"}, "swarmer-network": {}}
    assert refused(cluster("cidr: 10.50.0.0/16"), earlier) == {}


def test_the_same_description_is_admitted() -> None:
    assert refused(cluster()) == {}


def test_every_refused_change_is_told_with_the_value_that_would_be_right() -> None:
    wanted = cluster("cidr: 10.50.0.0/16, zones: 2", "some-images")
    other = "or describe a new cluster with another name"
    assert refused(wanted) == {
        "registry.bucket": "AWS cannot rename a bucket, and null is deployed, not some-images; "
        f"write null, {other}",
        "network.cidr": "AWS cannot change the addresses of a VPC, and 10.42.0.0/16 is deployed, not "
        f"10.50.0.0/16; write 10.42.0.0/16, {other}",
        "network.zones": "zones can only be added, at the end of the list, and 3 is deployed, not 2; "
        f"write 3, {other}",
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("zones: 1", "zones: 2"),
        ("zones: 2", "zones: 6"),
        ("zones: 2", NAMED),
        ("zones: [eu-central-1a]", NAMED),
        ("cidr: 10.50.0.0/21, zones: 2", "cidr: 10.50.0.0/21, zones: 3"),
        ("cidr: 10.50.0.0/22, zones: 2", "cidr: 10.50.0.0/22, zones: 3"),
        ("cidr: 10.50.0.0/22, zones: 3", f"cidr: 10.50.0.0/22, {NAMED}"),
    ],
)
def test_zones_may_be_added_and_named(before: str, after: str) -> None:
    assert refused(cluster(after), outputs(cluster(before))) == {}


@pytest.mark.parametrize(
    ("before", "after", "right"),
    [
        ("zones: 4", NAMED, "write 4"),
        (NAMED, "zones: 3", "write [eu-central-1a, eu-central-1b, eu-central-1c]"),
        (NAMED, "zones: [eu-central-1c, eu-central-1b, eu-central-1a]", "write [eu-central-1a,"),
        ("cidr: 10.50.0.0/22, zones: 3", "cidr: 10.50.0.0/22, zones: 4", "write 3"),
    ],
)
def test_zones_may_neither_go_nor_move(before: str, after: str, right: str) -> None:
    assert right in refused(cluster(after), outputs(cluster(before)))["network.zones"]


def test_after_zones_were_added_none_of_them_may_go() -> None:
    """The output is that of the last deploy, so this is more than the template's own rule knows."""
    grown = outputs(cluster("zones: 4"))
    assert "write 4" in refused(cluster("zones: 3"), grown)["network.zones"]


def test_the_line_names_the_file_and_the_line_of_the_key(tmp_path: Path) -> None:
    path = tmp_path / "servers.yml"
    path.write_text(f"network:\n  zones: 3\n  cidr: 10.50.0.0/16\n{GROUPS}")
    found = fixed.refused(description.load(path), lambda stack: DEPLOYED[stack])
    (problem,) = description.invalid(path, found).problems
    assert str(problem).startswith(f"{path}:3: network.cidr: AWS cannot change the addresses of a VPC, ")


def test_a_key_that_was_taken_out_is_told_at_the_section(tmp_path: Path) -> None:
    path = tmp_path / "servers.yml"
    path.write_text(f"{GROUPS}registry: {{}}\n")
    named = {**DEPLOYED, "swarmer-registry": {"PresentRegistryBucket": "some-images"}}
    found = fixed.refused(description.load(path), lambda stack: named[stack])
    (problem,) = description.invalid(path, found).problems
    assert str(problem).startswith(f"{path}:3: registry.bucket: AWS cannot rename a bucket, and some-images")
