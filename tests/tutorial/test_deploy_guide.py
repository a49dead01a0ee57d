"""Commands of docs/guides/aws.md: a cluster is deployed into an empty account and destroyed, with nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmer.cli.common import load
from swarmer.local import node_containers
from tests.rehearsal.conftest import until
from tests.rehearsal.test_deploy import servers, shell

__all__ = ["servers"]

pytestmark = pytest.mark.cluster


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
