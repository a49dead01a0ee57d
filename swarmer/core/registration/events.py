"""Meaning of the engine's events, and of rows of `docker ps`, for the registrator. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from swarmer.core.state import Container, ContainerSummary

FAILURE_STATUSES = range(1, 128)
"""Exit statuses that a program itself returns; from 128 on, a signal ended it. The original has the same rule
(`on-success`)."""

INSPECTED_ACTIONS = ("start", "die", "destroy", "rename")
"""Actions that always lead to an inspection."""


class Event(Protocol):
    """One line of `docker events`."""

    @property
    def kind(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def attributes(self) -> Mapping[str, str]: ...
    @property
    def time_ns(self) -> int: ...


@dataclass(frozen=True)
class End:
    """End of a container."""

    has_failed: bool = False
    """Whether it ended by itself, with a status of FAILURE_STATUSES."""
    is_removed: bool = False


@dataclass
class Batch:
    """Result of a number of events."""

    ended: dict[str, End] = field(default_factory=dict)
    """Ends by container ID."""
    starting: dict[str, None] = field(default_factory=dict)
    """IDs of containers that seem to be starting, because their network was connected."""
    started: dict[str, None] = field(default_factory=dict)
    """IDs, in order, of containers that started and had no other event."""
    changed: dict[str, None] = field(default_factory=dict)
    """IDs, in order, of containers to be inspected in any case."""
    is_about_swarm: bool = False
    """Whether a service or node of the Swarm changed."""


def batch(found: Iterable[Event], *, since_ns: int) -> Batch:
    """Return the last event of each container. An event older than `since_ns` (ns since the epoch) is a
    repetition; it leads to an inspection, because that returns more."""
    result = Batch()
    for event in found:
        is_new = event.time_ns >= since_ns
        if event.kind == "network":
            container = event.attributes.get("container")
            if event.action == "connect" and is_new and container:
                result.starting[container] = None
        elif event.kind != "container":
            result.is_about_swarm |= event.kind in ("service", "node")
        elif event.action in ("die", "destroy") and is_new:
            failed = event.action == "die" and _status(event.attributes.get("exitCode")) in FAILURE_STATUSES
            for before in (result.starting, result.started, result.changed):
                before.pop(event.id, None)
            result.ended[event.id] = End(failed, event.action == "destroy")
        elif event.action == "start" and is_new and event.id not in result.ended:
            result.started[event.id] = None
        elif event.action in INSPECTED_ACTIONS or event.action.startswith("health_status"):
            result.changed[event.id] = None
            result.ended.pop(event.id, None)
            result.starting.pop(event.id, None)
    return result


def runs(row: ContainerSummary) -> bool:
    """Whether a row of `docker ps` is a running container. One that waits for its next restart is not."""
    return row.state in ("running", "paused")


def failed(row: ContainerSummary) -> bool:
    """Whether a row of `docker ps` exited with a status of FAILURE_STATUSES."""
    found = re.match(r"Exited \((\d+)\)", row.status)
    return row.state == "exited" and bool(found) and _status(found[1] if found else "") in FAILURE_STATUSES


def has_failed(container: Container) -> bool:
    """Whether an inspected container exited with a status of FAILURE_STATUSES."""
    return container.has_exited and container.exit_status in FAILURE_STATUSES


def fingerprint(row: ContainerSummary) -> str:
    """Return a text that changes with name, ports, networks and health, because the declaration depends on
    them."""
    addresses = sorted(f"{name}={address}" for name, address in row.addresses.items())
    health = row.status.partition("(")[2]
    return " ".join(["/".join(row.names), row.state, health, *sorted(row.ports), *addresses])


def _status(text: object) -> int:
    return int(str(text)) if str(text).isdigit() else 0
