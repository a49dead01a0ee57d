"""`swarmer recover`: survivors continue alone, after proof that the majority of a quorum is gone for good.

Gather reports of the running nodes → core.survivors `decide` and `check_proof` → act.
"""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from swarmer.core.errors import NodeUnreachable, UserError
from swarmer.core.health import Expected
from swarmer.core.quorum_report import QuorumReport
from swarmer.core.survivors import NoSurvivor, Step, check_proof, decide
from swarmer.operations.remote import RemoteFailure, run_module
from swarmer.provider import Provider

SURVIVOR_TIMEOUT_S: Final = 30.0
"""Timeout for a survivor to report, in seconds: an interrupted recovery restarts Consul and the Swarm."""
REPORT_TIMEOUT_S: Final = 90.0
"""Timeout for a node's report, in seconds. It exceeds the timeouts of node.quorum_report."""
RECOVERY_TIMEOUT_S: Final = 300.0
"""Timeout for the recovery by one survivor, in seconds. It exceeds the sum of node.recover's timeouts."""


def recover(provider: Provider) -> list[Step]:
    """Recover lost quorums; return the steps. Raises UserError if nothing is lost or proof is missing."""
    steps = _decide_with_retries(provider)
    lost = sorted({name for step in steps for name in step.lost})
    nodes = {node.name: node for node in provider.nodes()}
    check_proof(lost, nodes.keys(), provider.terminated())
    for step in steps:
        if step.survivor not in nodes:
            raise UserError(f"{step.survivor}: it is gone meanwhile: type the command again", status=1)
        words = (*step.options, *step.lost)
        run_module(provider, nodes[step.survivor], "node.recover", *words, timeout_s=RECOVERY_TIMEOUT_S)
    return steps


def _decide_with_retries(provider: Provider) -> list[Step]:
    """Decide like `decide`, but observe again for a bounded time while no survivor reports."""
    deadline_s = time.monotonic() + SURVIVOR_TIMEOUT_S
    while True:
        up = [node for node in provider.nodes() if node.runs]
        with ThreadPoolExecutor(max_workers=max(1, len(up))) as pool:
            reports = list(pool.map(lambda node: observe_node(provider, node), up))
        try:
            return decide(reports)
        except NoSurvivor:
            if not up or time.monotonic() > deadline_s:
                raise
        time.sleep(1)


def observe_node(provider: Provider, node: Expected) -> QuorumReport:
    """Report of a node. A node that cannot report counts as silent."""
    with contextlib.suppress(RemoteFailure, NodeUnreachable, ValueError):
        text = run_module(provider, node, "node.quorum_report", timeout_s=REPORT_TIMEOUT_S)
        return QuorumReport.from_json(text)
    return QuorumReport(name=node.name, address=node.address)
