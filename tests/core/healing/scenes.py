"""A cluster of three and two, from which the tests beside this file take away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from swarmer.core import names
from swarmer.core.healing.world import Consul, Group, Instance, Member, Swarm
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER, SWARM_WORKER
from swarmer.core.state import MemberStatus, RaftServer, SwarmNode

NOW = 1_000_000.0
CORE = frozenset((CONSUL_SERVER, SWARM_MANAGER, SWARM_WORKER))
WORKER = frozenset((SWARM_WORKER,))


def core_id(number: int) -> str:
    return f"i-{number:017x}"


def worker_id(number: int) -> str:
    return f"i-{number + 100:017x}"


A, B, C, D = (names.node_name("core", core_id(number)) for number in range(4))
W, V = (names.node_name("workers", worker_id(number)) for number in range(2))


def group(name: str = "core", *, ids: tuple[str, ...] = (), **changes: Any) -> Group:
    roles = CORE if name == "core" else WORKER
    members = {each: Member(lifecycle="InService") for each in ids}
    return replace(
        Group(asg=f"lab-{name}", name=name, roles=roles, desired=len(ids), members=members), **changes
    )


CORE_GROUP = group("core", ids=(core_id(0), core_id(1), core_id(2)))
WORKERS = group("workers", ids=(worker_id(0), worker_id(1)))
GROUPS = (CORE_GROUP, WORKERS)


def consul(*servers: str, workers: tuple[str, ...] = (W, V), **changes: Any) -> Consul:
    """All alive, recorded and catalogued; the servers vote."""
    everyone = (*(servers or (A, B, C)), *workers)
    return replace(
        Consul(
            has_leader=True,
            answers=True,
            members=dict.fromkeys(everyone, MemberStatus.ALIVE),
            catalogued=frozenset(everyone),
            recorded=frozenset(everyone),
            peers={
                name: RaftServer(name=name, address=f"10.0.0.{at}:8300", is_voter=True)
                for at, name in enumerate(servers or (A, B, C))
            },
        ),
        **changes,
    )


def row(name: str, **changes: Any) -> SwarmNode:
    is_core = name.startswith("core")
    return replace(
        SwarmNode(
            id=f"id-{name}",
            name=name,
            role="manager" if is_core else "worker",
            state="ready",
            reachability="reachable" if is_core else "",
        ),
        **changes,
    )


def swarm(*rows: SwarmNode, **changes: Any) -> Swarm:
    return replace(Swarm(has_quorum=True, rows=rows or tuple(map(row, (A, B, C, W, V)))), **changes)


def instance(name: str, state: str = "running", **changes: Any) -> Instance:
    label, _, rest = name.rpartition("-i-")
    roles = CORE if label == "core" else WORKER
    return replace(
        Instance(id=f"i-{rest}", state=state, group=label, roles=roles, address="10.0.0.9", launched_s=NOW),
        **changes,
    )
