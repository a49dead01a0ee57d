"""A node or an `up` that does not come up is named, and nothing of it is left."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from swarmer.local import environment
from tests.rehearsal.conftest import SWARMER, Cluster, containers, names_with, swarmer, until

pytestmark = pytest.mark.cluster


def test_a_node_that_cannot_boot_is_named_and_everything_is_removed(
    cluster: Cluster, small: Path, broken_image: str
) -> None:
    before = containers(cluster.env)
    done = swarmer("up", "-f", str(small), "--aws-port", "4577", "--node-image", broken_image)
    assert done.returncode == 1
    assert "all-i-" in done.stderr
    assert "cannot boot" in done.stderr
    assert "/usr/local/bin/consul" in done.stderr
    assert "Traceback" not in done.stderr
    assert containers(cluster.env) == before
    assert names_with("small") == []
    assert not (environment.STATE / "clusters/small").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_up_that_is_interrupted_removes_what_it_made(
    number: signal.Signals, cluster: Cluster, small: Path
) -> None:
    before = containers(cluster.env)
    # Below nohup Ctrl-C is ignored.
    argv = ["env", "--default-signal=INT", SWARMER, "up", "-f", str(small), "--aws-port", "4577"]
    interrupted = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until(lambda: bool(names_with("small")), 60, "no node was started")
    interrupted.send_signal(number)
    try:
        _, said = interrupted.communicate(timeout=60)
    finally:
        interrupted.kill()
    assert interrupted.returncode == 130
    assert b"Traceback" not in said
    assert containers(cluster.env) == before
    assert names_with("small") == []
    assert not (environment.STATE / "clusters/small").exists()
