"""Handover of the registry: a node asks the holder to hand over, and waits for another manager."""

from __future__ import annotations

import json
from typing import Final

from swarmer.core.errors import NodeUnreachable, UserError
from swarmer.core.node import CONSUL_SERVER
from swarmer.operations.remote import RemoteFailure, run_module
from swarmer.provider import Provider

TIMEOUT_S: Final = 60.0
"""Timeout for the program on a node, in seconds. It exceeds the timeouts of node.handover."""


def hand_over(provider: Provider) -> tuple[str, str]:
    """Names of the holder before and after the handover. Raises UserError."""
    up = [node for node in provider.nodes() if node.runs]
    for node in sorted(up, key=lambda each: CONSUL_SERVER not in each.roles):
        try:
            found = json.loads(run_module(provider, node, "node.handover", timeout_s=TIMEOUT_S))
            return found["before"], found["after"]
        except NodeUnreachable:
            continue
        except RemoteFailure as exc:
            if not exc.is_unavailable:
                raise
    raise UserError("Consul answers on no node: `swarmer status` shows more", status=1)
