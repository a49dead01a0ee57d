"""A cluster of the previous version is deployed again by this one: it keeps running, node by node replaced.

Stacks, functions, node image and node software of version 0.1 come from the repository's history. The
simulated AWS stays as it is, as the real one would.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from swarmer.core import names, software
from swarmer.core.health import judge
from swarmer.local import engine, environment, node_image
from swarmer.providers.rehearsal import cloud
from tests.changes.description import Described
from tests.rehearsal.conftest import inside, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

PREVIOUS: Final = "4a825c6"
"""Last commit of version 0.1."""
UP: Final = """
import dataclasses, pathlib, sys
from swarmer.cli.common import load
from swarmer.local.progress import Display
from swarmer.providers.rehearsal import cloud
from swarmer.providers.rehearsal.up import Up
servers, app, image = sys.argv[1:]
of_today = cloud.cdk_of
cloud.cdk_of = lambda env: dataclasses.replace(of_today(env), app=pathlib.Path(app))
Up(env=load(servers), display=Display(), image=image).run()
"""
"""Program that deploys another app's stacks, with another node image."""
IMAGE: Final = (
    "from rehearsal import ground, node_image as i; print(i.ensure_image(ground.CACHE, lambda _: None))"
)

EQUIPPED: Final = """
FROM {today} AS today
FROM {previous}
COPY --from=today /usr/sbin/nft /usr/sbin/
COPY --from=today \
  /usr/lib/*-linux-gnu/libnftables.so.1 \
  /usr/lib/*-linux-gnu/libjansson.so.4 \
  /usr/lib/*-linux-gnu/libedit.so.2 \
  /usr/local/lib/
COPY --from=today /usr/lib/swarmer/run_command_agent.py /usr/lib/swarmer/
COPY --from=today /etc/systemd/system/run-command-agent.service /etc/systemd/system/
RUN ldconfig && systemctl enable run-command-agent
"""
"""Dockerfile of a node of the previous version with today's stand-ins for AWS's parts."""


def previous(folder: Path) -> Path:
    """A tree of the previous version."""
    archived = subprocess.run(
        ["git", "archive", PREVIOUS], cwd=environment.ROOT, capture_output=True, check=False
    )
    if archived.returncode:
        pytest.fail(f"this clone has no commit {PREVIOUS}: fetch the whole history")
    tree = folder / "previous"
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as archive:
        archive.extractall(tree, filter="data")
    (tree / ".venv").symlink_to(environment.ROOT / ".venv")
    (tree / ".swarmer").mkdir()
    for cache in ("cache", "layer"):
        (environment.STATE / cache).mkdir(parents=True, exist_ok=True)
        (tree / ".swarmer" / cache).symlink_to(environment.STATE / cache)
    return tree


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    folder = tmp_path_factory.mktemp("upgrade")
    tree = previous(folder)
    every = ["consul-server", "swarm-manager", "swarm-worker"]
    groups = {"core": {"roles": every, "size": 3}, "workers": {"roles": ["swarm-worker"], "size": 1}}
    made = Described(
        folder / "servers.yml",
        groups,
        name="upgrade",
        network={"cidr": "10.56.0.0/16", "vpn_cidr": "10.57.0.0/22"},
    )
    made.write()
    image = subprocess.run(
        [sys.executable, "-c", IMAGE], cwd=tree, capture_output=True, text=True, check=True
    ).stdout.strip()
    equipped = "swarmer/previous"
    dockerfile = EQUIPPED.format(
        today=node_image.ensure_image(environment.CACHE, lambda _: None), previous=image
    )
    engine.docker("build", "-q", "-t", equipped, "-", stdin=dockerfile.encode())
    try:
        argv = [sys.executable, "-c", UP, str(made.path), str(tree), equipped]
        up = subprocess.run(argv, cwd=environment.ROOT, capture_output=True, text=True, check=False)
        assert up.returncode == 0, up.stdout + up.stderr
        yield made
    finally:
        made.swarmer("down")
        engine.docker("image", "rm", equipped)


def digests(cluster: Described) -> dict[str, str]:
    """Name of each node to the digest of its node software."""
    seen = [node.name for node in cluster.nodes()]
    return {name: inside(cluster.env, name, "cat", names.SOFTWARE_DIGEST) for name in seen}


def is_well(cluster: Described) -> bool:
    """Whether the cluster is validated from outside: nodes of the previous version have no report."""
    nodes = tuple(node.expected for node in cloud.instances(cluster.env))
    with cloud.observer(cluster.env) as observer:
        return judge(cluster.env.cluster.name, nodes, observer.observe(nodes)).validated


def is_gone(cluster: Described, name: str) -> bool:
    return name not in {node.name for node in cluster.nodes()}


def test_every_node_is_replaced_and_nothing_is_lost(cluster: Described) -> None:
    old = digests(cluster)
    assert software.digest() not in old.values(), "the cluster runs the previous node software"
    image = cluster.push("kept")
    cluster.docker(
        *("service", "create", "-d", "--name", "kept", "--mode", "global", "--endpoint-mode", "dnsrr"),
        *("--no-resolve-image", "--stop-grace-period", "1s", image, "sleep", "3600"),
    )
    swarm = cluster.docker("info", "-f", "{{.Swarm.Cluster.ID}}")

    done = cluster.swarmer("up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert digests(cluster) == old, "a deployment replaces no node"
    status = cluster.swarmer("status")
    assert "launched before the last change of servers.yml" in status.stderr
    assert all(f"{name}: it sent no report: the command for it failed" in status.stderr for name in old)
    cluster.docker("pull", image)

    for name in sorted(old):
        assert cluster.swarmer("terminate", name).returncode == 0
        until(partial(is_gone, cluster, name), 60, "it is still there")
        until(lambda: len(cluster.nodes()) == len(old) and is_well(cluster), 240, f"{name} is not replaced")
        assert cluster.docker("info", "-f", "{{.Swarm.Cluster.ID}}") == swarm
        cluster.docker("pull", image)

    assert set(digests(cluster).values()) == {software.digest()}
    assert cluster.swarmer("status").returncode == 0
    until(lambda: "4/4" in cluster.docker("service", "ls"), 60, "the service does not run everywhere")
