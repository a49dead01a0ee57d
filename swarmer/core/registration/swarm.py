"""Place of a container in a Swarm: service, stack, node and slot, as tags and as metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from swarmer.core.registration.metadata import sound
from swarmer.core.registration.naming import SWARM_SERVICE

STACK: Final = "com.docker.stack.namespace"
"""Label with the name of a stack."""
TASK: Final = "com.docker.swarm.task.name"
"""Label with the name of a task."""


def task(labels: Mapping[str, str], node: str) -> dict[str, str]:
    """Return those of `service`, `stack`, `node`, `slot` that apply; empty if the container is no task.

    A task is called `<service>.<slot>.<task id>`; the slot of a global service's task is its node's ID.
    """
    service = labels.get(SWARM_SERVICE)
    if not service:
        return {}
    found = {"service": service, "stack": labels.get(STACK), "node": node}
    slot = labels.get(TASK, "").removeprefix(f"{service}.").partition(".")[0]
    if slot.isascii() and slot.isdigit():
        found["slot"] = slot
    return {key: sound(value) for key, value in found.items() if value}


def tags(found: Mapping[str, str]) -> list[str]:
    """Return the tags, like `slot-2`: `slot-2.web.service.<domain>` is one task."""
    return [f"{key}-{value}" for key, value in found.items()]


def metadata(found: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata, with keys like `swarm-service`."""
    return {f"swarm-{key}": value for key, value in found.items() if len(value.encode()) <= 512}
