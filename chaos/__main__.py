"""`make faults`: each fault on a running rehearsal, judged by a probe outside the product.

    python -m chaos [--only NAME …] [--subset NAME] [--json FILE] [--retain]

A fault is survived under three conditions:

- The cluster is validated again by itself, after the return of power or network if the fault took them.
- No push is lost that the registry had acknowledged.
- No answer under an older lease follows an answer under a newer one.

Exit status: 0 every fault was survived; 1 one was not; 2 the cluster does not come up.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Final

from chaos import simulated_aws
from chaos.by_hand import BY_HAND
from chaos.catalogue import FAULTS, Fault
from chaos.evidence import is_steady
from chaos.healing import HEALING
from chaos.journal import refusals
from chaos.lab import Failure, Lab, Node, say, until
from chaos.outcome import Outcome, judge, table
from chaos.probe import Probe
from swarmer.core.errors import UserError
from swarmer.local import engine, environment, node_engine
from tests import prerequisites

STEADY_S = 2.0
"""Time without a bad call before the fault and after its end, in seconds, so that bad calls come from it."""
STEADY_WITHIN_S = 60.0
PROOF_S = 150.0
"""Timeout for the last proof of a fault, in seconds: the functions' next sweep may be a minute away."""
PROOF_PAUSE_S = 1.0
REPORT: Final = environment.STATE / "faults.json"
"""File for the whole report; `--json` replaces it."""


def endure(lab: Lab, fault: Fault) -> Outcome:
    """Run one fault from begin to end, and judge the probe's account of it. Raises Failure before the
    fault."""
    fault.prepare(lab)
    lab.wait_validated(fault.within_s)
    lab.look()
    victims = fault.victims(lab)
    say(f"{fault.name}: {fault.what}: {', '.join(node.name for node in victims)}")
    trouble: list[str] = []
    last = simulated_aws.last_number()
    validated_s: float | None = None
    with Probe(lab.target(victims)) as probe:
        wait_steady(probe)
        fault_s = time.monotonic()
        try:
            act(fault, lab, victims, trouble)
            until(lambda: is_healed(fault, victims), fault.heal_s, "the node did not heal itself")
            lab.wait_validated(fault.within_s)
            validated_s = time.monotonic() - fault_s
        except Failure as exc:
            trouble.append(str(exc))
        time.sleep(STEADY_S)
    trouble += lacking(fault, 0 if trouble else PROOF_S)
    try:
        fault.clean_up(lab)
    except Failure as exc:
        trouble.append(f"was not cleaned up: {exc}")
    trouble += refused(last)
    return judge(fault, probe, fault_s, validated_s, trouble)


def refused(last: int) -> list[str]:
    """Calls that IAM refused since that entry of the rehearsal's log. A missing permission counts against
    survival."""
    try:
        return refusals(simulated_aws.happened(last))
    except OSError as exc:
        return [f"nothing is known of IAM: {exc}"]


def wait_steady(probe: Probe) -> None:
    """Wait until calls succeed. Raises Failure if they fail or wait without a fault, because such a machine
    proves nothing."""
    time.sleep(STEADY_S)
    steady = lambda: is_steady(list(probe.calls), time.monotonic() - STEADY_S)  # noqa: E731
    until(steady, STEADY_WITHIN_S, "calls did not go well before the fault")


def act(fault: Fault, lab: Lab, victims: list[Node], trouble: list[str]) -> None:
    """Inflict, wait, recover. Power and network are restored after any error."""
    try:
        fault.inflict(victims)
        time.sleep(fault.hold_s)
        if fault.says and not any(fault.says in problem for problem in lab.problems()):
            trouble.append(f"nobody says {fault.says!r}")
    except Failure as exc:
        trouble.append(f"could not be inflicted: {exc}")
    finally:
        fault.recover(victims)


def is_healed(fault: Fault, victims: list[Node]) -> bool:
    return fault.heals is None or fault.heals(victims)


def lacking(fault: Fault, within_s: float) -> list[str]:
    """Missing proofs of the fault at the end of the time; empty if none is missing."""
    deadline_s = time.monotonic() + within_s
    while (found := _lacks(fault)) and time.monotonic() < deadline_s:
        time.sleep(PROOF_PAUSE_S)
    return found


def _lacks(fault: Fault) -> list[str]:
    """Missing proofs of the fault now; a silent node has proved nothing."""
    try:
        return fault.lacks()
    except (Failure, OSError) as exc:
        return [f"nothing is proved: {exc}"]


def write(path: Path, outcomes: list[Outcome]) -> None:
    """Write the report, after each fault, so that a run that ends early keeps its outcomes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([outcome.to_json() for outcome in outcomes], indent=1) + "\n")


def endure_all(lab: Lab, faults: list[Fault], outcomes: list[Outcome], path: Path) -> None:
    """Run the faults one after the other. A broken cluster is replaced, so that the next fault begins with a
    whole one."""
    for number, fault in enumerate(faults, 1):
        try:
            outcome = endure(lab, fault)
        except (Failure, OSError) as exc:
            outcome = Outcome(name=fault.name, what=fault.what, troubles=[f"could not be tried: {exc}"])
        outcomes.append(outcome)
        write(path, outcomes)
        say(f"  [{number}/{len(faults)}] {outcome.sentence()}")
        if not outcome.survived:
            folder = environment.STATE / "faults" / fault.name
            lab.keep_journals(folder)
            say(f"  its nodes' journals: {folder}")
        if not outcome.survived and fault is not faults[-1]:
            lab.anew()


SUITES: Final = (
    (environment.ROOT / "servers.yml", (*FAULTS, *BY_HAND)),
    (environment.ROOT / "chaos/healing.yml", HEALING),
)
"""Sets of faults, each with the description of its cluster."""
SUBSETS: Final = {
    "engine": (
        *("holder-killed", "swarm-leader-killed", "all-rebooted", "holder-partitioned", "names-cut-off"),
        *(
            "dockerd-stopped",
            "containerd-stopped",
            "dockerd-killed",
            "registrator-killed",
            "worker-scaled-in",
        ),
    ),
}
"""Faults whose outcome depends on one part of a node. `engine`: faults to try with another Docker Engine."""


def check_engine(lab: Lab) -> None:
    """Print the nodes' version of Docker Engine. Raises Failure if another one was requested."""
    found, wanted = lab.engines(), node_engine.release()
    say(f"Docker Engine {', '.join(sorted(set(found.values())))}")
    for node, version in found.items():
        if version.partition(".")[0] != wanted:
            raise Failure(f"{node} runs Docker Engine {version}, not {wanted}: take the cluster down first")


def options() -> argparse.Namespace:
    known = [fault.name for _, faults in SUITES for fault in faults]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", action="extend", nargs="+", metavar="NAME", choices=known)
    parser.add_argument("--subset", choices=SUBSETS, help="the faults that depend on one part of a node")
    parser.add_argument("--list", action="store_true", help="what there is")
    parser.add_argument("--json", type=Path, metavar="FILE", default=REPORT, help="everything, as JSON")
    parser.add_argument("--retain", action="store_true", help="leave the cluster running")
    return parser.parse_args()


def main() -> int:
    wanted = options()
    if wanted.list:
        every = (fault for _, faults in SUITES for fault in faults)
        print("\n".join(f"{fault.name:22}{fault.what}" for fault in every))  # noqa: T201
        return 0
    names = {*(wanted.only or ()), *SUBSETS.get(wanted.subset, ())}
    prerequisites.ensure_or_exit("faults")
    outcomes: list[Outcome] = []
    for servers, faults in SUITES:
        chosen = [each for each in faults if not names or each.name in names]
        if not chosen:
            continue
        lab = Lab(servers)
        was_up = bool(
            engine.containers(environment.LABEL_NODE, **{environment.LABEL_CLUSTER: lab.described["name"]})
        )
        try:
            lab.up()
            check_engine(lab)
            endure_all(lab, chosen, outcomes, wanted.json)
        except (Failure, UserError) as exc:
            say(f"faults: {exc}")
            return 2
        finally:
            if not (was_up or wanted.retain):
                lab.down()
    print(f"{table(outcomes)}\neverything: {wanted.json}")  # noqa: T201
    return 0 if all(outcome.survived for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
