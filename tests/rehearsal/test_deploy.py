"""A cluster is deployed into an empty account and destroyed, with nodes: the commands of the README."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarmer.cli.common import load
from swarmer.local import environment, node_containers
from tests.rehearsal.conftest import swarmer, until

pytestmark = pytest.mark.cluster

DESCRIPTION = """\
name: empty
domain: empty
network: {cidr: 10.62.0.0/16, vpn_cidr: 10.63.0.0/22, zones: 1}
groups:
  all: {roles: [consul-server, swarm-manager, swarm-worker], size: 1}
"""


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "servers.yml"
    path.write_text(DESCRIPTION)
    yield path
    swarmer("down", "-f", str(path))


def shell(servers: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    """Type lines into one shell, as a person does, until one of them fails."""
    script = "\n".join(("set -e", f'export SWARMER_SERVERS="{servers}"', *lines))
    return subprocess.run(
        ["bash", "-c", script],
        cwd=environment.ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )


def test_a_cluster_is_deployed_into_an_empty_account_and_destroyed_again(servers: Path) -> None:
    to_aws = 'eval "$(.venv/bin/swarmer up --aws-only)"'
    made = shell(
        servers,
        to_aws,
        ".venv/bin/swarmer deploy --yes",
        ".venv/bin/swarmer status",
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert "AWS, account 123456789012, us-east-1" in made.stdout, "it was no deploy of AWS"
    assert "empty is deployed. What to type now:" in made.stdout
    (command,) = [line for line in made.stdout.splitlines() if " exec " in line]
    listed = shell(servers, to_aws, command.strip())
    assert listed.returncode == 0, listed.stderr
    assert "Leader" in listed.stdout

    gone = shell(servers, to_aws, ".venv/bin/swarmer destroy --yes")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert "empty is destroyed." in gone.stdout
    assert "AWS::S3::Bucket empty-registry-bucket" in gone.stdout
    env = load(str(servers))
    until(lambda: not node_containers.containers(env), within_s=30, what="a machine without an instance")


def test_the_aws_of_this_machine_starts_without_a_cluster_and_is_removed(servers: Path) -> None:
    started = shell(servers, 'eval "$(.venv/bin/swarmer up --aws-only)"', "env")
    assert started.returncode == 0, started.stderr
    assert "AWS_ENDPOINT_URL=http://localhost:" in started.stdout
    assert "SWARMER_ON=aws" in started.stdout
    status = swarmer("status", "-f", str(servers), "--on", "rehearsal")
    assert status.returncode == 1
    assert "there is no stack empty-cluster" in status.stderr
