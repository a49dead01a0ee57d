"""`make faults`: each fault on a running rehearsal, a table, JSON.

    python -m tests.faults [--only TEXT] [--list] [--json FILE]

Survived: validated again by itself within two minutes, no acknowledged push lost, no two leases at once.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.faults.evidence import interleavings, two_nodes_under_one_lease
from tests.faults.faults import FAULTS, Fault, State, swarmer
from tests.faults.probe import FAILURES, Probe

BEFORE_S = 2.0
AFTER_S = 2.0
RECOVERY_S = 120.0


def healthy() -> State:
    """The status of a validated cluster; one that is missing or incomplete is brought up first."""
    done = swarmer("status", "--json")
    if done.returncode:
        up = swarmer("up")
        if up.returncode:
            raise SystemExit(up.stderr)
        done = swarmer("status", "--json")
    state: State = json.loads(done.stdout)
    return state


def run(fault: Fault) -> dict[str, Any]:
    """Strike, hold, heal, wait; what the probe saw meanwhile."""
    node = fault.pick(healthy())
    state = healthy()
    bystanders = [each["address"] for each in reversed(state["nodes"]) if each["name"] != node]
    doors = [each["address"] for each in state["nodes"] if "swarm-manager" in each["roles"]]
    with Probe(bystanders[:2], doors) as probe:
        time.sleep(BEFORE_S)
        struck_s = time.monotonic()
        fault.strike(node)
        time.sleep(fault.hold_s)
        fault.heal(node)
        healed_s = time.monotonic()
        is_validated = wait_validated()
        validated_s = time.monotonic() - healed_s
        time.sleep(AFTER_S)
    return judge(fault, node, probe, struck_s, is_validated, validated_s, bystanders[0])


def wait_validated() -> bool:
    deadline_s = time.monotonic() + RECOVERY_S
    while time.monotonic() < deadline_s:
        if swarmer("status").returncode == 0:
            return True
        time.sleep(1)
    return False


def judge(
    fault: Fault,
    node: str,
    probe: Probe,
    struck_s: float,
    is_validated: bool,
    validated_s: float,
    bystander: str,
) -> dict[str, Any]:
    """One row."""
    try:
        lost = len(probe.lost(bystander))
    except FAILURES:
        lost = len(probe.acknowledged)
    beside = len(interleavings(probe.answers)) + len(two_nodes_under_one_lease(probe.answers))
    failed = [call for calls in probe.failed.values() for call in calls if call[1] >= struck_s]
    pulls = [call for call in probe.failed["pull"] if call[1] >= struck_s]
    return {
        "fault": fault.name,
        "node": node,
        "survived": is_validated and not lost and not beside,
        "detected_s": round(min((end for _, end in failed), default=struck_s) - struck_s, 1),
        "served_again_s": round(max((end for _, end in pulls), default=struck_s) - struck_s, 1),
        "validated_s": round(validated_s, 1),
        "failed_pulls": len(probe.failed["pull"]),
        "failed_pushes": len(probe.failed["push"]),
        "calls": sum(probe.calls.values()),
        "acknowledged": len(probe.acknowledged),
        "lost": lost,
        "interleavings": beside,
        "leases": sorted({answer.lease for answer in probe.answers}),
    }


COLUMNS = (
    ("fault", 34),
    ("survived", 9),
    ("detected_s", 11),
    ("served_again_s", 15),
    ("failed_pulls", 13),
    ("failed_pushes", 14),
    ("lost", 5),
    ("interleavings", 14),
    ("validated_s", 12),
)


def show(row: dict[str, Any]) -> None:
    print("".join(f"{row[name]!s:<{width}}" for name, width in COLUMNS), flush=True)  # noqa: T201


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="", help="faults with this in their name")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    chosen = [fault for fault in FAULTS if options.only in fault.name]
    if options.list:
        print("\n".join(fault.name for fault in chosen))  # noqa: T201
        return 0
    show({name: name.replace("_", " ") for name, _ in COLUMNS})
    rows = []
    for fault in chosen:
        rows.append(run(fault))
        show(rows[-1])
        if options.json:
            options.json.write_text(json.dumps(rows, indent=1))
    survived = sum(row["survived"] for row in rows)
    print(f"\n{survived} of {len(rows)} survived")  # noqa: T201
    return 0 if survived == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
