"""This machine's own Docker Engine, through its command line."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Final

from swarmer.adapters import docker_json, process
from swarmer.core.state import HostContainer
from swarmer.local import environment

ATTEMPTS: Final = 10
HOST_VARIABLE: Final = "SWARMER_DOCKER_HOST"
"""Variable with the engine's address. DOCKER_HOST is for the cluster, which must not rehearse itself."""


def docker_environment() -> dict[str, str]:
    """Environment of every docker command for this machine's engine."""
    kept = {key: value for key, value in os.environ.items() if key not in ("DOCKER_HOST", "DOCKER_CONTEXT")}
    return kept | {"DOCKER_HOST": os.environ.get(HOST_VARIABLE, "unix:///var/run/docker.sock")}


def docker(*argv: str, timeout_s: float = 120, stdin: bytes = b"") -> str:
    """Standard output of `docker ARGV`. Raises process.Failed."""
    return process.run(["docker", *argv], timeout_s=timeout_s, env=docker_environment(), stdin=stdin).strip()


def stream(*argv: str, stdin: int | None = subprocess.DEVNULL) -> subprocess.Popen[str]:
    """Start `docker ARGV` as a process; the caller reads its output line by line."""
    return subprocess.Popen(
        ["docker", *argv],
        env=docker_environment(),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        bufsize=1,
    )


def containers(*keys: str, **labels: str) -> list[HostContainer]:
    """Containers of this checkout, running or not.

    They have a label with each of `keys` (any value) and each of `labels`.
    """
    filters = [*_filters(labels), *(word for key in keys for word in ("--filter", f"label={key}"))]
    for attempt in range(ATTEMPTS):
        ids = docker("ps", "-aq", *filters).split()
        try:
            found = json.loads(docker("inspect", *ids)) if ids else []
        except process.Failed:
            # A container disappeared between the two commands.
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return list(map(docker_json.host_container, found))
    return []


def networks(**labels: str) -> list[str]:
    """Networks of this checkout."""
    return docker("network", "ls", "-q", *_filters(labels)).split()


def _filters(labels: dict[str, str]) -> list[str]:
    wanted = {environment.LABEL_REHEARSAL: str(environment.ROOT), **labels}
    return [word for key, value in wanted.items() for word in ("--filter", f"label={key}={value}")]
