"""`swarmer down` removes every rehearsal of the checkout, so nothing else may run beside this test."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from swarmer.local import engine, environment
from tests.rehearsal.conftest import SWARMER, names_with, swarmer, until

pytestmark = [pytest.mark.cluster, pytest.mark.alone]


def test_down_leaves_nothing_even_of_an_up_that_was_interrupted(small: Path) -> None:
    interrupted = subprocess.Popen(
        [SWARMER, "up", "-f", str(small), "--aws-port", "4577"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: bool(names_with("small")), 60, "no node was started")
    interrupted.kill()
    interrupted.wait()
    done = swarmer("down")
    assert done.returncode == 0, done.stderr
    if engine_answers():
        assert names_with("") == []
        assert engine.networks() == []
    assert not (environment.STATE / "clusters").exists()
    processes = subprocess.run(["ps", "axo", "args"], capture_output=True, text=True, check=True).stdout
    assert f"--pid-file {environment.STATE}" not in processes


def engine_answers() -> bool:
    return (
        subprocess.run(["docker", "version"], env=engine.docker_environment(), capture_output=True).returncode
        == 0
    )
