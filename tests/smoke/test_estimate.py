"""The estimate of the smoke test: its numbers are those of the templates, and its sums are right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from swarmer.core import description
from swarmer.core.cluster import Cluster
from swarmer.local import environment
from tests.smoke import estimate
from tests.smoke.__main__ import SERVERS
from tests.stacks.assembly import Assembly, synthesise

STACKS = ("smoke-registry", "smoke-network")


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return description.load(SERVERS)


@pytest.fixture(scope="module")
def assembly(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    return synthesise(tmp_path_factory.mktemp("smoke") / "cdk.out", cluster, validate=False)


def test_the_cluster_is_the_smallest_that_survives_the_loss_of_a_zone(cluster: Cluster) -> None:
    (group,) = cluster.groups
    assert (cluster.name, group.size, cluster.network.zone_count) == ("smoke", 3, 3)
    assert len(group.roles) == 3


def test_the_estimate_counts_what_the_templates_have(assembly: Assembly) -> None:
    assert len(assembly.of_type("AWS::CloudWatch::Alarm")) == estimate.ALARMS
    assert len(assembly.of_type("AWS::EC2::NatGateway")) == 1
    assert len(assembly.of_type("AWS::Lambda::Function")) == 4
    (template,) = assembly.of_type("AWS::EC2::LaunchTemplate").values()
    assert template["LaunchTemplateData"]["InstanceType"] in estimate.INSTANCE_USD


def test_instances_cost_their_hours_and_those_of_the_replacement(cluster: Cluster) -> None:
    instances, nat, *_ = estimate.items(cluster)
    assert instances.usd == pytest.approx((3 * 1.5 + 0.5) * 0.0208)
    assert nat.usd == pytest.approx(1.5 * 0.05)


def test_the_announcement_names_the_place_the_total_the_basis_and_what_stays(cluster: Cluster) -> None:
    text = estimate.announcement(cluster, "account 111122223333, region eu-central-1", STACKS)
    total = sum(each.usd for each in estimate.items(cluster))
    for part in ("account 111122223333", "90 minutes", f"{total:.2f} USD", "us-east-1", "The bucket stays"):
        assert part in text


def test_a_type_without_a_price_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "servers.yml"
    path.write_text(SERVERS.read_text().replace("t3.small", "m7i.large"))
    with pytest.raises(KeyError, match=r"m7i\.large"):
        estimate.items(description.load(path))


def test_the_prices_in_the_tutorial_are_those_of_the_estimate() -> None:
    """An hour of the shipped cluster, which the tutorial deploys."""
    shipped = description.load(environment.ROOT / "servers.yml")
    number = sum(group.smallest for group in shipped.groups)
    page = (environment.ROOT / "docs/tutorial/first-deploy.md").read_text()
    rows = dict(re.findall(r"^\| (.+?) \| (0\.\d{3}) \|$", page, re.MULTILINE))
    disk_gb = number * shipped.groups[0].disk
    month = estimate.ALARMS * estimate.ALARM_USD + estimate.METRICS * estimate.METRIC_USD
    expected = {
        f"{number} instances `t3.small`": number * estimate.INSTANCE_USD["t3.small"],
        "1 NAT gateway and its public IPv4 address": estimate.NAT_USD + estimate.IPV4_USD,
        f"{estimate.ALARMS} alarms and up to {estimate.METRICS} metrics": month / estimate.HOURS_OF_MONTH,
        f"{number} volumes of {shipped.groups[0].disk} GB": disk_gb
        * estimate.DISK_USD
        / estimate.HOURS_OF_MONTH,
    }
    assert rows == {what: f"{usd:.3f}" for what, usd in expected.items()}
    assert f"**{sum(expected.values()):.2f} USD an hour**" in page
