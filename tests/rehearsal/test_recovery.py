"""`swarmer recover`, killed at each of its steps and typed again. `make test-recovery` runs it."""

from __future__ import annotations

import pytest

from swarmer.providers.rehearsal import cloud
from tests.rehearsal.conftest import Cluster, swarmer, watched
from tests.rehearsal.losing import is_whole_again, lose_power, says_both, serve_everywhere

pytestmark = pytest.mark.cluster

STEPS_OF_A_RECOVERY = (
    "makes this server Consul's only one",
    "restarts Consul",
    "Consul has a leader",
    "makes this manager the Swarm's only one",
)


def test_a_recovery_that_is_killed_at_each_step_is_finished_by_the_same_command(cluster: Cluster) -> None:
    before = cloud.cluster_id(cluster.env)
    survivor, *lost = (node["name"] for node in cluster.nodes("consul-server"))
    cluster.on(survivor, "consul", "kv", "put", "people/key", "value")
    serve_everywhere(cluster)
    lose_power(lost)
    watched(says_both, 90, "the majority is not lost")
    for name in lost:
        assert swarmer("terminate", name).returncode == 0
    for step in STEPS_OF_A_RECOVERY:
        kill_recovery_at(survivor, step, lost)
    done = swarmer("recover", timeout_s=300)
    # The sweep may have forgotten the lost meanwhile.
    assert done.returncode == 0 or "there is nothing to recover" in done.stderr, done.stderr
    is_whole_again(cluster, survivor, before)
    assert not {node["name"] for node in cluster.nodes()} & set(lost)
    assert not set(lost) & set(cluster.docker("node", "ls", "--format", "{{.Hostname}}").splitlines())


KILLED_AT = """
import os, runpy, signal, sys

step = sys.argv.pop(1)

class Console:
    def write(self, text):
        sys.__stdout__.write(text)
        sys.__stdout__.flush()
        if step in text:
            os.kill(os.getpid(), signal.SIGKILL)

    def flush(self):
        pass

sys.stdout = Console()
runpy.run_module("node.recover", run_name="__main__")
"""
"""Program that `swarmer recover` runs on a survivor, killed as soon as it has said `step`."""


def kill_recovery_at(survivor: str, step: str, lost: list[str]) -> None:
    python = ("exec", survivor, "--", "/opt/swarmer/bin/python", "-c", KILLED_AT, step)
    killed = swarmer(*python, "--consul", "--swarm", *lost, timeout_s=300)
    assert killed.returncode == 137, killed.stdout + killed.stderr
    assert step in killed.stdout
