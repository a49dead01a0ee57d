"""`make bench-registrator`: delay until a container's name appears in Consul, and until it disappears.

    python -m benchmarks.registrator [--containers N] [--phases seq,burst,…] [--json FILE] [--no-baseline]

The measurement is from outside, between this machine's dockerd and the benchmark's own Consul. It compares
dockerd's time of an event with the moment at which a blocking query on the catalogue, or an SRV query, shows
the change. The baseline in the same run is the simplest way: at each event, list everything and register it
(benchmarks/naive.py). Prints a table, and JSON as the last line.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any, Final

from benchmarks import goals
from benchmarks.measure import Bench, Consul
from benchmarks.phases import PHASES
from swarmer.local import environment
from tests import prerequisites

Goal = tuple[str, str, float | None, str]
GOALS: Final[tuple[Goal, ...]] = (
    ("seq", "catalogue_after_start_ms.p50", 7, "start → catalogue, one by one, p50 ms"),
    ("seq", "catalogue_after_start_ms.p95", 15, "start → catalogue, one by one, p95 ms"),
    ("seq", "dns_after_start_ms.p50", None, "start → DNS, one by one, p50 ms"),
    ("burst", "catalogue_after_start_ms.p50", 13, "start → catalogue, in a burst, p50 ms"),
    ("burst", "catalogue_after_start_ms.p95", 60, "start → catalogue, in a burst, p95 ms"),
    ("rm", "catalogue_gone_after_die_ms.p50", 8, "die → gone, one by one, p50 ms"),
    ("rm", "catalogue_gone_after_die_ms.p95", None, "die → gone, one by one, p95 ms"),
    ("rm_burst", "catalogue_gone_after_die_ms.p50", None, "die → gone, in a burst, p50 ms"),
    ("kill9", "right_after_spawn_ms", 500, "right after kill -9 and a new start, ms"),
    ("all", "wrong", 0, "entries missing, stale or twice, in any phase"),
    ("cpu", "up_and_down_s", 0.15, "CPU of one by one up and down, s"),
    ("idle", "cpu_percent", 0.1, "CPU while idle, % of a core"),
    ("all", "memory_mb", 32, "memory (RSS, at most), MB"),
    ("many", "comparison_cpu_s", 0.5, "CPU from the start until 300 are declared, s"),
)
"""Goals: phase, figure, goal, description."""


def main() -> None:
    """Measure, print a table and JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--containers", type=int, default=30)
    parser.add_argument("--many", type=int, default=300)
    parser.add_argument("--phases", default=",".join(PHASES))
    parser.add_argument("--idle", type=float, default=30, help="seconds")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--no-baseline", action="store_true")
    asked = parser.parse_args()
    prerequisites.ensure_or_exit("bench-registrator")
    python = str(environment.ROOT / ".venv/bin/python")
    commands = {
        "swarmer": [str(environment.ROOT / ".venv/bin/swarmer"), "registrator", "run", "-ip", "10.0.0.4"]
    }
    if not asked.no_baseline:
        commands["naive"] = [python, "-m", "benchmarks.naive"]
    found: dict[str, Any] = {"at": time.strftime("%F %T"), "cpus": os.cpu_count(), "load": os.getloadavg()}
    with Consul() as consul:
        for name, command in commands.items():
            phases = [
                each for each in asked.phases.split(",") if name == "swarmer" or each not in ("many", "idle")
            ]
            bench = Bench(consul, command, asked.containers, many=asked.many, idle_s=asked.idle)
            found[name] = bench.run({each: PHASES[each] for each in phases})
    found["is_met"] = judge(found["swarmer"])
    print(table(found))  # noqa: T201
    text = json.dumps(found)
    if asked.json:
        asked.json.write_text(text)
    print(text)  # noqa: T201


def judge(measured: dict[str, Any]) -> dict[str, bool]:
    """Result of every measured figure with a goal, by phase and path."""
    return {
        f"{phase}.{path}": value <= goal
        for phase, path, goal, _ in GOALS
        if goal is not None and (value := figure(measured, phase, path)) is not None
    }


def table(found: dict[str, Any]) -> str:
    """Table of goals beside figures."""
    names = [name for name in ("swarmer", "naive") if name in found]
    lines = [f"{'':52}{'goal':>8}  {'met':3}" + "".join(f"{name:>10}" for name in names)]
    for phase, path, goal, text in GOALS:
        values = [figure(found[name], phase, path) for name in names]
        shown = "" if goal is None else f"{goal:g}"
        is_met = found["is_met"].get(f"{phase}.{path}")
        met = "" if is_met is None else goals.said(is_met)
        lines.append(
            f"{text:52}{shown:>8}  {met:3}" + "".join(f"{'–' if v is None else f'{v:g}':>10}" for v in values)
        )
    return "\n".join(lines)


def figure(measured: dict[str, Any], phase: str, path: str) -> float | None:
    """Figure of a phase by its path; None if it was not measured."""
    value: Any = measured.get(phase)
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, int | float) else None


if __name__ == "__main__":
    main()
