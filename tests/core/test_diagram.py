"""The picture shows what the description says, whatever it says."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from swarmer.core import description, diagram
from swarmer.core.cluster import Cluster
from swarmer.core.diagram import Cell

ROOT = Path(__file__).parents[2]
CORE = "core: {roles: [consul-server, swarm-manager, swarm-worker], size: 3}"


def described(groups: str = CORE, network: str = "", **others: str) -> Cluster:
    lines = [f"{key}: {value}" for key, value in others.items()]
    lines += [f"network: {{{network}}}"] if network else []
    return description.parse("\n".join([*lines, "groups:", *(f"  {line}" for line in groups.splitlines())]))


def words(cluster: Cluster) -> list[str]:
    """All text of the picture, which is sound XML."""
    root = ElementTree.fromstring(diagram.svg(cluster))  # noqa: S314 - our own
    return [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text")]


def test_it_names_groups_zones_addresses_and_what_people_reach() -> None:
    shown = words(described(name="shop", domain="shop.test", network="cidr: 10.50.0.0/20, zones: 2"))
    for word in (
        "shop",
        "core",
        "zone 2",
        "swarm-4000.service.shop.test:4000",
        "registry.service.shop.test:5000",
    ):
        assert word in shown
    assert "VPC 10.50.0.0/20 · 2 zones · 3 nodes at most" in shown
    assert "zone 3" not in shown


@pytest.mark.parametrize(("egress", "gateways"), [("one-nat-gateway", 1), ("nat-gateway-per-zone", 3)])
def test_there_are_as_many_nat_gateways_as_are_paid_for(egress: str, gateways: int) -> None:
    assert words(described(network=f"egress: {egress}")).count("NAT gateway") == gateways


def test_nodes_are_spread_over_the_zones_as_evenly_as_can_be() -> None:
    group = described(f"{CORE}\nmore: {{roles: [swarm-worker], min: 2, max: 7}}").group("more")
    assert diagram.spread(group, 3) == (Cell(1, 2), Cell(1, 1), Cell(0, 2))


def test_of_several_types_the_first_is_named() -> None:
    types = "[m7i.large, m6i.large, m6a.large]"
    shown = words(
        described(f"{CORE}\nspare: {{roles: [swarm-worker], size: 2, spot: true, instance_type: {types}}}")
    )
    assert "2 nodes · m7i.large and 2 more · 20 GiB · spot" in shown


def test_many_nodes_are_one_pile_with_their_number() -> None:
    shown = words(described(f"{CORE}\nmany: {{roles: [swarm-worker], min: 30, max: 60}}"))
    assert shown.count("10 × many-i-…") == 6
    assert "nodes that come and go" in shown
    assert "30 to 60 nodes · t3.small · 20 GiB" in shown


@pytest.mark.parametrize("zones", [1, 6])
@pytest.mark.parametrize("name", ["a", "a" * 24])
def test_nothing_lies_outside_the_picture(zones: int, name: str) -> None:
    domain = ".".join(["longdomainname"] * 12)
    text = diagram.svg(described(name=name, domain=domain, network=f"zones: {zones}"))
    root = ElementTree.fromstring(text)  # noqa: S314 - our own
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        x, y, w, h = (float(box.get(key, 0)) for key in ("x", "y", "width", "height"))
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height


def test_the_readmes_picture_is_that_of_the_shipped_description() -> None:
    shipped = diagram.svg(description.load(ROOT / "servers.yml"))
    assert (ROOT / "docs/cluster.svg").read_text() == shipped, "swarmer diagram -o docs/cluster.svg"


def test_a_vpc_that_exists_shows_its_subnets_and_no_gateway() -> None:
    subnets = "{eu-central-1a: subnet-01234567, eu-central-1b: subnet-76543210}"
    shown = words(described(network=f"cidr: 10.50.0.0/20, vpc: vpc-01234567, subnets: {subnets}"))
    assert {"subnet-01234567", "subnet-76543210", "zone 2"} <= set(shown)
    assert "NAT gateway" not in shown
    assert not any(word.startswith("public") for word in shown)
