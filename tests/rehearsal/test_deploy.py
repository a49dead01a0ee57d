"""AWS of this machine without a cluster. `make test-smoke` deploys into it, and destroys again."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarmer.local import environment
from tests.rehearsal.conftest import swarmer

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


def test_the_aws_of_this_machine_starts_without_a_cluster_and_is_removed(servers: Path) -> None:
    started = shell(servers, 'eval "$(.venv/bin/swarmer up --aws-only)"', "env")
    assert started.returncode == 0, started.stderr
    assert "AWS_ENDPOINT_URL=http://localhost:" in started.stdout
    assert "SWARMER_ON=aws" in started.stdout
    status = swarmer("status", "-f", str(servers), "--on", "rehearsal")
    assert status.returncode == 1
    assert "there is no stack empty-cluster" in status.stderr
