"""Differences between declared and wanted services. The registrator writes only differences, and removes only
its own entries."""

from __future__ import annotations

import json
from binascii import crc32
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from swarmer.core.registration.markers import CONTAINER, ENGINE, MARKER
from swarmer.core.service import Service


@dataclass(frozen=True)
class Entry:
    """One service in the agent."""

    service: Service
    """Service without check and health, because the agent does not return the definition of a check."""
    check: str = ""
    """Value of `signature` for its check; empty if this program declared none."""
    health: str | None = None
    """Status of the check that carries the HEALTHCHECK; None if there is none."""


@dataclass(frozen=True)
class Changes:
    """Changes that correct the catalogue."""

    declare: tuple[Service, ...] = ()
    confirm: tuple[Service, ...] = ()
    """Services declared as wanted, except for the state of their HEALTHCHECK."""
    remove: tuple[str, ...] = ()
    """IDs of services to remove."""


def compare(
    wanted: Mapping[str, Service],
    present: Iterable[Entry],
    *,
    hostname: str,
    engine: str = "",
    kept: Collection[str] = (),
) -> Changes:
    """Return only the differences. Entries with another host and engine in their markers are left alone.

    `wanted`: services by ID. `kept`: short IDs of containers whose unwanted entries stay.
    """
    by_id = {entry.service.id: entry for entry in present}
    declare, confirm = [], []
    for key, service in wanted.items():
        entry = by_id.get(key)
        if entry is None or not is_declared(service, entry):
            declare.append(service)
        elif service.health != entry.health:
            confirm.append(service)
    remove = [
        key
        for key, entry in by_id.items()
        if key not in wanted
        and is_own(entry.service.meta, hostname, engine)
        and entry.service.meta.get(CONTAINER) not in kept
    ]
    return Changes(tuple(declare), tuple(confirm), tuple(sorted(remove)))


def is_own(meta: Mapping[str, str], hostname: str, engine: str) -> bool:
    """Whether this registrator wrote the entry, under its current or an earlier name."""
    if MARKER not in meta:
        return False
    return meta[MARKER] == hostname or (bool(engine) and meta.get(ENGINE) == engine)


def is_declared(service: Service, entry: Entry) -> bool:
    """Whether the entry matches the service; the state of the HEALTHCHECK may differ."""
    return (
        replace(service, check=None, health=None) == entry.service
        and signature(service) == entry.check
        and (service.health is None) == (entry.health is None)
    )


def as_declared(service: Service) -> Entry:
    """Return the agent's entry after it took `service`."""
    return Entry(replace(service, check=None, health=None), signature(service), service.health)


def signature(service: Service) -> str:
    """Return a text that differs between different definitions of a check; empty if there is no check."""
    if not service.check:
        return ""
    return f"{crc32(json.dumps(service.check, sort_keys=True).encode()):08x}"
