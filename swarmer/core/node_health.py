"""Health of a node: its disks and its daemons. Pure.

Gather (node/health.py) → `assess` → act: the node reports its problems and kills a hanging daemon, and
systemd restarts the daemon. systemd alone notices only processes that end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

HANG_TIMEOUT_S: Final = 30.0
"""Timeout for a running daemon to answer. After it a kill costs less than waiting."""
FULL_SHARE: Final = 0.05
"""Share of a file system's size or inodes below which it counts as full."""
FULL_BYTES: Final = 1 << 30
"""Free bytes below which a file system counts as full, unless its FULL_SHARE is less. At that point Consul
and dockerd can still write, and the node can still report the problem."""


@dataclass(frozen=True, kw_only=True)
class FileSystem:
    """File system of the node's daemons, as statvfs describes it."""

    path: str
    free_bytes: int
    """Bytes free to every user, without root's reserve."""
    size_bytes: int
    free_inodes: int
    inodes: int
    """Number of inodes; 0 if there is no such limit."""


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """Result of a probe of a daemon."""

    unit: str
    active_s: float | None
    """Seconds for which its unit has been active; None if it is not active."""
    silent_s: float
    """Seconds for which it has not answered; 0 if it has answered."""


@dataclass(frozen=True)
class NodeHealth:
    """Problems of a node, each in one sentence, and the units that hang."""

    problems: tuple[str, ...] = ()
    hanging: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """Text for the operator."""
        return "; ".join(self.problems) or "well"


def assess(disks: Sequence[FileSystem], daemons: Sequence[Daemon]) -> NodeHealth:
    """Return the state of a node."""
    hanging = tuple(each.unit for each in daemons if _hangs(each))
    return NodeHealth(
        problems=(
            *(text for disk in disks for text in _shortages(disk)),
            *(_problem(each) for each in daemons if each.silent_s >= HANG_TIMEOUT_S),
        ),
        hanging=hanging,
    )


def _hangs(daemon: Daemon) -> bool:
    return min(daemon.silent_s, daemon.active_s or 0.0) >= HANG_TIMEOUT_S


def _problem(daemon: Daemon) -> str:
    state = "does not run" if daemon.active_s is None else "does not answer"
    return f"{daemon.unit} {state}"


def _shortages(disk: FileSystem) -> list[str]:
    found = []
    if disk.free_bytes < min(FULL_BYTES, disk.size_bytes * FULL_SHARE):
        found.append(f"{disk.path} is full: {disk.free_bytes / (1 << 20):.0f} MiB are left")
    if disk.inodes and disk.free_inodes < disk.inodes * FULL_SHARE:
        found.append(f"{disk.path} is full: {disk.free_inodes} inodes are left")
    return found
