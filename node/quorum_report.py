"""Prints this node's report on Consul's servers and the Swarm's managers: python -m node.quorum_report

`swarmer recover` runs it on every node before it decides. It changes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Final

from node.machine import read_machine
from swarmer.adapters import docker
from swarmer.adapters.consul import Consul, Unavailable
from swarmer.adapters.docker import Engine
from swarmer.core.configuration import Machine
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER
from swarmer.core.quorum_report import QuorumReport
from swarmer.core.state import ConsulMember, MemberStatus

CONSUL_TIMEOUT_S: Final = 15.0
"""Timeout for an answer of Consul, in seconds. Without a leader, Consul waits for one first."""
SWARM_TIMEOUT_S: Final = 30.0
"""Timeout for a manager's answer, in seconds. A manager without a quorum takes up to 20 s to report that."""


def report(machine: Machine, consul: Consul, connect: Callable[[], Engine]) -> QuorumReport:
    """Ask Consul, and dockerd if this node is a manager. `connect` raises docker.Unavailable."""
    found = QuorumReport(name=machine.name, address=machine.address)
    with contextlib.suppress(Unavailable):
        members = consul.members()
        found = replace(found, members=frozenset(members))
        if CONSUL_SERVER in machine.node.roles:
            found = replace(found, last_entry=consul.last_entry())
            raft = {each.name for each in consul.raft_servers()}
            lost = _without_vote(members, raft) if raft else frozenset()
            found = replace(found, has_leader=bool(raft), lost_servers=lost)
    if SWARM_MANAGER in machine.node.roles:
        with contextlib.suppress(docker.Unavailable):
            found = _with_swarm(found, connect())
    return found


def _with_swarm(found: QuorumReport, engine: Engine) -> QuorumReport:
    swarm = engine.swarm()
    return replace(
        found,
        has_quorum=swarm.is_manager,
        lost_managers=_without_raft(engine) if swarm.is_manager else frozenset(),
        # A node that never joined has no ID there.
        managers=frozenset(swarm.managers) if swarm.node else None,
    )


def _without_vote(members: Iterable[ConsulMember], raft: Collection[str]) -> frozenset[str]:
    failed = [each for each in members if each.is_server and each.status is MemberStatus.FAILED]
    return frozenset(each.name for each in failed if each.name not in raft)


def _without_raft(engine: Engine) -> frozenset[str]:
    dead = (row for row in engine.nodes(role="manager") if not row.is_ready and not row.reachability)
    return frozenset(row.name for row in dead if row.name)


if __name__ == "__main__":
    mine = report(
        read_machine(), Consul(timeout_s=CONSUL_TIMEOUT_S), lambda: Engine(timeout_s=SWARM_TIMEOUT_S)
    )
    print(mine.to_json())  # noqa: T201 - the report is its output
