"""Findings about a fault from the rehearsal's own log. Pure: entries of `/swarmer/events` in, findings out.

Entries are those since the beginning of the fault, because the rehearsal's log also has those of earlier
faults.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from swarmer.core import names

Entries = Sequence[Mapping[str, Any]]

RECONCILE: Final = "-reconcile-cluster"
"""Suffix of the source of the sweep's lines."""
LAUNCH: Final = "EC2 Instance-launch Lifecycle Action"
NO_MAJORITY: Final = ("Consul has no leader", "no Consul server answers")
"""Words for `at risk` in swarmer/core/healing/reconciliation.py."""
KEPT: Final = "InstanceRetained"
"""Entry of swarmer/fakeaws/autoscaling/controller.py for an instance whose termination was abandoned."""
STATE_CHANGE: Final = "EC2 Instance State-change Notification"
GONE: Final = ("shutting-down", "terminated")
UNREAD: Final = "cannot be read"
"""Text in place of a console, from lambdas/shared/launches.py."""
REFUSALS: Final = ("AccessDenied", "UnauthorizedOperation", "not authorized")


def said(entries: Entries, message: str) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
    """Entry and line of each log line of a function with this message."""
    return ((entry, line) for entry, line in _lines(entries) if line.get("message") == message)


def most(entries: Entries, metric: str, function: str) -> float:
    """Highest value of a metric in one run of functions of this name; 0 without a value."""
    lines = [line for entry, line in _lines(entries) if entry["source"].endswith(function)]
    values = [line.get(metric, 0) for line in lines if "_aws" in line]
    return max((float(each) for held in values for each in _all(held)), default=0.0)


def _all(held: Any) -> Iterable[float]:
    return held if isinstance(held, list) else [held]


def _lines(entries: Entries) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
    for entry in entries:
        if entry["kind"] == "log" and entry["what"].startswith("{"):
            try:
                line = json.loads(entry["what"])
            except ValueError:
                continue
            yield entry, line


def lacks_alarm(entries: Entries) -> list[str]:
    """Missing reports of the functions about a lost majority, in words."""
    reasons = [str(line.get("reason", "")) for _, line in said(entries, "at risk")]
    lacking = []
    if not any(reason.startswith(NO_MAJORITY) for reason in reasons):
        lacking.append(f"no function said 'at risk' because {' or '.join(map(repr, NO_MAJORITY))}")
    if most(entries, "QuorumAtRisk", RECONCILE) < 1:
        lacking.append("the sweep's QuorumAtRisk was never 1")
    return lacking


def lacks_breaker(entries: Entries, asg: str, mended: int) -> list[str]:
    """Missing steps of a breaker that suspends the launches of `asg`, in words.

    `mended`: number of the last entry before an operator resumed the launches.
    """
    opened = [entry["number"] for entry, line in said(entries, "breaker open") if line.get("asg") == asg]
    consoles = [str(line.get("console", "")).strip() for _, line in said(entries, "given up")]
    lacking = []
    if not opened:
        lacking.append(f"the breaker of {asg} did not open")
    elif launched := sum(_launches(entry, asg) for entry in entries if opened[0] < entry["number"] <= mended):
        lacking.append(f"{launched} launches of {asg} behind its open breaker")
    if not any(console and not console.startswith(UNREAD) for console in consoles):
        lacking.append("the console of none that was given up was kept")
    return lacking


def _launches(entry: Mapping[str, Any], asg: str) -> bool:
    return bool(entry["what"] == LAUNCH and entry["detail"].get("AutoScalingGroupName") == asg)


def lacks_retention(entries: Entries, name: str) -> list[str]:
    """Missing steps for a voter with an unanswered hook, in words: it is kept, then removed, then ended."""
    instance_id = names.instance_id(name)
    kept = [entry["number"] for entry in entries if _is_of(entry, KEPT, "EC2InstanceId", instance_id)]
    ended = [entry["number"] for entry, line in said(entries, "ended") if line.get("node") == name]
    gone = [
        entry["number"]
        for entry in entries
        if _is_of(entry, STATE_CHANGE, "instance-id", instance_id) and entry["detail"]["state"] in GONE
    ]
    lacking = [] if kept else [f"Auto Scaling did not keep {name}"]
    if not ended:
        lacking.append(f"no sweep removed and ended {name}")
    if not gone:
        lacking.append(f"the instance of {name} still runs")
    elif not ended or gone[0] < ended[0]:
        lacking.append(f"the instance of {name} was gone before a sweep ended it")
    return lacking


def _is_of(entry: Mapping[str, Any], what: str, key: str, value: str) -> bool:
    return bool(entry["what"] == what and entry["detail"].get(key) == value)


def refusals(entries: Entries) -> list[str]:
    """Calls that IAM refused, and functions that reported it. No fault makes calls fail with these errors.

    The line `given up` quotes a machine's console, and a console counts as no refusal.
    """
    found = [f"refused: {entry['detail'].get('error', entry['what'])}" for entry in entries if _is_iam(entry)]
    for entry in entries:
        is_quoted = '"given up"' in entry["what"]
        if entry["kind"] == "log" and not is_quoted and any(word in entry["what"] for word in REFUSALS):
            found.append(f"{entry['source']} was refused: {entry['what'][:300]}")
    return list(dict.fromkeys(found))


def _is_iam(entry: Mapping[str, Any]) -> bool:
    """Whether the entry is from IAM: swarmer/fakeaws/iam/authorization.py writes it."""
    return bool(entry["kind"] == "call" and entry["source"] == "iam")
