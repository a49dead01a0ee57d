"""`make bench-up`: time from one file to a running cluster, and memory of the node software.

    python -m benchmarks.up [--cached-only] [--json FILE]

Prints a table, and JSON as the last line. "From nothing" is a fresh clone without virtualenv, CDK and node
image. Docker Engine stays, because it belongs to the machine. `--cached-only` leaves this part out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import goals, programs
from chaos.lab import say
from swarmer.local import engine, environment, node_image
from tests import prerequisites

GOALS = {"boot": 20.0, "cached": 60.0, "nothing": 360.0}
TITLES = {
    "boot": "first node container started → validated, five nodes",
    "cached": "make up, everything cached",
    "nothing": "make up, from nothing",
}
REFERENCE = "kind: 33 s for one node with DNS; k3d: 20 s"


def run(*argv: str) -> float:
    """Duration of a command in seconds; its output goes to standard error."""
    began_s = time.monotonic()
    subprocess.run(argv, cwd=environment.ROOT, check=True, stdout=sys.stderr, stdin=subprocess.DEVNULL)
    return time.monotonic() - began_s


def timings() -> dict[str, float]:
    """Seconds of each step of the last `up`."""
    (path,) = (environment.STATE / "clusters").glob("*/timings.json")
    found: dict[str, float] = json.loads(path.read_text())
    return found


def memory() -> dict[str, dict[str, float]]:
    """PSS in MB of each program, by node."""
    found = {}
    for container in engine.containers(environment.LABEL_NODE):
        held = programs.sample(container.id)
        found[container.labels[environment.LABEL_NODE]] = {
            name: round(held[name][0], 1) if name in held else 0.0
            for name in (*programs.OURS, *programs.OTHERS)
        }
    return found


def forget_everything() -> None:
    """Remove the images. A clone already lacks virtualenv and CDK."""
    for image in (node_image.tag(), node_image.base_tag(), node_image.PROBE_IMAGE):
        subprocess.run(
            ["docker", "image", "rm", "-f", image], env=engine.docker_environment(), capture_output=True
        )
    if node_image.exists(node_image.base_tag()):
        raise SystemExit("the node image is in use: `docker ps -a` shows by what")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cached-only", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    prerequisites.ensure_or_exit("bench-up")
    try:
        results = measure(options.cached_only)
    except subprocess.CalledProcessError as exc:
        say(f"bench-up: {' '.join(exc.cmd[:2])}: exit status {exc.returncode}")
        return 2
    show(results)
    print(json.dumps(results))  # noqa: T201
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    return 0


def measure(cached_only: bool) -> dict[str, Any]:
    """Figures for the JSON. Raises subprocess.CalledProcessError."""
    results: dict[str, Any] = {"reference": REFERENCE, "goals_s": GOALS, "cpus": os.cpu_count()}
    run("make", "down", "ARGS=")
    if not cached_only:
        results["nothing_s"] = measure_from_nothing()
        run("make", "down", "ARGS=")
    run("make", "up", "ARGS=")  # missing downloads are cached now
    run("make", "down", "ARGS=")
    results["cached_s"] = run("make", "up", "ARGS=")
    results["steps_s"] = timings()
    results["boot_s"] = results["steps_s"]["boot"]
    results["is_met"] = {
        name: results[f"{name}_s"] <= goal for name, goal in GOALS.items() if f"{name}_s" in results
    }
    time.sleep(5)
    results["memory_mb"] = memory()
    run("make", "down", "ARGS=")
    return results


def measure_from_nothing() -> float:
    """Seconds in a fresh clone with its own caches, so that this checkout keeps its caches."""
    clone = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip()) / "swarmer"
    subprocess.run(["git", "clone", "-q", str(environment.ROOT), str(clone)], check=True)
    forget_everything()
    began_s = time.monotonic()
    system = {**os.environ, "PATH": os.environ["PATH"].replace(f"{environment.ROOT}/.venv/bin:", "")}
    subprocess.run(["make", "up"], cwd=clone, check=True, stdout=sys.stderr, env=system)
    taken_s = time.monotonic() - began_s
    subprocess.run(["make", "clean"], cwd=clone, check=True, stdout=sys.stderr, env=system)
    return taken_s


def show(results: dict[str, Any]) -> None:
    """Print the table."""
    print(f"\n{'':58}{'seconds':>9}{'goal':>7}  met")  # noqa: T201
    for name, is_met in results["is_met"].items():
        met = goals.said(is_met)
        print(f"{TITLES[name]:58}{results[f'{name}_s']:9.1f}{GOALS[name]:7.0f}  {met}")  # noqa: T201
    print(f"({REFERENCE})\n\nsteps of make up, cached:")  # noqa: T201
    for name, value in results["steps_s"].items():
        print(f"  {name:10}{value:7.1f} s")  # noqa: T201
    print(f"\nPSS in MB:{'':18}{'ours':>7}{'consul':>8}{'dockerd':>9}{'containerd':>12}")  # noqa: T201
    for node, by_program in results["memory_mb"].items():
        ours = sum(by_program[name] for name in programs.OURS)
        print(  # noqa: T201
            f"  {node:26}{ours:7.1f}{by_program['consul agent']:8.1f}{by_program['dockerd']:9.1f}"
            f"{by_program['containerd']:12.1f}   "
            + " ".join(f"{name.removeprefix('node.')} {by_program[name]:.0f}" for name in programs.OURS)
        )


if __name__ == "__main__":
    sys.exit(main())
