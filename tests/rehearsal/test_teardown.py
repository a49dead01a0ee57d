"""A node or an `up` that does not come up is named, and nothing of it is left."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from swarmer.local import environment
from tests.rehearsal.conftest import SWARMER, Cluster, containers, names_with, swarmer, until

pytestmark = pytest.mark.cluster

SMALL: Final = environment.STATE / "clusters/small"
"""Folder of the cluster that is described in `small`."""


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
    assert not SMALL.exists()


@pytest.mark.parametrize(
    ("number", "is_reached", "moment"),
    [
        (signal.SIGINT, lambda: (SMALL / "cdk.out").exists(), "nothing was synthesised"),
        (signal.SIGTERM, lambda: bool(names_with("small")), "no node was started"),
    ],
    ids=["Ctrl-C before there is a node", "SIGTERM when a node boots"],
)
def test_an_up_that_is_interrupted_removes_what_it_made(
    number: signal.Signals, is_reached: Callable[[], bool], moment: str, cluster: Cluster, small: Path
) -> None:
    before = containers(cluster.env)
    # Below nohup Ctrl-C is ignored.
    argv = ["env", "--default-signal=INT", SWARMER, "up", "-f", str(small), "--aws-port", "4577"]
    interrupted = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until(is_reached, 60, moment)
    interrupted.send_signal(number)
    try:
        _, said = interrupted.communicate(timeout=60)
    finally:
        interrupted.kill()
    assert interrupted.returncode == 130
    assert b"Traceback" not in said
    assert containers(cluster.env) == before
    assert names_with("small") == []
    assert not SMALL.exists()
