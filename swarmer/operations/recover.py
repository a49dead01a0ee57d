"""`swarmer recover`: survivors go on alone, after proof that the majority of a quorum is gone for good.

Gather reports of the nodes that run → core.survivors `decide` and `check_proof` → act.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

from swarmer.adapters import docker, process
from swarmer.adapters.consul import Consul, Unavailable
from swarmer.adapters.docker import Engine
from swarmer.core import names
from swarmer.core.errors import UserError
from swarmer.core.health import Expected
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER
from swarmer.core.state import ConsulMember, MemberStatus
from swarmer.core.survivors import NodeReport, NoSurvivor, Step, check_proof, decide

CONSUL_TIMEOUT_S: Final = 15.0
"""Timeout for an answer of Consul, in seconds: without a leader it waits for one first."""
SURVIVOR_TIMEOUT_S: Final = 30.0
"""Timeout for a survivor to show, in seconds: an interrupted recovery restarts Consul and the Swarm."""
SWARM_TIMEOUT_S: Final = 30.0
"""Timeout for a manager's answer, in seconds: one without a quorum takes up to 20 s to report that."""
RECOVERY_TIMEOUT_S: Final = 300.0
"""Timeout for the recovery by one survivor, in seconds: above all timeouts of `node.recover` together."""


class Machines(Protocol):
    """Machines of a provider, as far as a recovery needs them."""

    def instances(self) -> Sequence[Expected]:
        """List the cluster's nodes as the provider has them. Raises UserError."""

    def terminated(self) -> Collection[str]:
        """List the IDs of the instances that are gone for good. Raises UserError."""

    def run(self, node: str, argv: Sequence[str], timeout_s: float) -> str:
        """Return the standard output of a command on a node. Raises process.Failed."""


def recover(machines: Machines) -> list[Step]:
    """Recover lost quorums; return the steps. Raises UserError if nothing is lost or proof is missing."""
    steps = _decide_with_retries(machines)
    lost = sorted({name for step in steps for name in step.lost})
    check_proof(lost, {node.name for node in machines.instances()}, machines.terminated())
    for step in steps:
        argv = ("/opt/swarmer/bin/python", "-m", "node.recover", *step.options, *step.lost)
        try:
            machines.run(step.survivor, argv, RECOVERY_TIMEOUT_S)
        except process.Failed as exc:
            raise UserError(f"{step.survivor}: {exc}", status=1) from exc
    return steps


def _decide_with_retries(machines: Machines) -> list[Step]:
    """Decide as `decide` does; observe again for a bounded time while no survivor shows."""
    deadline_s = time.monotonic() + SURVIVOR_TIMEOUT_S
    while True:
        up = [node for node in machines.instances() if node.runs]
        with ThreadPoolExecutor(max_workers=max(1, len(up))) as pool:
            reports = list(pool.map(observe_node, up))
        try:
            return decide(reports)
        except NoSurvivor:
            if not up or time.monotonic() > deadline_s:
                raise
        time.sleep(1)


def observe_node(node: Expected) -> NodeReport:
    """Observe a node: ask its Consul, and its Docker if it is a manager."""
    found: dict[str, Any] = {}
    consul = Consul(node.address, names.CONSUL_HTTP_PORT, timeout_s=CONSUL_TIMEOUT_S)
    with contextlib.suppress(Unavailable):
        found["members"] = frozenset(consul.members())
        if CONSUL_SERVER in node.roles:
            found["last_entry"] = consul.last_entry()
            found["has_leader"] = bool(raft := {each.name for each in consul.raft_servers()})
            found["lost_servers"] = _without_vote(consul.members(), raft) if raft else frozenset()
    if SWARM_MANAGER in node.roles:
        with contextlib.suppress(docker.Unavailable):
            url = f"tcp://{node.address}:{names.DOCKER_PORT}"
            engine = Engine(url, timeout_s=SWARM_TIMEOUT_S)
            swarm = engine.swarm()
            found["has_quorum"] = swarm.is_manager
            found["lost_managers"] = _without_raft(engine) if swarm.is_manager else frozenset()
            # A node that never joined has no ID there.
            found["managers"] = frozenset(swarm.managers) if swarm.node else None
    return NodeReport(name=node.name, address=node.address, **found)


def _without_vote(members: Iterable[ConsulMember], raft: Collection[str]) -> frozenset[str]:
    failed = [each for each in members if each.is_server and each.status is MemberStatus.FAILED]
    return frozenset(each.name for each in failed if each.name not in raft)


def _without_raft(engine: Engine) -> frozenset[str]:
    dead = (row for row in engine.nodes(role="manager") if not row.is_ready and not row.reachability)
    return frozenset(row.name for row in dead if row.name)
