"""Packet filters of the machines: each node and function accepts the traffic that its security groups admit.

The text is in the machine's seed, and the machine loads it before its first program. After a change of rules,
groups or members, running machines load it again, and later machines find the new text in their seeds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from swarmer.adapters import files, process
from swarmer.core.state import HostContainer
from swarmer.fakeaws.ec2 import packet_filter
from swarmer.fakeaws.ec2.packet_filter import Network
from swarmer.local import engine, environment, node_containers
from swarmer.local.environment import Environment

log: Final = logging.getLogger("swarmer.rehearsal")

PARALLEL_LOADS: Final = 4
"""Maximum number of machines that load their filter at the same time."""
LOAD_TIMEOUT_S: Final = 10.0
"""Timeout for one machine to load its filter, in seconds."""
START_MARGIN_S: Final = 1.0
"""Time between the file and the machine's start, in seconds, after which the machine has certainly read the
file."""


class Deployed(Protocol):
    """Deployed security groups (`fakeaws.ec2.network_interfaces`)."""

    @property
    def network(self) -> Network: ...

    @property
    def instances(self) -> Mapping[str, tuple[str, ...]]: ...


Observe = Callable[[str, tuple[str, int], tuple[str, ...]], Deployed]
"""Reader of the deployed groups: CIDR of the VPC, address and port of AWS, addresses of operators."""


class PacketFilters:
    """Filters of one cluster, used by two threads: that of the machines, and that of a starting function."""

    def __init__(self, observe: Observe) -> None:
        self._observe = observe
        self._guard = threading.Lock()
        self._written: dict[str, str] = {}
        self._loaded: dict[str, tuple[str, str]] = {}
        """Start time of each instance's machine, and the text that it has loaded."""

    def write(self, env: Environment) -> bool:
        """Write the filter of every instance, with or without a machine. Returns whether any changed."""
        with self._guard:
            wanted = _texts(self._deployed(env))
            changed = {each: text for each, text in wanted.items() if self._written.get(each) != text}
            for instance, text in changed.items():
                files.ensure_file(path(env, instance), text)
            self._written = wanted
        return bool(changed)

    def load(self, env: Environment, machines: Iterable[HostContainer]) -> None:
        """Have every running machine load its filter, unless it has loaded that text."""
        with self._guard:
            stale = [each for each in machines if each.is_running and self._is_stale(env, each)]
            if not stale:
                return
            with ThreadPoolExecutor(PARALLEL_LOADS) as pool:
                list(pool.map(self._load, stale))

    def refresh(self, env: Environment) -> None:
        """Write and load the filters at once, for a caller that is a new member."""
        if self.write(env):
            self.load(env, node_containers.containers(env))

    def of_function(self, env: Environment, groups: Collection[str]) -> str:
        """Filter of a function in these groups."""
        return packet_filter.table(self._deployed(env).network, groups, accepts=False)

    def _deployed(self, env: Environment) -> Deployed:
        endpoint = (env.gateway, env.aws_port)
        return self._observe(env.cluster.network.cidr, endpoint, env.operator_addresses)

    def _is_stale(self, env: Environment, machine: HostContainer) -> bool:
        instance = machine.labels[environment.LABEL_INSTANCE]
        text = self._written.get(instance)
        if text is None or self._loaded.get(instance) == (machine.started_at, text):
            return False
        if path(env, instance).stat().st_mtime + START_MARGIN_S < _seconds(machine.started_at):
            self._loaded[instance] = (machine.started_at, text)
            return False
        return True

    def _load(self, machine: HostContainer) -> None:
        instance = machine.labels[environment.LABEL_INSTANCE]
        try:
            engine.docker("exec", machine.name, *node_containers.LOAD_FILTER, timeout_s=LOAD_TIMEOUT_S)
        except process.Failed as exc:
            # The machine stands still, or has just ended. The next observation tries again.
            log.info("%s did not load its security groups: %s", machine.name, exc)
        else:
            self._loaded[instance] = (machine.started_at, self._written[instance])


def _texts(deployed: Deployed) -> dict[str, str]:
    """Text of the filter of each instance. Instances in the same groups have the same text."""
    texts = {own: packet_filter.table(deployed.network, own) for own in set(deployed.instances.values())}
    return {instance: texts[own] for instance, own in deployed.instances.items()}


def path(env: Environment, instance: str) -> Path:
    """File with the filter of an instance."""
    return node_containers.seed_folder(env, instance) / node_containers.FILTER_FILE


def _seconds(started_at: str) -> float:
    # The first 19 characters end at the seconds and leave out Docker's nanoseconds.
    return datetime.fromisoformat(f"{started_at[:19]}+00:00").timestamp()
