"""Checks this node's disks and daemons, reports the result in Consul, and kills daemons that hang."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from node.machine import log
from swarmer.adapters import process
from swarmer.adapters.consul import Consul
from swarmer.adapters.consul import Unavailable as ConsulUnavailable
from swarmer.adapters.docker import Engine
from swarmer.adapters.docker import Unavailable as DockerUnavailable
from swarmer.adapters.systemd import active_s
from swarmer.core import names, node_health
from swarmer.core.node_health import Daemon, FileSystem, NodeHealth
from swarmer.core.service import Service

CHECK_INTERVAL_S: Final = 10.0
"""Interval between two checks of a node's own health."""
PROBE_TIMEOUT_S: Final = 3.0
"""Timeout for a daemon's answer."""
CHECK_TTL: Final = "150s"
"""TTL of the node's check in Consul. A longer silence means that the agent hangs; systemd's watchdog is
shorter."""
WRITTEN_TO: Final = ("/", "/var/lib/docker", "/var/lib/containerd", "/var/lib/consul", "/var/log")
"""Paths on the file systems to which the daemons write. New installations of Docker 29 keep their images in
containerd's folder (docs.docker.com/engine/storage/containerd, 2026-11-30)."""


def probe_consul() -> None:
    """Send Consul's local agent a query that it answers without a cluster. Raises Unavailable."""
    Consul(timeout_s=PROBE_TIMEOUT_S).members()


def probe_docker() -> None:
    """Ask dockerd for a sign of life. Raises Unavailable."""
    engine().ping()


@cache
def engine() -> Engine:
    """Return the engine's client. It is kept because creating it costs more than all queries. Raises
    Unavailable."""
    return Engine(timeout_s=PROBE_TIMEOUT_S)


def probe_containerd() -> None:
    """Ask containerd for its version. Raises Failed.

    Without containerd, dockerd answers most queries but cannot start a container.
    """
    process.run(
        ["ctr", "--connect-timeout", f"{PROBE_TIMEOUT_S:.0f}s", "version"], timeout_s=PROBE_TIMEOUT_S + 1
    )


@dataclass
class HealthChecks:
    """Health checks of one node, run by its agent."""

    address: str
    consul: Consul
    probes: dict[str, Callable[[], None]] = field(
        default_factory=lambda: {
            names.UNIT_CONSUL: probe_consul,
            names.UNIT_DOCKER: probe_docker,
            names.UNIT_CONTAINERD: probe_containerd,
        }
    )
    """Probe of each systemd unit; it raises if the unit does not answer."""
    answer_valid_s: dict[str, float] = field(default_factory=lambda: {names.UNIT_CONTAINERD: 30.0})
    """Validity of a unit's answer, in seconds: the probe costs a process."""
    _answered_s: dict[str, float] = field(default_factory=dict)
    _checked_s: float = field(default_factory=lambda: time.monotonic())
    """Monotonic time of the last check; it starts at now, because a booting node has more urgent work."""
    _silent_since_s: dict[str, float] = field(default_factory=dict)
    _logged: str = "well"

    def check(self) -> None:
        """Check the node at most every CHECK_INTERVAL_S, act, and report. A report may fail; the next one
        repeats it."""
        if time.monotonic() - self._checked_s < CHECK_INTERVAL_S:
            return
        found = node_health.assess(file_systems(), [self._daemon(unit) for unit in self.probes])
        self._checked_s = time.monotonic()
        for unit in found.hanging:
            kill(unit)
            self._silent_since_s.pop(unit, None)
        if found.note != self._logged:
            log(f"is unhealthy: {found.note}" if found.problems else "is healthy")
            self._logged = found.note
        with contextlib.suppress(ConsulUnavailable):
            self._report(found)

    def _daemon(self, unit: str) -> Daemon:
        began_s = time.monotonic()
        if began_s - self._answered_s.get(unit, float("-inf")) < self.answer_valid_s.get(unit, 0.0):
            return Daemon(unit=unit, active_s=None, silent_s=0.0)
        try:
            self.probes[unit]()
            self._answered_s[unit] = began_s
            self._silent_since_s.pop(unit, None)
            return Daemon(unit=unit, active_s=None, silent_s=0.0)
        except (ConsulUnavailable, DockerUnavailable, process.Failed):
            since_s = self._silent_since_s.setdefault(unit, began_s)
            return Daemon(unit=unit, active_s=active_s(unit), silent_s=time.monotonic() - since_s)

    def _report(self, found: NodeHealth) -> None:
        """Report as a separate service, not as a check of the node, so that the node's working services keep
        DNS."""
        mine = Service(
            id=names.SERVICE_NODE, name=names.SERVICE_NODE, address=self.address, port=names.CONSUL_HTTP_PORT
        )
        if mine.id not in {service.id for service in self.consul.services()}:
            self.consul.register(mine, {"ttl": CHECK_TTL, "status": "passing"})
        self.consul.confirm(mine.id, passing=not found.problems, note=found.note)


def file_systems() -> list[FileSystem]:
    """Return the file systems that daemons write to, each once."""
    found: dict[int, FileSystem] = {}
    for path in WRITTEN_TO:
        with contextlib.suppress(OSError):
            it = os.statvfs(path)
            found.setdefault(
                Path(path).stat().st_dev,
                FileSystem(
                    path=path,
                    free_bytes=it.f_bavail * it.f_frsize,
                    size_bytes=it.f_blocks * it.f_frsize,
                    free_inodes=it.f_favail,
                    inodes=it.f_files,
                ),
            )
    return list(found.values())


def kill(unit: str) -> None:
    """Send SIGKILL to the unit's main process. A hanging process ignores SIGTERM; systemd restarts the
    unit."""
    log(f"kills {unit}, which hangs")
    try:
        process.run(["systemctl", "kill", "--kill-whom=main", "-s", "SIGKILL", unit])
    except process.Failed as exc:
        log(f"cannot kill {unit}: {exc}")
