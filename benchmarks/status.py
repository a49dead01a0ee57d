"""`make bench-status`: duration of `swarmer status`, and number of its calls of AWS.

    python -m benchmarks.status [-f servers.yml] [--times N] [--nodes N] [--latency S] [--json FILE]

The first part is on a rehearsed cluster of five nodes, with the time of `swarmer --version` as the baseline.
The second part has simulated agents with a stated time for each report; its baseline asks five of them one
after the other. AWS's own delay is not measured. Prints a table, and JSON as the last line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import boto3

from benchmarks import goals
from benchmarks.status_agents import CLUSTER
from chaos.lab import SWARMER, Failure, Lab, say
from swarmer.adapters import process, run_command
from swarmer.adapters.operator import OF_THIS_MACHINE, Account
from swarmer.core import names
from swarmer.core.cluster import Cluster, Group, Role
from swarmer.local import engine, environment
from swarmer.providers.aws.provider import AwsProvider
from tests import prerequisites

GOALS_S: Final = {"rehearsed": 3.0, "simulated": 6.0}
"""Longest median time of a status, in seconds."""
ONE_BY_ONE: Final = 5
"""Number of nodes that the baseline asks one after the other."""


def timed(act: Callable[[], object]) -> float:
    """Duration of a call in seconds."""
    began_s = time.monotonic()
    act()
    return time.monotonic() - began_s


def command(*argv: str) -> None:
    """Run `swarmer ARGV`. Raises Failure."""
    done = subprocess.run(
        [SWARMER, *argv], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        raise Failure(f"swarmer {argv[0]}: {done.stderr.strip() or done.stdout.strip()}")


def rehearsed(lab: Lab, servers: Path, times: int) -> dict[str, Any]:
    """Times of the whole command, in seconds, on a rehearsed cluster."""
    status = ("status", "-f", str(servers), "--on", "rehearsal", "--json")
    command(*status)  # afterwards every node has the image of the probe
    return {
        "nodes": len(lab.nodes),
        "status_s": [round(timed(lambda: command(*status)), 2) for _ in range(times)],
        "baseline": "swarmer --version",
        "baseline_s": round(statistics.median(timed(lambda: command("--version")) for _ in range(3)), 2),
    }


@contextmanager
def agents(number: int, latency_s: float) -> Iterator[str]:
    """Context with the URL of an AWS with `number` agents."""
    argv = [sys.executable, "-m", "benchmarks.status_agents", str(number), str(latency_s)]
    with subprocess.Popen(
        argv, cwd=environment.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        line = running.stdout.readline() if running.stdout else ""
        if not line:
            raise Failure("the simulated agents did not start")
        yield str(json.loads(line)["url"])
        running.communicate()


def provider(url: str) -> AwsProvider:
    """Provider of a new command."""
    session = boto3.Session(
        aws_access_key_id="bench", aws_secret_access_key="bench", region_name=environment.REGION
    )
    core = Group(name="core", roles=frozenset(Role), size=1)  # a description has servers and managers
    nodes = Group(name="nodes", roles=frozenset({Role.SWARM_WORKER}), min=0, max=99)
    return AwsProvider(Cluster(name=CLUSTER, groups=(core, nodes)), Account(session, url, OF_THIS_MACHINE))


def observe(url: str) -> tuple[float, Counter[str]]:
    """Seconds of one status, and its calls. Raises Failure if a node is missing."""
    place = provider(url)
    began_s = time.monotonic()
    nodes = place.nodes()
    found = place.observe(nodes)
    taken_s = time.monotonic() - began_s
    if len(found.answers) != len(nodes):
        raise Failure(f"{len(found.answers)} of {len(nodes)} nodes reported")
    return taken_s, Counter(place.account.calls)


def one_by_one(url: str) -> float:
    """Seconds of asking ONE_BY_ONE nodes, one after the other."""
    place = provider(url)
    began_s = time.monotonic()
    for node in place.nodes()[:ONE_BY_ONE]:
        sent = run_command.send(place.account, names.status_document(CLUSTER), node.instance_id, {})
        while not any(each.is_final for each in run_command.invocations(place.account, sent)):
            time.sleep(0.1)
    return time.monotonic() - began_s


def simulated(number: int, latency_s: float, times: int) -> dict[str, Any]:
    """Times of observing simulated agents, in seconds, and calls of the last one."""
    with agents(number, latency_s) as url:
        say(f"{number} agents are connected")
        found = [observe(url) for _ in range(times)]
        return {
            "nodes": number,
            "latency_s": latency_s,
            "status_s": [round(taken_s, 2) for taken_s, _ in found],
            "calls": dict(found[-1][1]),
            "baseline": f"{ONE_BY_ONE} nodes, one after the other",
            "baseline_s": round(one_by_one(url), 2),
        }


def show(results: dict[str, dict[str, Any]]) -> None:
    """Print the table."""
    lines = [f"\n{'':12}{'nodes':>7}{'median s':>10}{'longest s':>11}{'goal s':>8}  met  baseline"]
    for name, found in results.items():
        median = statistics.median(found["status_s"])
        lines.append(
            f"{name:12}{found['nodes']:7}{median:10.2f}{max(found['status_s']):11.2f}{GOALS_S[name]:8.1f}  "
            f"{goals.said(median <= GOALS_S[name]):3}  {found['baseline_s']:.2f} s: {found['baseline']}"
        )
    calls = results["simulated"]["calls"]
    lines.append(f"\ncalls of AWS for {results['simulated']['nodes']} nodes: {sum(calls.values())}")
    lines += [f"  {number:3}  {name}" for name, number in sorted(calls.items())]
    print("\n".join(lines))  # noqa: T201


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-f", "--servers", type=Path, default=environment.ROOT / "servers.yml")
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--latency", type=float, default=1.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--retain", action="store_true", help="leave the cluster running")
    options = parser.parse_args()
    prerequisites.ensure_or_exit("bench-status")
    lab = Lab(options.servers.resolve())
    was_up = bool(engine.containers(**{environment.LABEL_CLUSTER: lab.described["name"]}))
    try:
        results = {"simulated": simulated(options.nodes, options.latency, options.times)}
        lab.up()
        results["rehearsed"] = rehearsed(lab, options.servers.resolve(), options.times)
    except (Failure, process.Failed) as exc:
        say(f"bench-status: {exc}")
        return 2
    finally:
        if not (was_up or options.retain):
            lab.down()
    show(results)
    met = {name: statistics.median(found["status_s"]) <= GOALS_S[name] for name, found in results.items()}
    whole = {"results": results, "goals_s": GOALS_S, "is_met": met}
    if options.json:
        options.json.write_text(json.dumps(whole, indent=1))
    print(json.dumps(whole))  # noqa: T201
    return 0 if all(met.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
