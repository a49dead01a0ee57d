"""Whether a node is well: its disks, and the daemons that everything on it hangs by. Pure.

Gather (node/vitals.py) → `diagnose` → act: the node says what ails it, a daemon that hangs is killed, and
systemd starts it anew. systemd itself sees only processes that end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

HANG_TIMEOUT_S: Final = 30.0
"""A daemon that runs and has not answered for so long will not: killing it costs less than waiting."""
FULL_SHARE: Final = 0.05
FULL_BYTES: Final = 1 << 30
"""A file system is full with less than this left, or less than its FULL_SHARE where that is less: Consul and
dockerd still write then, and somebody can still be told."""


@dataclass(frozen=True, kw_only=True)
class FileSystem:
    """What statvfs says of one that the node's daemons write to."""

    path: str
    free_bytes: int
    """To everybody, root's reserve left out."""
    size_bytes: int
    free_inodes: int
    inodes: int
    """0 where there is no such limit."""


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """One that was asked."""

    unit: str
    runs_s: float | None
    """For so long its unit has been active; None: it is not."""
    silent_s: float
    """For so long it has not answered; 0: it has."""


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, each in one sentence, and which units hang."""

    complaints: tuple[str, ...] = ()
    hanging: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """For people."""
        return "; ".join(self.complaints) or "well"


def diagnose(disks: Sequence[FileSystem], daemons: Sequence[Daemon]) -> Diagnosis:
    """The state of a node."""
    hanging = tuple(each.unit for each in daemons if _hangs(each))
    return Diagnosis(
        complaints=(
            *(text for disk in disks for text in _shortages(disk)),
            *(_complaint(each) for each in daemons if each.silent_s >= HANG_TIMEOUT_S),
        ),
        hanging=hanging,
    )


def _hangs(daemon: Daemon) -> bool:
    return daemon.silent_s >= HANG_TIMEOUT_S and daemon.runs_s is not None and daemon.runs_s >= HANG_TIMEOUT_S


def _complaint(daemon: Daemon) -> str:
    state = "does not run" if daemon.runs_s is None else "does not answer"
    return f"{daemon.unit} {state}"


def _shortages(disk: FileSystem) -> list[str]:
    found = []
    if disk.free_bytes < min(FULL_BYTES, disk.size_bytes * FULL_SHARE):
        found.append(f"{disk.path} is full: {disk.free_bytes / (1 << 20):.0f} MiB are left")
    if disk.inodes and disk.free_inodes < disk.inodes * FULL_SHARE:
        found.append(f"{disk.path} is full: {disk.free_inodes} inodes are left")
    return found
