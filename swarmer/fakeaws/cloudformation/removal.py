"""Removal of resources in reverse order of their creation; a group is removed after its last instance.

AWS waits for the Auto Scaling groups of a stack, and their instances wait for termination hooks. Meanwhile
the resources created before them still exist: roles, functions, exports. Bare moto removes everything within
the request.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from moto.autoscaling.models import FakeAutoScalingGroup
from moto.cloudformation.models import cloudformation_backends

from swarmer.fakeaws.autoscaling.state import group_extras
from swarmer.fakeaws.base.errors import reason
from swarmer.fakeaws.base.preload import ACCOUNT

log: Final = logging.getLogger("swarmer.fakeaws")

RETAIN: Final = frozenset({"Retain", "RetainExceptOnCreate"})
"""Deletion policies of resources that outlive their stack."""
lock: Final = threading.RLock()
"""Lock of every removal: a request starts it, the background continues it."""


@dataclass
class Removal:
    """Removal of resources in progress for one stack."""

    remaining: list[tuple[str, Any, dict[str, Any]]]
    """Logical ID, resource and its text in the template; the last one is removed next."""
    on_removed: Callable[[], None]
    """Callback for the time when all resources are gone."""
    has_begun: bool = False
    """Whether the removal of the next resource has begun."""


def remove(stack: Any, names: Collection[str], texts: dict[str, Any], on_removed: Callable[[], None]) -> None:
    """Remove these resources as far as that is possible now. The background removes the rest.

    `texts`: entries of the template by logical ID. The stack forgets the resources at once.
    `on_removed` is called when all of them are gone.
    """
    parsed = stack.resource_map._parsed_resources
    remaining = [(name, resource, texts[name]) for name, resource in parsed.items() if name in names]
    for name, _, _ in remaining:
        del parsed[name]
    before: Removal | None = stack.__dict__.get("removal")
    stack.__dict__["removal"] = Removal(
        remaining + (before.remaining if before else []),
        on_removed,
        has_begun=before is not None and before.has_begun,
    )
    advance(stack)


def tick() -> None:
    """Advance the removals of every region."""
    for backend in list(cloudformation_backends[ACCOUNT].values()):
        for stack in list(backend.stacks.values()):
            advance(stack)


def advance(stack: Any) -> None:
    """Continue the removal of the stack, if there is one, until it has to wait."""
    with lock:
        removal: Removal | None = stack.__dict__.get("removal")
        if removal is None:
            return
        while removal.remaining:
            name, resource, text = removal.remaining[-1]
            if not removal.has_begun:
                _begin(stack, name, resource, text)
            removal.has_begun = _is_deleting(resource)
            if removal.has_begun:
                return
            removal.remaining.pop()
        del stack.__dict__["removal"]
        removal.on_removed()


def _begin(stack: Any, name: str, resource: Any, text: dict[str, Any]) -> None:
    try:
        stack.resource_map._delete_resource(resource, text)
    except Exception as exc:
        log.info("stack %s: %s is left behind: %s", stack.name, name, reason(exc))


def _is_deleting(resource: Any) -> bool:
    """Whether the resource is a group whose last instances are terminating."""
    if not isinstance(resource, FakeAutoScalingGroup):
        return False
    groups = resource.autoscaling_backend.autoscaling_groups
    return group_extras(resource).is_deleting and groups.get(resource.name) is resource
