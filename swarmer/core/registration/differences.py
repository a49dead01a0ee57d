"""What is declared against what should be: only differences are written, only own entries removed."""

from __future__ import annotations

import json
from binascii import crc32
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from swarmer.core.registration.marks import CONTAINER, ENGINE, MARKER
from swarmer.core.service import Service


@dataclass(frozen=True)
class Entry:
    """One service as the agent has it."""

    service: Service
    """Without check and health: the agent does not tell how a check was defined."""
    check: str = ""
    """`signature` of the check that we declared with it; empty: none of ours."""
    health: str | None = None
    """Status of the check that carries the HEALTHCHECK; None: there is none."""


@dataclass(frozen=True)
class Changes:
    """What makes the catalogue right."""

    declare: tuple[Service, ...] = ()
    confirm: tuple[Service, ...] = ()
    """Declared as they should be, but for the state of their HEALTHCHECK."""
    remove: tuple[str, ...] = ()
    """Service ids."""


def compare(
    wanted: Mapping[str, Service],
    present: Iterable[Entry],
    *,
    hostname: str,
    engine: str = "",
    kept: Collection[str] = (),
) -> Changes:
    """Differences only. What carries neither this host's name nor this engine's id as marker is left alone.

    `wanted`: by service id. `kept`: short ids of containers whose entries stay, though wanted no more.
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
    """Whether this registrator wrote it, under its name of today or an earlier one."""
    if MARKER not in meta:
        return False
    return meta[MARKER] == hostname or (bool(engine) and meta.get(ENGINE) == engine)


def is_declared(service: Service, entry: Entry) -> bool:
    """Whether nothing differs but, perhaps, the state of the HEALTHCHECK."""
    return (
        replace(service, check=None, health=None) == entry.service
        and signature(service) == entry.check
        and (service.health is None) == (entry.health is None)
    )


def as_declared(service: Service) -> Entry:
    """What the agent has after it took `service`."""
    return Entry(replace(service, check=None, health=None), signature(service), service.health)


def signature(service: Service) -> str:
    """Tells one definition of a check from another; empty where there is none."""
    if not service.check:
        return ""
    return f"{crc32(json.dumps(service.check, sort_keys=True).encode()):08x}"
