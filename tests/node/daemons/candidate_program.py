"""node/registry.py as a process of its own, with its files, its registry and its Consul elsewhere."""

from __future__ import annotations

import asyncio
import functools
import json
import sys
from pathlib import Path

from node import docker_registry, registry
from swarmer.adapters.consul import Consul
from swarmer.core import names
from tests.node.daemons.daemon import machine


def main(settings: dict[str, str]) -> None:
    folder = Path(settings["folder"])
    names.REGISTRY_SOCKET = str(folder / "registry.sock")
    registry.SESSION_FILE = folder / "session"
    docker_registry.COMMAND = tuple(settings["command"])
    registry.PROBE_INTERVAL_S, registry.SILENCE_TIMEOUT_S, registry.PROBE_TIMEOUT_S = 0.2, 1.0, 0.3
    registry.Consul = functools.partial(Consul, settings["address"])
    candidate = registry.Candidate(machine(settings["address"], instance=settings["instance"]))
    asyncio.run(candidate.run())


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
