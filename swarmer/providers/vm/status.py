"""Status of the virtual machine's cluster: by its forwarded ports, and from inside its containers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from swarmer.adapters import process
from swarmer.core import health, names
from swarmer.core.health import Observation, Status
from swarmer.local import node_image
from swarmer.operations import observer
from swarmer.providers.vm import seed
from swarmer.providers.vm.guest import ADDRESS

PROBE: Final = node_image.PROBE_IMAGE
REGISTRY: Final = f"http://{names.registry_name(seed.DOMAIN)}/v2/"


def docker(*argv: str, timeout_s: float = 180) -> str:
    """Run `docker ARGV` on the machine's engine, through port 4000. Raises process.Failed."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
    command = ["docker", "-H", f"tcp://{ADDRESS}:{names.DOCKER_PORT}", *argv]
    return process.run(command, timeout_s=timeout_s, env=env).strip()


def load_probe(archive: Path) -> None:
    """Load the probe image into the machine's engine."""
    docker("import", "-c", 'CMD ["/bin/sh"]', str(archive), PROBE)


def in_container(*command: str, options: tuple[str, ...] = ()) -> str:
    """Output of a command in a container of the probe image. Raises process.Failed."""
    return docker("run", "--rm", *options, PROBE, *command)


def on_machine(*command: str) -> str:
    """Output of a command on the machine itself, because access to port 4000 is root access."""
    enter = ("nsenter", "-t", "1", "-m", "-u", "-i", "-n", "-p")
    return in_container(*enter, *command, options=("--privileged", "--pid=host"))


def has_answer(url: str, *, options: tuple[str, ...] = ()) -> bool:
    """Whether a URL answers inside a container."""
    try:
        in_container("wget", "-q", "-T", "20", "-O", "/dev/null", url, options=options)
    except process.Failed:
        return False
    return True


def observe() -> Status:
    """Observe the cluster of one node and judge it like every other cluster."""
    observed = Observation(
        **observer.ask_consul([ADDRESS]),
        swarm=observer.ask_swarm([ADDRESS]),
        answers={seed.EXPECTED.name: has_answer(REGISTRY)},
    )
    return health.judge(seed.CLUSTER, (seed.EXPECTED,), observed)
