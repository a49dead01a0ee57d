"""`make bench-failover`: how long the registry is away, by name, when something happens to its holder.

    python -m benchmarks.failover [-f servers.yml] [--runs N] [--only CASE …] [--json FILE]

The probe of `make faults` pulls and pushes from outside, by name, through two surviving nodes. "Away" is the
longest time without a good answer, for the worse of the two. The same run has two baselines: `consul lock`
with its defaults, and a session with TTL and lock-delay of 120 s, like in the original project. Both run on
the same cluster, and lose their holder by the same kill. Prints a table, and JSON as the last line.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks import goals
from chaos import evidence, probe
from chaos.actions import cut_power, give_power, kill
from chaos.evidence import PULL, PUSH, quantile
from chaos.lab import Failure, Lab, Node, docker, say, until
from chaos.probe import Probe
from swarmer.local import engine, environment
from tests import prerequisites

STEADY_S: Final = 2.0
CALM_S: Final = 3.0
STEADY_WITHIN_S: Final = 60.0
WITHIN_S: Final = 60.0
"""Timeout for the return of the registry; after it the registry counts as lost."""
VALIDATED_S: Final = 180.0
LONGEST_S: Final = 300.0
"""Timeout for a baseline, after which the baseline is given up."""
GRACE_S: Final = 600
"""Time after which a contender on a node ends by itself, in seconds, also without this program."""
DEFAULT_KEY: Final = "bench/default"
ORIGINAL_KEY: Final = "bench/original"
ORIGINAL: Final = {"Name": "bench", "TTL": "120s", "LockDelay": "120s"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Action on the holder, and its goal."""

    name: str
    goal: str
    is_met: Callable[[dict[str, Any]], bool]
    strike: Callable[[Lab, Node], None]
    repair: Callable[[Lab, Node], None] = lambda lab, node: None


def hand_over(lab: Lab, _: Node) -> None:
    """Move the registry to another node. Raises Failure."""
    done = lab.swarmer("handover")
    if done.returncode:
        raise Failure(f"swarmer handover: {done.stderr.strip()}")


CASES: Final = (
    Case(
        name="node killed",
        goal="p50 4 s, p95 7 s",
        is_met=lambda found: found["p50"] <= 4 and found["p95"] <= 7,
        strike=lambda lab, node: cut_power([node]),
        repair=lambda lab, node: give_power([node]),
    ),
    Case(
        name="registry process killed",
        goal="p50 1 s",
        is_met=lambda found: found["p50"] <= 1,
        strike=lambda lab, node: kill("docker-registry")([node]),
    ),
    Case(
        name="handed over",
        goal="no failed pull",
        is_met=lambda found: not found["failed_pulls"],
        strike=hand_over,
    ),
)


@dataclass
class Run:
    """Result of one case, once."""

    away_s: float
    failed_pulls: int
    failed_pushes: int


def once(lab: Lab, case: Case) -> Run:
    """Strike, and wait until all calls succeed for CALM_S. Raises Failure."""
    lab.wait_validated(VALIDATED_S)
    holder = lab.holder()
    try:
        with Probe(lab.target([holder])) as watch:
            time.sleep(STEADY_S)
            until(lambda: is_calm(watch, STEADY_S), STEADY_WITHIN_S, "calls did not go well before")
            struck_s = time.monotonic()
            case.strike(lab, holder)
            time.sleep(CALM_S)
            until(lambda: is_calm(watch, CALM_S), WITHIN_S, "calls did not go well again")
    finally:
        case.repair(lab, holder)
    calls = evidence.since(watch.calls, struck_s)
    return Run(
        evidence.away_s(calls, struck_s),
        evidence.failed(calls, PULL),
        evidence.failed(calls, PUSH),
    )


def is_calm(watch: Probe, for_s: float) -> bool:
    """Whether all new calls succeeded at once for `for_s`; earlier calls that hang do not count."""
    return evidence.is_steady(list(watch.calls), time.monotonic() - for_s)


def measure(lab: Lab, case: Case, runs: int) -> dict[str, Any]:
    """Results of all runs of a case, for the JSON. Raises Failure."""
    found = []
    for number in range(1, runs + 1):
        run = once(lab, case)
        found.append(run)
        say(f"  {case.name} {number}/{runs}: {run.away_s:.1f} s, {run.failed_pulls} pulls failed")
    seconds = [run.away_s for run in found]
    result = {
        "seconds": [round(value, 2) for value in seconds],
        "p50": round(quantile(seconds, 0.5), 2),
        "p95": round(quantile(seconds, 0.95), 2),
        "failed_pulls": sum(run.failed_pulls for run in found),
        "failed_pushes": sum(run.failed_pushes for run in found),
        "goal": case.goal,
    }
    return result | {"is_met": case.is_met(result)}


# -- baselines ------------------------------------------------------------------------------------


def consul(node: Node, method: str, path: str, body: Any = None) -> Any:
    """Send one request to a node's Consul. Raises one of probe.ERRORS."""
    sent = None if body is None else json.dumps(body).encode()
    reply = probe.ask(node.address, method, f"/v1/{path}", body=sent, port=probe.CONSUL_PORT, timeout_s=3)
    return json.loads(probe.expect(reply, 200, path).body)


def lock_session(nodes: list[Node], key: str) -> str:
    """Session that holds a lock, by the first node that answers; empty if there is none."""
    for node in nodes:
        with contextlib.suppress(*probe.ERRORS):
            return str(consul(node, "GET", f"kv/{key}")[0].get("Session") or "")
    return ""


class ConsulLock:
    """Baseline: `consul lock`, with only a key, on every server."""

    name = "consul lock, its defaults"
    key = f"{DEFAULT_KEY}/.lock"

    def contend(self, node: Node) -> None:
        loop = f"while :; do consul lock {DEFAULT_KEY} sleep {GRACE_S}; sleep 1; done"
        docker("exec", "-d", node.container, "timeout", str(GRACE_S), "sh", "-c", loop)

    def end(self, nodes: list[Node]) -> None:
        for node in nodes:
            with contextlib.suppress(Failure):
                node.on("pkill", "-f", DEFAULT_KEY)


@dataclass
class OriginalLock:
    """Baseline: a session with TTL and lock-delay of 120 s on every server, tried every second."""

    name: str = "TTL 120 s, lock-delay 120 s"
    key: str = ORIGINAL_KEY
    stop: threading.Event = field(default_factory=threading.Event)

    def contend(self, node: Node) -> None:
        session = consul(node, "PUT", "session/create", ORIGINAL)["ID"]
        threading.Thread(target=self._try, args=(node, session), daemon=True).start()

    def _try(self, node: Node, session: str) -> None:
        while not self.stop.is_set():
            with contextlib.suppress(*probe.ERRORS):
                consul(node, "PUT", f"session/renew/{session}")
                consul(node, "PUT", f"kv/{self.key}?acquire={session}", "bench")
            self.stop.wait(1.0)

    def end(self, _: list[Node]) -> None:
        self.stop.set()


Lock = ConsulLock | OriginalLock


def baselines(lab: Lab) -> dict[str, float | None]:
    """Seconds from the kill of the holder of both locks to the next holder; None if given up."""
    lab.wait_validated(VALIDATED_S)
    victim, *others = lab.consul_servers
    locks: tuple[Lock, ...] = (ConsulLock(), OriginalLock())
    try:
        held = {lock.name: take(lock, victim, others) for lock in locks}
        struck_s = time.monotonic()
        cut_power([victim])
        return next_holders(locks, held, others, struck_s)
    finally:
        for lock in locks:
            lock.end(lab.consul_servers)
        give_power([victim])
        with contextlib.suppress(*probe.ERRORS):
            consul(others[0], "DELETE", "kv/bench?recurse")


def take(lock: Lock, first: Node, others: list[Node]) -> str:
    """Session of `first`, after it has the lock and the others wait for it. Raises Failure."""
    lock.contend(first)
    until(lambda: bool(lock_session(others, lock.key)), 30, f"{lock.name}: nobody holds it")
    for node in others:
        lock.contend(node)
    return lock_session(others, lock.key)


def next_holders(
    locks: tuple[Lock, ...], held: dict[str, str], others: list[Node], struck_s: float
) -> dict[str, float | None]:
    """Poll four times a second until each lock has another holder."""
    found: dict[str, float | None] = {lock.name: None for lock in locks}
    while None in found.values() and time.monotonic() - struck_s < LONGEST_S:
        for lock in locks:
            session = lock_session(others, lock.key)
            if found[lock.name] is None and session not in ("", held[lock.name]):
                found[lock.name] = round(time.monotonic() - struck_s, 1)
                say(f"  {lock.name}: {found[lock.name]} s")
        time.sleep(0.25)
    return found


# -- the whole ------------------------------------------------------------------------------------


def show(results: dict[str, Any], references: dict[str, float | None]) -> None:
    """Print the table."""
    lines = [
        "",
        f"{'seconds away':30}{'p50':>7}{'p95':>7}  {'goal':18}{'met':5}{'failed pulls':>13}{'pushes':>8}",
    ]
    for name, found in results.items():
        met = goals.said(found["is_met"])
        lines.append(
            f"{name:30}{found['p50']:7.1f}{found['p95']:7.1f}  {found['goal']:18}{met:5}"
            f"{found['failed_pulls']:13}{found['failed_pushes']:8}"
        )
    for name, value in references.items():
        shown = f"more than {LONGEST_S:.0f}" if value is None else f"{value:.1f}"
        lines.append(f"{name:30}{shown:>7}  (baseline, one run)")
    print("\n".join(lines))  # noqa: T201


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-f", "--servers", type=Path, default=environment.ROOT / "servers.yml")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument(
        "--only", action="extend", nargs="+", choices=[case.name for case in CASES], help="no baselines"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--retain", action="store_true", help="leave the cluster running")
    options = parser.parse_args()
    prerequisites.ensure_or_exit("bench-failover")
    lab = Lab(options.servers.resolve())
    was_up = bool(engine.containers(**{environment.LABEL_CLUSTER: lab.described["name"]}))
    try:
        lab.up()
        cases = [case for case in CASES if not options.only or case.name in options.only]
        results = {case.name: measure(lab, case, options.runs) for case in cases}
        references = {} if options.only else baselines(lab)
    except Failure as exc:
        say(f"bench-failover: {exc}")
        return 2
    finally:
        if not (was_up or options.retain):
            lab.down()
    show(results, references)
    whole = {"results": results, "baselines_s": references}
    print(json.dumps(whole))  # noqa: T201
    if options.json:
        options.json.write_text(json.dumps(whole, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
