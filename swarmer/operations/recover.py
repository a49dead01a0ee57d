"""`swarmer recover`: survivors go on alone, after proof that the majority of a quorum is gone for good.

Gather reports of the nodes that run → core.survivors `decide` and `check_proof` → act.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from swarmer.core.errors import NodeUnreachable, UserError
from swarmer.core.health import Expected
from swarmer.core.quorum_report import QuorumReport
from swarmer.core.survivors import NoSurvivor, Step, check_proof, decide
from swarmer.operations.remote import RemoteFailure, Runner, run_module

SURVIVOR_TIMEOUT_S: Final = 30.0
"""Timeout for a survivor to show, in seconds: an interrupted recovery restarts Consul and the Swarm."""
REPORT_TIMEOUT_S: Final = 90.0
"""Timeout for a node's report, in seconds: above those of node.quorum_report."""
RECOVERY_TIMEOUT_S: Final = 300.0
"""Timeout for the recovery by one survivor, in seconds: above all timeouts of `node.recover` together."""


class Machines(Runner, Protocol):
    """Machines of a provider, as far as a recovery needs them."""

    def nodes(self) -> Sequence[Expected]:
        """List the cluster's nodes as the provider has them. Raises UserError."""

    def terminated(self) -> Collection[str]:
        """List the IDs of the instances that are gone for good. Raises UserError."""


def recover(machines: Machines) -> list[Step]:
    """Recover lost quorums; return the steps. Raises UserError if nothing is lost or proof is missing."""
    steps = _decide_with_retries(machines)
    lost = sorted({name for step in steps for name in step.lost})
    nodes = {node.name: node for node in machines.nodes()}
    check_proof(lost, nodes.keys(), machines.terminated())
    for step in steps:
        if step.survivor not in nodes:
            raise UserError(f"{step.survivor}: it is gone meanwhile: type the command again", status=1)
        words = (*step.options, *step.lost)
        run_module(machines, nodes[step.survivor], "node.recover", *words, timeout_s=RECOVERY_TIMEOUT_S)
    return steps


def _decide_with_retries(machines: Machines) -> list[Step]:
    """Decide as `decide` does; observe again for a bounded time while no survivor shows."""
    deadline_s = time.monotonic() + SURVIVOR_TIMEOUT_S
    while True:
        up = [node for node in machines.nodes() if node.runs]
        with ThreadPoolExecutor(max_workers=max(1, len(up))) as pool:
            reports = list(pool.map(lambda node: observe_node(machines, node), up))
        try:
            return decide(reports)
        except NoSurvivor:
            if not up or time.monotonic() > deadline_s:
                raise
        time.sleep(1)


def observe_node(machines: Machines, node: Expected) -> QuorumReport:
    """Report of a node. One that cannot report counts as silent."""
    with contextlib.suppress(RemoteFailure, NodeUnreachable, ValueError):
        text = run_module(machines, node, "node.quorum_report", timeout_s=REPORT_TIMEOUT_S)
        return QuorumReport.from_json(text)
    return QuorumReport(name=node.name, address=node.address)
