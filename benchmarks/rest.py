"""`make bench-rest`: cost of the node software at rest, with running containers.

    python -m benchmarks.rest [-f servers.yml] [--containers N] [--seconds S] [--json FILE] [--retain]

The nodes are the registry's holder, the Swarm's leader, Consul's leader and a worker, each node once. The
baseline is Consul and dockerd. Prints a table, and JSON as the last line.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, Final

from benchmarks import goals
from benchmarks.programs import OTHERS, OURS, sample
from chaos.lab import Failure, Lab, Node, say
from swarmer.adapters import process
from swarmer.local import engine, environment
from tests import prerequisites

MOST_MB: Final = 150.0
MOST_SHARE: Final = 0.01
"""Largest share of one core."""
GOAL: Final = f"{MOST_MB:.0f} MB, {MOST_SHARE:.0%}"
SETTLE_S: Final = 20.0
START: Final = """for i in $(seq {count}); do
    docker run -d --label swarmer.bench -p 8080 -e SERVICE_NAME=bench-$i swarmer/probe sleep 3600
done"""
END: Final = "docker ps -aq --filter label=swarmer.bench | xargs -r docker rm -f"


def who_works(lab: Lab) -> list[Node]:
    """Node for each role with its own cost; each node once. Raises Failure."""
    nodes = (lab.holder(), lab.swarm_leader(), lab.consul_leader(), *lab.workers[:1])
    return list({node.name: node for node in nodes}.values())


def measure(nodes: list[Node], containers: int, seconds: float) -> dict[str, Any]:
    """Memory and share of a core of each program, by node. Raises Failure."""
    try:
        for node in nodes:
            say(f"{node.name}: {containers} containers")
            node.on("sh", "-c", START.format(count=containers), timeout_s=300)
        time.sleep(SETTLE_S)
        before, began_s = [sample(node.container) for node in nodes], time.monotonic()
        say(f"nothing happens for {seconds:.0f} s")
        time.sleep(seconds)
        after, taken_s = [sample(node.container) for node in nodes], time.monotonic() - began_s
    finally:
        for node in nodes:
            node.on("sh", "-c", END, timeout_s=300)
    return {
        node.name: {
            program: {"pss_mb": round(mb, 1), "share": round((cpu_s - first[program][1]) / taken_s, 5)}
            for program, (mb, cpu_s) in last.items()
            if program in first
        }
        for node, first, last in zip(nodes, before, after, strict=True)
    }


def total(programs: dict[str, Any], members: tuple[str, ...]) -> tuple[float, float]:
    """PSS in MB and share of a core, summed over the running members."""
    there = [each for name, each in programs.items() if name in members]
    return sum(each["pss_mb"] for each in there), sum(each["share"] for each in there)


def is_met(programs: dict[str, Any]) -> bool:
    """Whether one node meets both goals."""
    mb, share = total(programs, OURS)
    return mb <= MOST_MB and share <= MOST_SHARE


def show(results: dict[str, Any]) -> None:
    """Print the table."""
    lines = [f"\n{'':30}{'PSS in MB':>10}{'% of a core':>13}  {'goal':13}met"]
    for name, programs in results.items():
        lines.append(name)
        for title, members, goal in (
            ("the node software", OURS, f"  {GOAL:13}{goals.said(is_met(programs))}"),
            ("beside it", OTHERS, ""),
        ):
            there = {key: value for key, value in programs.items() if key in members}
            mb, share = total(programs, members)
            lines.append(f"  {title:28}{mb:10.1f}{share * 100:13.2f}{goal}")
            lines += [
                f"    {key:26}{each['pss_mb']:10.1f}{each['share'] * 100:13.2f}"
                for key, each in there.items()
            ]
    print("\n".join(lines))  # noqa: T201


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-f", "--servers", type=Path, default=environment.ROOT / "servers.yml")
    parser.add_argument("--containers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--retain", action="store_true", help="leave the cluster running")
    options = parser.parse_args()
    prerequisites.ensure_or_exit("bench-rest")
    lab = Lab(options.servers.resolve())
    was_up = bool(engine.containers(**{environment.LABEL_CLUSTER: lab.described["name"]}))
    try:
        lab.up()
        lab.status()  # every node has the image by then
        results = measure(who_works(lab), options.containers, options.seconds)
    except (Failure, process.Failed) as exc:
        say(f"bench-rest: {exc}")
        return 2
    finally:
        if not (was_up or options.retain):
            lab.down()
    show(results)
    met = {name: is_met(programs) for name, programs in results.items()}
    whole = {"results": results, "goal": GOAL, "is_met": met}
    print(json.dumps(whole))  # noqa: T201
    if options.json:
        options.json.write_text(json.dumps(whole, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
