"""Moves the registry to another manager: python -m node.handover

It asks the holder to hand over, waits for the next holder, and prints both: {"before": NAME, "after": NAME}.
Exit status: 0; 1 if no manager took over; 69 (EX_UNAVAILABLE) if this node's Consul does not answer.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Final

from swarmer.adapters.consul import Consul, Key, Unavailable
from swarmer.core import election, names

HANDOVER_TIMEOUT_S: Final = 15.0
"""Timeout for another manager to serve the registry, in seconds."""


class Failed(Exception):
    """The registry has no other holder; the text is for the operator."""


def hand_over(consul: Consul) -> tuple[str, str]:
    """Names of the holder before and after the handover. Raises Failed, Unavailable."""
    before = consul.get(names.KV_REGISTRY_LOCK)
    if before is None or before.session is None:
        raise Failed("no node holds the registry: `swarmer status` shows more")
    consul.put(names.KV_REGISTRY_HANDOVER, str(before.lock_index))
    after = _next_holder(consul, before)
    former, holder = election.holder_name(before.value), election.holder_name(after.value)
    if former == holder:
        raise Failed(
            f"no other manager took over the registry: {holder} serves it again; "
            "`swarmer status` shows unhealthy managers"
        )
    return former, holder


def _next_holder(consul: Consul, before: Key) -> Key:
    deadline_s = time.monotonic() + HANDOVER_TIMEOUT_S
    while time.monotonic() < deadline_s:
        after = consul.get(names.KV_REGISTRY_LOCK)
        if after and after.session and after.lock_index > before.lock_index:
            return after
        time.sleep(0.1)
    raise Failed(f"no manager took over the registry within {HANDOVER_TIMEOUT_S:.0f} s")


def main(consul: Consul) -> int:
    """Hand over; return the exit status."""
    try:
        before, after = hand_over(consul)
    except Failed as exc:
        print(exc, file=sys.stderr)  # noqa: T201 - the operator reads it
        return 1
    except Unavailable as exc:
        print(f"Consul does not answer: {exc}", file=sys.stderr)  # noqa: T201
        return os.EX_UNAVAILABLE
    print(json.dumps({"before": before, "after": after}))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(Consul()))
