"""Whom a fault hits."""

from __future__ import annotations

import contextlib
from typing import Final

from tests.faults.lab import Failure, Lab, Node, until

ALIGN_TRIES: Final = 15
ALIGN_S: Final = 20.0


def holder(lab: Lab) -> list[Node]:
    return [lab.holder()]


def follower(lab: Lab) -> list[Node]:
    return [lab.follower()]


def swarm_leader(lab: Lab) -> list[Node]:
    return [lab.swarm_leader()]


def consul_leader(lab: Lab) -> list[Node]:
    return [lab.consul_leader()]


def worker(lab: Lab) -> list[Node]:
    return lab.workers[-1:]


def everyone(lab: Lab) -> list[Node]:
    return list(lab.nodes)


def leads_now(lab: Lab) -> Node | None:
    """Consul's leader; None while it has none."""
    with contextlib.suppress(Failure):
        return lab.consul_leader()
    return None


def all_in_one(lab: Lab) -> list[Node]:
    """The Swarm's leader, once it leads Consul and holds the registry too. Raises Failure.

    Neither leader can be appointed, so whoever else leads Consul is restarted until the vote falls right.
    """
    for _ in range(ALIGN_TRIES):
        with contextlib.suppress(Failure):
            chosen, leads, holds = lab.swarm_leader(), lab.consul_leader(), lab.holder()
            if chosen == leads == holds:
                return [chosen]
            if chosen != leads:
                leads.on("systemctl", "stop", "consul.service")
                try:
                    until(lambda was=leads: leads_now(lab) not in (None, was), ALIGN_S, "no other leader")  # type: ignore[misc]
                finally:
                    leads.on("systemctl", "start", "consul.service")
            else:
                lab.swarmer("handover")
        lab.wait_validated(ALIGN_S * 3)
    raise Failure(f"one node did not become all three within {ALIGN_TRIES} tries")
