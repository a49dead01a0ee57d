"""What does not come up, and the end: nothing is left. The last tests that use the cluster."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from swarmer.local import engine, environment
from tests.rehearsal.conftest import SWARMER, Cluster, containers, swarmer, until

pytestmark = pytest.mark.cluster


def test_a_node_that_cannot_boot_is_named_and_everything_is_removed(
    cluster: Cluster, small: Path, broken_image: str
) -> None:
    before = containers()
    done = swarmer("up", "-f", str(small), "--aws-port", "4577", "--node-image", broken_image)
    assert done.returncode == 1
    assert "all-i-" in done.stderr
    assert "cannot boot" in done.stderr
    assert "/usr/local/bin/consul" in done.stderr
    assert "Traceback" not in done.stderr
    assert containers() == before
    assert not (environment.STATE / "clusters/small").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_up_that_is_interrupted_removes_what_it_made(
    number: signal.Signals, cluster: Cluster, small: Path
) -> None:
    before = containers()
    # Below nohup Ctrl-C is ignored.
    argv = ["env", "--default-signal=INT", SWARMER, "up", "-f", str(small), "--aws-port", "4577"]
    interrupted = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until(lambda: any("small" in name for name in containers()), 60, "no node was started")
    interrupted.send_signal(number)
    try:
        _, said = interrupted.communicate(timeout=60)
    finally:
        interrupted.kill()
    assert interrupted.returncode == 130
    assert b"Traceback" not in said
    assert containers() == before
    assert not (environment.STATE / "clusters/small").exists()


def test_down_leaves_nothing_even_of_an_up_that_was_interrupted(cluster: Cluster, small: Path) -> None:
    interrupted = subprocess.Popen(
        [SWARMER, "up", "-f", str(small), "--aws-port", "4577"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: any("small" in name for name in containers()), 60, "no node was started")
    interrupted.kill()
    interrupted.wait()
    done = swarmer("down")
    assert done.returncode == 0, done.stderr
    if engine_answers():
        assert containers() == {}
        assert engine.networks() == []
    assert not (environment.STATE / "clusters").exists()
    processes = subprocess.run(["ps", "axo", "args"], capture_output=True, text=True, check=True).stdout
    assert f"--pid-file {environment.STATE}" not in processes


def engine_answers() -> bool:
    return (
        subprocess.run(["docker", "version"], env=engine.docker_environment(), capture_output=True).returncode
        == 0
    )
