"""Vagrant's machines as one cluster: whether it is what servers.yml says."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from swarmer.core.health import Expected, Status, judge
from swarmer.core.machines import Machine
from swarmer.local import engine, workspace
from swarmer.local.workspace import Ground, Problem
from swarmer.operations.observer import PROBE, Observer, exec_probe
from swarmer.providers.vagrant import plan

ROUNDS: Final = 3
"""So many looks in a row must find nothing, where one waits for it."""
PAUSE_S: Final = 0.4


def look(g: Ground, observer: Observer) -> Status:
    """One look. Raises Problem where Vagrant has no machine of this cluster."""
    found = plan.created(g)
    if not found:
        raise Problem(f"no machine of {g.cluster.name} is there: `vagrant up` makes them", status=1)
    expected = tuple(_expected(g, machine, provider) for machine, provider in found.items())
    return judge(g.cluster.name, expected, observer.look_at(expected))


def observer(g: Ground) -> Observer:
    """A context; it asks from inside a container on each machine."""
    providers = {machine.name: provider for machine, provider in plan.created(g).items()}
    return Observer(g, partial(_start_probe, g, providers))


def wait(g: Ground, within_s: float, say: Callable[[str], None]) -> Status:
    """Until nothing is wrong, ROUNDS times in a row; the last look where time is up before."""
    deadline_s, rounds = time.monotonic() + within_s, 0
    with observer(g) as watching:
        while True:
            status = look(g, watching)
            rounds = rounds + 1 if status.validated else 0
            if rounds == ROUNDS or time.monotonic() > deadline_s:
                return status
            say(f"check {rounds} of {ROUNDS} passed" if rounds else status.problems[0])
            time.sleep(PAUSE_S)


def _expected(g: Ground, machine: Machine, provider: str) -> Expected:
    return Expected(
        name=machine.name,
        instance_id=str(machine.index),
        group=machine.group.name,
        roles=tuple(sorted(machine.group.roles)),
        address=machine.address,
        zone="",
        runs=_runs(g, machine, provider),
    )


def _runs(g: Ground, machine: Machine, provider: str) -> bool:
    """Of a virtual machine only the cluster itself tells."""
    if provider != plan.DOCKER:
        return True
    name = plan.container_name(g, machine.name)
    return engine.docker("ps", "-q", "--filter", f"name=^{name}$") != ""


def _start_probe(g: Ground, providers: dict[str, str], name: str) -> subprocess.Popen[str]:
    if providers[name] == plan.DOCKER:
        return exec_probe(plan.container_name(g, name))
    argv = ["vagrant", "ssh", name, "--no-tty", "-c", f"sudo sh -c '{_quoted(PROBE)}'"]
    return subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
        cwd=workspace.ROOT,
    )


def _quoted(script: str) -> str:
    return script.replace("'", "'\\''")
