"""A change of servers.yml that AWS cannot make is refused by the template, and every other one passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stacks import app as stacks
from swarmer.core import description, fixed
from swarmer.core.cluster import Cluster
from swarmer.core.fixed import Fixed
from swarmer.fakeaws.cloudformation import rules
from tests.core.keys import common_keys
from tests.stacks.assembly import Assembly
from tests.stacks.replacement import impossible

BASE = """
name: fixed
groups:
  core: {roles: [consul-server, swarm-manager, swarm-worker], size: 3}
  workers: {roles: [swarm-worker], min: 1, max: 4}
"""
OTHERWISE = """
name: fixed
domain: swarm.example
tags: {cost-center: "1234"}
permissions_boundary: people/boundary
network: {egress: nat-gateway-per-zone, service_ports: 31000-31999, vpn_cidr: 10.51.0.0/20}
image: {base: ami-0123456789abcdef0, base_arm64: ami-0fedcba9876543210}
registrator:
  {internal: true, network: backend, explicit: true, tags: a, deregister: on-success, use_ip_from_label: b,
   ip: 192.0.2.1, script_checks: true, resync: 60, cleanup: true, ttl: 30, ttl_refresh: 10, retry_attempts: 3,
   retry_interval: 500}
healing: {boot_deadline: 1200, failed_boots: 5, grace: 600, alarms: people@example.com}
groups:
  heart: {roles: [consul-server], size: 5, instance_type: m7g.large, disk: 50, memory: 4096, cpus: 4}
  core: {roles: [swarm-manager], size: 1, instance_type: m7i.large, disk: 30, memory: 1024, cpus: 1}
  workers:
    {roles: [swarm-worker], min: 2, max: 9, instance_type: [m7i.large, m6i.large], spot: true, disk: 60,
     memory: 8192, cpus: 8}
  more: {roles: [swarm-worker], size: 2, instance_type: c7g.large, disk: 40, memory: 3072, cpus: 3}
"""
"""Description that differs from BASE in every key but those that AWS cannot change, and the name."""


def described(**network_or_registry: str) -> str:
    """BASE with these sections."""
    return BASE + "".join(f"{name}: {{{text}}}\n" for name, text in network_or_registry.items())


def synthesise(directory: Path, text: str) -> Assembly:
    app = stacks.new_app(outdir=str(directory))
    cluster = description.parse(text)
    stacks.build(app, cluster)
    app.synth()
    return Assembly(directory, cluster)


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Syntheses of descriptions, each once."""
    made: dict[str, Assembly] = {}

    def make(text: str) -> Assembly:
        if text not in made:
            made[text] = synthesise(tmp_path_factory.mktemp("made"), text)
        return made[text]

    return make


def guarded(before: Assembly, after: Assembly) -> list[str]:
    """Refusals of the second deploy, with the parameters that the first one left in the stacks."""
    found = []
    for name, template in after.templates.items():
        kept = before.templates[name].get("Parameters", {})
        values = {**template.get("Parameters", {}), **kept}
        found += rules.broken(template, {key: each.get("Default") for key, each in values.items()})
    return [each for each in found if "bootstrap" not in each]


GUEST = "vpc: vpc-0123456789abcdef0, cidr: {}, subnets: {{eu-central-1a: subnet-0123456789abcde{}0}}"
NAMED = "[eu-central-1a, eu-central-1b, eu-central-1c]"
SMALL = "cidr: 10.50.0.0/22, zones: {}"
REFUSED = [
    pytest.param({}, {"network": "cidr: 10.50.0.0/16"}, "network.cidr", id="other addresses"),
    pytest.param({}, {"network": "cidr: 10.42.0.0/17"}, "network.cidr", id="a part of the addresses"),
    pytest.param({}, {"network": "zones: 2"}, "network.zones", id="a zone less"),
    pytest.param({}, {"network": GUEST.format("10.42.0.0/16", "f")}, "network.vpc", id="into another VPC"),
    pytest.param({"network": GUEST.format("10.42.0.0/16", "f")}, {}, "network.vpc", id="out of another VPC"),
    pytest.param(
        {"network": GUEST.format("10.42.0.0/16", "f")},
        {"network": GUEST.format("10.42.0.0/16", "f").replace("vpc-0", "vpc-1")},
        "network.vpc",
        id="from one VPC into another",
    ),
    pytest.param({"network": "zones: 1"}, {"network": "zones: [eu-west-1b]"}, None, id="another zone"),
    pytest.param(
        {"network": f"zones: {NAMED}"},
        {"network": "zones: [eu-central-1b, eu-central-1a, eu-central-1c]"},
        "network.zones",
        id="zones in another order",
    ),
    pytest.param(
        {"network": f"zones: {NAMED}"},
        {"network": "zones: [eu-central-1a, eu-central-1b]"},
        "network.zones",
        id="a named zone less",
    ),
    pytest.param(
        {"network": SMALL.format(3)}, {"network": SMALL.format(4)}, "network.zones", id="more in a small VPC"
    ),
    pytest.param({}, {"registry": "bucket: some-images"}, "registry.bucket", id="a name for the bucket"),
    pytest.param(
        {"registry": "bucket: some-images"},
        {"registry": "bucket: other-images"},
        "registry.bucket",
        id="another name",
    ),
    pytest.param(
        {"registry": "bucket: some-images"}, {}, "registry.bucket", id="the bucket's name taken out"
    ),
]
ADMITTED = [
    pytest.param({}, {}, id="nothing"),
    pytest.param({}, {"network": "zones: 4"}, id="a zone more"),
    pytest.param(
        {"network": GUEST.format("10.42.0.0/16", "f")},
        {"network": GUEST.format("10.42.0.0/17", "e")},
        id="other subnets of the same VPC",
    ),
    pytest.param({"network": "zones: 1"}, {"network": "zones: 6"}, id="all zones"),
    pytest.param({}, {"network": f"zones: {NAMED}"}, id="names for the zones that AWS has chosen"),
    pytest.param({"network": "zones: 2"}, {"network": f"zones: {NAMED}"}, id="names, and a zone more"),
    pytest.param(
        {"network": "zones: [eu-central-1a]"}, {"network": f"zones: {NAMED}"}, id="named zones at the end"
    ),
    pytest.param(
        {"network": SMALL.format(2)}, {"network": SMALL.format(NAMED)}, id="more where no subnet moves"
    ),
]


@pytest.mark.parametrize(("before", "after", "key"), REFUSED)
def test_what_aws_cannot_change_is_refused(
    assembly: Any, before: dict[str, str], after: dict[str, str], key: str | None
) -> None:
    old, new = assembly(described(**before)), assembly(described(**after))
    assert impossible(old, new), "AWS could change it: take the rule out"
    refusals = guarded(old, new)
    if key is None:  # the template does not know which zone AWS has chosen
        assert refusals == []
        return
    (refusal,) = refusals
    assert refusal.startswith(f"servers.yml: {key}: ")
    assert "\n" not in refusal


@pytest.mark.parametrize(("before", "after"), ADMITTED)
def test_what_aws_can_change_passes(assembly: Any, before: dict[str, str], after: dict[str, str]) -> None:
    old, new = assembly(described(**before)), assembly(described(**after))
    assert impossible(old, new) == []
    assert guarded(old, new) == []


def test_every_other_key_can_change(assembly: Any) -> None:
    """A new key of servers.yml belongs into OTHERWISE, or among those that AWS cannot change."""
    old, new = assembly(BASE), assembly(OTHERWISE)
    unchanged = [key for key in common_keys(new.cluster, old.cluster) if key[0] != "groups"]
    # Subnets are named in a VPC of the operator only.
    others = {("name",), ("network", "subnets")}
    assert {*unchanged} == others | {each.key for each in fixed.keys(new.cluster)}
    assert impossible(old, new) == []
    assert guarded(old, new) == []


def test_the_first_stacks_refuse_so_that_nothing_has_changed(assembly: Any) -> None:
    """Registry and network come first. The registry's template has nothing of servers.yml but bucket and
    tags."""
    old, new = assembly(BASE), assembly(OTHERWISE)
    assert list(old.templates)[:2] == ["fixed-registry", "fixed-network"]
    assert without_tags(old.templates["fixed-registry"]) == without_tags(new.templates["fixed-registry"])
    assert {each.stack for each in fixed.keys(old.cluster)} == set(fixed.Stack)


def without_tags(template: dict[str, Any]) -> dict[str, Any]:
    """Resources of a template, without their tags."""
    return {
        name: {key: value for key, value in each["Properties"].items() if key != "Tags"}
        for name, each in template["Resources"].items()
    }


def of(cluster: Cluster, name: str) -> Fixed:
    (found,) = (each for each in fixed.keys(cluster) if each.name == name)
    return found


def test_the_longest_refusal_fits_into_a_template() -> None:
    """CloudFormation's limit for a template is 51,200 bytes in a request; CDK uploads larger ones."""
    name = "n" * 24
    long = described(registry=f"bucket: {'b' * 63}").replace("name: fixed", f"name: {name}")
    assert len(of(description.parse(long), "registry.bucket").refusal(name)) < 400
