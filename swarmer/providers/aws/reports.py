"""Reader of the nodes' reports, through a command document of the cluster."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from swarmer.adapters import run_command
from swarmer.adapters.operator import Account
from swarmer.adapters.run_command import Invocation
from swarmer.core import names
from swarmer.providers.aws import commands

REPORT_TIMEOUT_S: Final = 15.0
"""Timeout for the reports of all nodes together, in seconds. It exceeds the timeouts of node.report."""
FETCH_TIMEOUT_S: Final = 5.0
"""Timeout for an agent to fetch the command for a report, in seconds. A living agent takes a moment. Systems
Manager lists a dead agent as connected for some more minutes."""
LATENESS_S: Final = 6.0
"""Timeout for a report after the latest other report, in seconds. A probe without an answer takes 4."""

NOT_CONNECTED: Final = "its agent is not connected to Systems Manager"


@dataclass(frozen=True)
class Reports:
    """Reports of the nodes."""

    texts: Mapping[str, str]
    """Text of each report by instance ID."""
    silent: Mapping[str, str]
    """Reason why an instance sent no report, by its ID."""


def ask(account: Account, cluster: str, ids: Collection[str]) -> Reports:
    """Reports of the instances that answer in time. One command asks all instances."""
    wanted = run_command.connected(account, ids)
    silent = dict.fromkeys(set(ids) - wanted, NOT_CONNECTED)
    if not wanted:
        return Reports({}, silent)
    command = run_command.send_to_cluster(account, names.status_document(cluster), cluster)
    began_s, waited_s, latest_s = time.monotonic(), 0.0, REPORT_TIMEOUT_S
    found: dict[str, Invocation] = {}
    for pause_s in commands.pauses():
        time.sleep(pause_s)
        known = _answered(found)
        found = {each.instance_id: each for each in run_command.invocations(account, command)}
        waited_s = time.monotonic() - began_s
        latest_s = waited_s if _answered(found) > known else latest_s
        deadline_s = min(REPORT_TIMEOUT_S, latest_s + LATENESS_S)
        if waited_s > deadline_s or not _awaited(wanted, found, waited_s):
            break
    answers = {each: found.get(each) for each in sorted(wanted)}
    silent |= {name: why for name, each in answers.items() if (why := _why_silent(each, waited_s))}
    texts = {name: each.output for name, each in answers.items() if each and name not in silent}
    return Reports(texts, silent)


def _answered(found: Mapping[str, Invocation]) -> set[str]:
    return {name for name, each in found.items() if each.is_final}


def _awaited(wanted: Collection[str], found: Mapping[str, Invocation], waited_s: float) -> set[str]:
    """IDs of the instances that may still answer after `waited_s` seconds."""
    is_late = waited_s > FETCH_TIMEOUT_S
    missing = set[str]() if is_late else wanted - found.keys()
    return missing | {
        name
        for name in wanted & found.keys()
        if not found[name].is_final and (found[name].is_fetched or not is_late)
    }


def _why_silent(invocation: Invocation | None, waited_s: float) -> str:
    """Reason why an instance sent no report in `waited_s` seconds; empty if it sent one."""
    if invocation is None or not invocation.is_fetched:
        return f"its agent did not fetch the command in {FETCH_TIMEOUT_S:g} s"
    if not invocation.is_final:
        return f"it did not answer in {waited_s:.0f} s"
    if invocation.status == commands.SUCCESS:
        return ""
    told = invocation.first_line or f"exit status {invocation.exit_status}"
    return commands.WORDS.get(invocation.status, f"the command for it failed: {told}")
