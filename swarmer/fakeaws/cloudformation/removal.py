"""How the resources of a stack go: in reverse order of their creation, a group only with its last instance.

Bare moto removes everything within the request. On AWS a stack waits for its Auto Scaling groups, whose
instances wait for their termination hooks; meanwhile what was made before them (roles, functions, exports) is
still there.
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
"""Deletion policies of what stays when its stack goes."""
lock: Final = threading.RLock()
"""A request begins a removal, time goes on with it."""


@dataclass
class Removal:
    """What is under way with a stack."""

    remaining: list[tuple[str, Any, dict[str, Any]]]
    """Logical id, resource and its text in the template; the next to go comes last."""
    on_removed: Callable[[], None]
    has_begun: bool = False
    """With the next one."""


def remove(stack: Any, names: Collection[str], texts: dict[str, Any], on_removed: Callable[[], None]) -> None:
    """Remove these resources, now as far as that goes; `then` is called when all of them are gone.

    `texts`: what the template says of them. From here on the stack knows none of them.
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
    """Of every region."""
    for backend in list(cloudformation_backends[ACCOUNT].values()):
        for stack in list(backend.stacks.values()):
            advance(stack)


def advance(stack: Any) -> None:
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
    """A group that still has instances on their way out."""
    if not isinstance(resource, FakeAutoScalingGroup):
        return False
    groups = resource.autoscaling_backend.autoscaling_groups
    return group_extras(resource).is_deleting and groups.get(resource.name) is resource
