"""One cluster for all examples, and each page in a shell of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarmer.local import host
from tests.examples.base import ensure_base, lend_base
from tests.examples.page import EXAMPLES, Page, Shell
from tests.rehearsal.conftest import SWARMER, swarmer

SERVERS = """\
name: examples
domain: swarmer
network: {cidr: 10.50.0.0/16}
groups:
  core:
    roles: [consul-server, swarm-manager, swarm-worker]
    size: 3
  workers:
    roles: [swarm-worker]
    size: 1
"""
"""A cluster of its own, so that one that runs here already stays as it is."""

COMMAND = """\
#!/bin/sh
# The command, for the cluster of this folder's servers.yml.
command=$1; shift
exec {swarmer} "$command" -f {folder}/servers.yml "$@"
"""


def checkout(folder: Path) -> Path:
    """A folder like a checkout: examples, servers.yml and the command of one cluster."""
    (folder / "servers.yml").write_text(SERVERS)
    (folder / "examples").symlink_to(EXAMPLES)
    command = folder / ".venv/bin/swarmer"
    command.parent.mkdir(parents=True)
    command.write_text(COMMAND.format(swarmer=SWARMER, folder=folder))
    command.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where the cluster's AWS listens; images are built by the engine, not by a plugin of the client."""
    return {"SWARMER_AWS_PORT": os.environ.get("SWARMER_AWS_PORT", "4574"), "DOCKER_BUILDKIT": "0"}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[Path]:
    """The folder to type in, with its cluster up; one that ran before is used, and left."""
    host.ensure_packages(("dig", "bind9-dnsutils"), ("curl", "curl"), ("mmdebstrap", "mmdebstrap"))
    made = checkout(tmp_path_factory.mktemp("checkout"))
    servers = ("-f", str(made / "servers.yml"))
    ran_already = swarmer("status", *servers).returncode == 0
    if not ran_already:
        up = swarmer("up", *servers, env=environment)
        assert up.returncode == 0, up.stdout + up.stderr
    yield made
    if not ran_already:
        swarmer("down", *servers)


@pytest.fixture(scope="session")
def docker_host(folder: Path, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The manager that the pages speak to; it has the image that their Dockerfiles start from."""
    shell = Shell(folder, environment)
    Page(EXAMPLES / "README.md", shell).type("Before")
    found = shell.type("echo $DOCKER_HOST\n")
    shell.close()
    lend_base(ensure_base(tmp_path_factory.mktemp("base")), found)
    return found


@pytest.fixture(scope="module")
def page(
    request: pytest.FixtureRequest, folder: Path, environment: dict[str, str], docker_host: str
) -> Iterator[Page]:
    """The page of the example whose test this is, what stands before each typed already."""
    shell = Shell(folder, environment)
    Page(EXAMPLES / "README.md", shell).type("Before")
    example = str(request.module.__name__).rpartition("test_")[2].replace("_", "-")
    found = Page(EXAMPLES / example / "README.md", shell)
    yield found
    shell.close()
    assert found.untyped == [], "commands of the page that no test types"
