"""What a container is in a Swarm: service, stack, node and slot, as tags and as metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from swarmer.core.registration.metadata import sound
from swarmer.core.registration.naming import SWARM_SERVICE

STACK: Final = "com.docker.stack.namespace"
TASK: Final = "com.docker.swarm.task.name"


def task(labels: Mapping[str, Any], node: str) -> dict[str, str]:
    """`service`, `stack`, `node`, `slot`, as far as they apply; empty where the container is no task.

    A task is called `<service>.<slot>.<task id>`; one of a global service has its node's id for a slot.
    """
    service = labels.get(SWARM_SERVICE)
    if not service or not isinstance(service, str):
        return {}
    found = {"service": service, "stack": labels.get(STACK), "node": node}
    slot = str(labels.get(TASK) or "").removeprefix(f"{service}.").partition(".")[0]
    if slot.isascii() and slot.isdigit():
        found["slot"] = slot
    return {key: sound(value) for key, value in found.items() if isinstance(value, str) and value}


def tags(found: Mapping[str, str]) -> list[str]:
    """`slot-2`: `slot-2.web.service.<domain>` is one task."""
    return [f"{key}-{value}" for key, value in found.items()]


def metadata(found: Mapping[str, str]) -> dict[str, str]:
    """`swarm-service` …"""
    return {f"swarm-{key}": value for key, value in found.items() if len(value.encode()) <= 512}
