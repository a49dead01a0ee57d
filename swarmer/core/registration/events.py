"""What the engine's events and rows of `docker ps` mean for the registrator. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

FAILURE = range(1, 128)
"""Exit statuses of a program's own; from 128 on it was ended. So has the original it (`on-success`)."""

LOOK = ("start", "die", "destroy", "rename")
"""Lead to one, whatever else was told."""


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
    """How a container ended."""

    has_failed: bool = False
    """By itself, with an exit status of its own."""
    is_removed: bool = False


@dataclass
class Batch:
    """What a number of events come to."""

    ended: dict[str, End] = field(default_factory=dict)
    """Container ids."""
    coming: dict[str, None] = field(default_factory=dict)
    """Container ids whose network was connected: by all appearance they are being started."""
    started: dict[str, None] = field(default_factory=dict)
    """Container ids, in order, of which nothing else is to be told."""
    changed: dict[str, None] = field(default_factory=dict)
    """Container ids, in order: to be looked at, whatever was seen before."""
    is_about_swarm: bool = False
    """A service or node of the Swarm changed."""


def batch(found: Iterable[Event], *, since_ns: int) -> Batch:
    """The last event of each container counts. One older than `since_ns` is repeated: a look tells more."""
    result = Batch()
    for event in found:
        is_new = event.time_ns >= since_ns
        if event.kind == "network":
            container = event.attributes.get("container")
            if event.action == "connect" and is_new and container:
                result.coming[container] = None
        elif event.kind != "container":
            result.is_about_swarm |= event.kind in ("service", "node")
        elif event.action in ("die", "destroy") and is_new:
            failed = event.action == "die" and _status(event.attributes.get("exitCode")) in FAILURE
            for before in (result.coming, result.started, result.changed):
                before.pop(event.id, None)
            result.ended[event.id] = End(failed, event.action == "destroy")
        elif event.action == "start" and is_new and event.id not in result.ended:
            result.started[event.id] = None
        elif event.action in LOOK or event.action.startswith("health_status"):
            result.changed[event.id] = None
            result.ended.pop(event.id, None)
            result.coming.pop(event.id, None)
    return result


def runs(row: Mapping[str, Any]) -> bool:
    """Of `docker ps`. One that waits for its next attempt does not."""
    return row.get("State") in ("running", "paused")


def failed(row: Mapping[str, Any]) -> bool:
    """It exited with a status of its own."""
    found = re.match(r"Exited \((\d+)\)", str(row.get("Status")))
    return row.get("State") == "exited" and bool(found) and _status(found[1] if found else "") in FAILURE


def has_failed(inspected: Mapping[str, Any]) -> bool:
    """The same, of an inspected container."""
    state = inspected.get("State") or {}
    return state.get("Status") == "exited" and _status(state.get("ExitCode")) in FAILURE


def fingerprint(row: Mapping[str, Any]) -> str:
    """Changes when what is declared may have to: name, ports, networks, health."""
    networks = (row.get("NetworkSettings") or {}).get("Networks") or {}
    ports = sorted(f"{each.get('PublicPort')}:{each.get('PrivatePort')}" for each in row.get("Ports") or ())
    addresses = sorted(f"{name}={(each or {}).get('IPAddress')}" for name, each in networks.items())
    health = str(row.get("Status")).partition("(")[2]
    return " ".join(["/".join(row.get("Names") or ()), row.get("State", ""), health, *ports, *addresses])


def _status(text: object) -> int:
    return int(str(text)) if str(text).isdigit() else 0
