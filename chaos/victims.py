"""Victims of a fault."""

from __future__ import annotations

import contextlib
from typing import Final

from chaos.lab import Failure, Lab, Node, until

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
    """Leader of Consul; None while it has none."""
    with contextlib.suppress(Failure):
        return lab.consul_leader()
    return None


def vote_anew(lab: Lab, leads: Node) -> None:
    """Have Consul elect another leader: this node's Consul is stopped until then. Raises Failure."""
    leads.on("systemctl", "stop", "consul.service")
    try:
        until(lambda: leads_now(lab) not in (None, leads), ALIGN_S, "no other leader")
    finally:
        leads.on("systemctl", "start", "consul.service")


def holder_that_leads(lab: Lab) -> list[Node]:
    """Holder of the registry, after it has become Consul's leader, too. Raises Failure.

    A leader cannot be appointed, so any other leader is restarted until the right node is elected.
    """
    for _ in range(ALIGN_TRIES):
        with contextlib.suppress(Failure):
            leads, holds = lab.consul_leader(), lab.holder()
            if leads == holds:
                return [holds]
            vote_anew(lab, leads)
        lab.wait_validated(ALIGN_S * 3)
    raise Failure(f"the holder did not lead Consul within {ALIGN_TRIES} tries")


def holder_and_leader(lab: Lab) -> list[Node]:
    """Holder of the registry, and Consul's leader after it has become another node. Raises Failure."""
    for _ in range(ALIGN_TRIES):
        with contextlib.suppress(Failure):
            holds, leads = lab.holder(), lab.consul_leader()
            if holds != leads:
                return [holds, leads]
            lab.swarmer("handover")
        lab.wait_validated(ALIGN_S * 3)
    raise Failure(f"the holder led Consul after {ALIGN_TRIES} tries")


def all_in_one(lab: Lab) -> list[Node]:
    """Leader of the Swarm, after it has become Consul's leader and the registry's holder. Raises Failure.

    Neither leader can be appointed, so any other leader of Consul is restarted until the right node is
    elected. That node takes the registry first, because a candidate beside Consul's leader leaves a free lock
    to others.
    """
    for _ in range(ALIGN_TRIES):
        with contextlib.suppress(Failure):
            chosen, leads, holds = lab.swarm_leader(), lab.consul_leader(), lab.holder()
            if chosen == leads == holds:
                return [chosen]
            if chosen in (leads, holds):
                vote_anew(lab, leads)
            else:
                lab.swarmer("handover")
        lab.wait_validated(ALIGN_S * 3)
    raise Failure(f"one node did not become all three within {ALIGN_TRIES} tries")
