"""node/registry.py as a process of its own, with its files, its registry and its Consul elsewhere."""

from __future__ import annotations

import asyncio
import functools
import json
import sys
from pathlib import Path
from unittest.mock import patch

from node import docker_registry, registry
from swarmer.adapters.consul import Consul
from swarmer.core import election, names
from tests.node.daemons.daemon import machine


def main(settings: dict[str, str]) -> None:
    folder = Path(settings["folder"])
    patch.object(names, "REGISTRY_SOCKET", str(folder / "registry.sock")).start()
    patch.object(docker_registry, "COMMAND", tuple(settings["command"])).start()
    patch.multiple(registry, PROBE_INTERVAL_S=0.2, PROBE_TIMEOUT_S=0.3).start()
    patch.object(election, "SILENCE_TIMEOUT_S", 1.0).start()
    here = functools.partial(Consul, settings["address"])
    patch.multiple(registry, SESSION_FILE=folder / "session", Consul=here).start()
    candidate = registry.RegistryElector(machine(settings["address"], instance=settings["instance"]))
    asyncio.run(candidate.run())


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
