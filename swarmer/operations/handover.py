"""Handover of the registry: it asks the holder to leave, then waits for another manager."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from swarmer.adapters.consul import Consul, Key
from swarmer.core import election, names
from swarmer.core.errors import UserError

HANDOVER_TIMEOUT_S: Final = 15.0
"""Timeout for another manager to serve the registry."""


def hand_over(consul: Consul, waiting: Callable[[str], AbstractContextManager[None]]) -> tuple[str, str]:
    """Names of the holder before and after the handover. `waiting` shows the progress. Raises UserError."""
    before = consul.get(names.KV_REGISTRY_LOCK)
    if before is None or before.session is None:
        raise UserError("no node holds the registry: `swarmer status` shows more", status=1)
    consul.put(names.KV_REGISTRY_HANDOVER, str(before.lock_index))
    former = election.holder_name(before.value)
    with waiting(f"waits until another node than {former} has the registry"):
        return former, election.holder_name(_next_holder(consul, before).value)


def _next_holder(consul: Consul, before: Key) -> Key:
    deadline_s = time.monotonic() + HANDOVER_TIMEOUT_S
    while time.monotonic() < deadline_s:
        after = consul.get(names.KV_REGISTRY_LOCK)
        if after and after.session and after.lock_index > before.lock_index:
            return after
        time.sleep(0.1)
    raise UserError(f"no manager took the registry over within {HANDOVER_TIMEOUT_S:.0f} s", status=1)
