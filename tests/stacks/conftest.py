"""Synthesis takes seconds: once for the shipped description, once for one that differs in every key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swarmer.adapters import files
from swarmer.core import description
from swarmer.core.cluster import Cluster
from tests.stacks.assembly import Assembly, synthesise

ROOT = Path(__file__).parents[2]
VARIANT = """
name: variant
domain: swarm.example
tags: {cost-center: 1234, owner: people@example.com}
permissions_boundary: teams/limits-of-all
network:
  cidr: 10.50.0.0/20
  zones: [eu-central-1b]
  egress: nat-gateway-per-zone
  service_ports: 31000-31999
  vpn_cidr: 10.51.0.0/20
image: {base: ami-0123456789abcdef0, base_arm64: ami-0fedcba9876543210}
registry: {bucket: images-of-variant}
registrator:
  internal: true
  network: backend
  explicit: true
  tags: "{{ .Name }}"
  deregister: on-success
  use_ip_from_label: address
  ip: 192.0.2.1
  script_checks: true
  resync: 60
  cleanup: true
  ttl: 30
  ttl_refresh: 10
  retry_attempts: 3
  retry_interval: 500
healing: {boot_deadline: 1200, failed_boots: 5, grace: 600, alarms: people@example.com}
groups:
  consul: {roles: [consul-server], size: 3}
  managers: {roles: [swarm-manager], size: 5, instance_type: m7g.large, disk: 40}
  workers: {roles: [swarm-worker], size: 1, instance_type: u-6tb1.112xlarge, memory: 1024, cpus: 4}
  spare-workers-with-a-rather-long-name:
    {roles: [swarm-worker], min: 0, max: 9, spot: true, instance_type: [m7i.large, m6i.large, m6a.large]}
"""
GUEST = """
name: guest
permissions_boundary: arn:aws:iam::111122223333:policy/limits
network:
  cidr: 10.70.0.0/16
  vpc: vpc-0123456789abcdef0
  subnets:
    eu-central-1a: subnet-0123456789abcdefa
    eu-central-1c: subnet-0123456789abcdefc
groups:
  core: {roles: [consul-server, swarm-manager, swarm-worker], size: 3}
"""


SIX = Path(__file__).parent / "six"
"""Folder of descriptions, each named after the region that it is for. The shipped one is the sixth."""
HOME = "eu-central-1"
"""Region of the shipped description."""


@pytest.fixture(scope="session")
def six(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Assembly]:
    """Six descriptions that differ in their features, by region. All processes of a run share them."""
    paths = {HOME: ROOT / "servers.yml", **{path.stem: path for path in sorted(SIX.glob("*.yml"))}}
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return {region: _once(shared / region, description.load(path)) for region, path in paths.items()}


def _once(directory: Path, cluster: Cluster) -> Assembly:
    with files.alone(directory.with_suffix(".lock")):
        if not directory.exists():
            fresh = directory.with_suffix(".new")
            synthesise(fresh, cluster, validate=False)
            fresh.rename(directory)
    return Assembly(directory, cluster)


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """Result of the unchanged servers.yml: three zones, one NAT gateway, combined roles."""
    return synthesise(tmp_path_factory.mktemp("shipped"), description.load(ROOT / "servers.yml"))


@pytest.fixture(scope="session")
def variant(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """Separate roles, Graviton managers, spot workers between min and max, one named zone and bucket."""
    return synthesise(tmp_path_factory.mktemp("variant"), description.parse(VARIANT))


@pytest.fixture(scope="session")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """A cluster in a VPC that exists already, with subnets in two zones."""
    return synthesise(tmp_path_factory.mktemp("guest"), description.parse(GUEST))


@pytest.fixture(params=["shipped", "variant", "guest"])
def assembly(request: pytest.FixtureRequest) -> Assembly:
    found: Assembly = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["shipped", "variant"])
def with_own_vpc(request: pytest.FixtureRequest) -> Assembly:
    found: Assembly = request.getfixturevalue(request.param)
    return found
