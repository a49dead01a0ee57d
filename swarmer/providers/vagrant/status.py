"""Status of Vagrant's machines as one cluster, compared with servers.yml."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from functools import partial

from swarmer.core.errors import UserError
from swarmer.core.health import Expected, Status, judge
from swarmer.core.machines import Machine
from swarmer.local import engine, environment, node_containers
from swarmer.local.environment import Environment
from swarmer.operations.observer import PROBE, Observer
from swarmer.operations.wait import OBSERVATION_INTERVAL_S, Streak
from swarmer.providers.vagrant import plan


def observe(env: Environment, observer: Observer) -> Status:
    """Observe the cluster once. Raises UserError if Vagrant has no machine of it."""
    found = plan.created(env)
    if not found:
        raise UserError(f"no machine of {env.cluster.name} is there: `vagrant up` makes them", status=1)
    expected = tuple(_expected(env, machine, provider) for machine, provider in found.items())
    return judge(env.cluster.name, expected, observer.observe(expected))


def observer(env: Environment) -> Observer:
    """Context that observes the cluster from inside a container on each machine."""
    providers = {machine.name: provider for machine, provider in plan.created(env).items()}
    return Observer(env.cluster.domain, partial(_start_probe, env, providers))


def wait(env: Environment, within_s: float, report: Callable[[str], None]) -> Status:
    """Wait until the cluster is validated. Return the last status, also after a timeout."""
    deadline_s, streak = time.monotonic() + within_s, Streak()
    with observer(env) as watching:
        while True:
            status = observe(env, watching)
            if streak.add(status) or time.monotonic() > deadline_s:
                return status
            report(streak.note(status))
            time.sleep(OBSERVATION_INTERVAL_S)


def _expected(env: Environment, machine: Machine, provider: str) -> Expected:
    return Expected(
        name=machine.name,
        instance_id=str(machine.index),
        group=machine.group.name,
        roles=tuple(sorted(machine.group.roles)),
        address=machine.address,
        zone="",
        runs=_runs(env, machine, provider),
    )


def _runs(env: Environment, machine: Machine, provider: str) -> bool:
    """Whether the machine runs. True for every virtual machine, because only the cluster can show it."""
    if provider != plan.DOCKER:
        return True
    name = plan.container_name(env, machine.name)
    return engine.docker("ps", "-q", "--filter", f"name=^{name}$") != ""


def _start_probe(env: Environment, providers: dict[str, str], name: str) -> subprocess.Popen[str]:
    if providers[name] == plan.DOCKER:
        return node_containers.run_script(plan.container_name(env, name), PROBE)
    argv = ["vagrant", "ssh", name, "--no-tty", "-c", f"sudo sh -c '{_quoted(PROBE)}'"]
    return subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
        cwd=environment.ROOT,
    )


def _quoted(script: str) -> str:
    return script.replace("'", "'\\''")
