"""State of a cluster in Consul: a server's answers as values."""

from __future__ import annotations

from dataclasses import replace

from swarmer.adapters import consul
from swarmer.adapters.consul import Consul
from swarmer.core import election, names
from swarmer.core.healing import world
from swarmer.core.healing.world import Marker
from swarmer.core.state import RegistryLock


def observe(api: Consul | None, name: str | None) -> world.Consul:
    """Return the state of one node, or of the whole cluster (None). `api` is None if no server answers.

    Raises consul.Unavailable.
    """
    if api is None:
        return world.Consul()
    try:
        servers = api.raft_servers() if api.leader() else ()
    except consul.Unavailable:
        servers = ()  # the server only remembers a leader
    if not servers:
        return world.Consul(answers=True)
    return world.Consul(
        has_leader=True,
        answers=True,
        members={each.name: each.status for each in api.members()},
        peers={each.name: each for each in servers},
        markers=_markers(api),
        lease=registry_lock(api),
        catalogued=_catalogued(api, name),
        recorded=_recorded(api, name),
        missing=_missing(api, name),
    )


def registry_lock(api: Consul) -> RegistryLock | None:
    """Return the registry's lock; None if it never had a holder. Raises consul.Unavailable."""
    key, request = api.get(names.KV_REGISTRY_LOCK), api.get(names.KV_REGISTRY_HANDOVER)
    if key is None:
        return None
    lock = election.registry_lock(key.value, session=key.session, number=key.lock_index, index=key.index)
    return replace(lock, handover_asked=request is not None and request.value == str(key.lock_index))


def _markers(api: Consul) -> dict[str, Marker]:
    found = {name: Marker.from_json(key.value) for name, key in api.below(names.KV_LEAVING).items()}
    return {name: marker for name, marker in found.items() if marker}


def _catalogued(api: Consul, name: str | None) -> frozenset[str]:
    if name is None:
        return frozenset(api.nodes())
    return frozenset((name,)) if api.is_catalogued(name) else frozenset()


def _recorded(api: Consul, name: str | None) -> frozenset[str]:
    if name is None:
        return frozenset(api.below(names.KV_NODES))
    return frozenset((name,)) if api.get(f"{names.KV_NODES}{name}") else frozenset()


def _missing(api: Consul, name: str | None) -> dict[str, float]:
    if name is None:
        return {each: _seconds(key.value) for each, key in api.below(names.KV_MISSING).items()}
    key = api.get(f"{names.KV_MISSING}{name}")
    return {name: _seconds(key.value)} if key else {}


def _seconds(text: str) -> float:
    """Return the time in a text, in seconds. Invalid text counts as 0: its record is replaced or deleted."""
    try:
        return float(text)
    except ValueError:
        return 0.0
