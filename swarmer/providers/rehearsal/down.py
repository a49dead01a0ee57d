"""Steps of `swarmer down`: removal of the whole rehearsal, after any kind of end."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path
from typing import Final

from swarmer.adapters import process
from swarmer.local import aws_daemon, engine, environment, host
from swarmer.local.environment import Environment

UP_PID: Final = "up.pid"
"""Name of the file, in a cluster's state, with the process ID of a running `up`."""
MAX_CHECKS: Final = 100
"""Maximum number of checks for containers to remove."""
QUIET_CHECKS: Final = 3
"""Number of required checks in a row without a container."""


def remove(env: Environment) -> None:
    """Remove one cluster: daemon, containers with their volumes, network, state."""
    _stop_daemon(env.state)
    _remove_containers(**{environment.LABEL_CLUSTER: env.cluster.name})
    for network in engine.networks(**{environment.LABEL_CLUSTER: env.cluster.name}):
        engine.docker("network", "rm", network)
    shutil.rmtree(env.state, ignore_errors=True)


def remove_all() -> list[str]:
    """Remove every cluster of this checkout without a servers.yml; return the removed parts, in words."""
    done = []
    for state in sorted((environment.STATE / "clusters").glob("*")):
        _stop_up(state)
        if _stop_daemon(state):
            done.append(f"AWS of {state.name}")
    if host.engine_version() is not None:
        removed = _remove_containers()
        done += [f"{removed} node containers"] if removed else []
        for network in engine.networks():
            engine.docker("network", "rm", network)
            done.append("their network")
        done += ["the Docker Engine that was started for it"] if host.stop_own_engine() else []
    shutil.rmtree(environment.STATE / "clusters", ignore_errors=True)
    return done


def _remove_containers(**labels: str) -> int:
    """Remove the containers and return their number. A container that is being created may appear later."""
    removed: set[str] = set()
    quiet = 0
    for _ in range(MAX_CHECKS):
        ids = {each.id for each in engine.containers(**labels)}
        quiet = 0 if ids else quiet + 1
        if quiet == QUIET_CHECKS:
            break
        if ids:
            # Some containers remove themselves meanwhile.
            with contextlib.suppress(process.Failed):
                engine.docker("rm", "-f", "-v", *ids)
        removed |= ids
        time.sleep(0.1)
    return len(removed)


def _stop_daemon(state: Path) -> bool:
    return any(_stop_recorded(state / "aws.pid", each) for each in aws_daemon.COMMANDS)


def _stop_up(state: Path) -> bool:
    """Stop a running `up`, because it would create the removed parts again."""
    return _stop_recorded(state / UP_PID, "swarmer")


def _stop_recorded(path: Path, command: str) -> bool:
    with contextlib.suppress(OSError, ValueError, process.Failed):
        pid = int(path.read_text())
        if host.is_running(pid, command):
            host.stop(pid, command, within_s=20)
            return True
    return False
