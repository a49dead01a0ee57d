"""`make bench-healing`: times of the functions for their repairs, and their sizes.

    python -m benchmarks.healing [--only PART …] [--runs N] [--json FILE] [--retain]

    replaced   terminations by AWS's console, on the cluster of chaos/healing.yml: time until Consul and
               Swarm do not list the instances, and until they are replaced (benchmarks/replaced.py)
    functions  sizes, and times of the imports
    storm      500 termination events at once, a quarter of them duplicates (benchmarks/storm.py)
    sweep      one sweep of 500, 1,000 and 5,000 nodes (benchmarks/sweeps.py)

Prints a table, and JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks import goals, replaced, storm, sweeps
from chaos.evidence import quantile
from chaos.lab import Failure, Lab, say
from stacks import function_code
from swarmer.adapters import process
from swarmer.core import software
from swarmer.local import engine, environment, node_image
from swarmer.providers.rehearsal.runtime import trees
from tests import prerequisites

SERVERS: Final = environment.ROOT / "chaos/healing.yml"
GOALS: Final = {"import_s": 0.5, "package_mb": 15.0}
IMPORTS: Final = 5
FUNCTIONS: Final = ("register_node", "deregister_node", "heal_registry", "reconcile_cluster")


IMPORT: Final = """
import importlib, os, sys, time
sys.path[:0] = ["/task", "/layer/python", "/runtime"]
sys.dont_write_bytecode = True
os.environ |= {
    "AWS_DEFAULT_REGION": "us-east-1",
    "LAMBDA_TASK_ROOT": "/task",
    "POWERTOOLS_SERVICE_NAME": "bench",
}
began_s, cpu_s = time.perf_counter(), time.process_time()
importlib.import_module(f"lambdas.{sys.argv[1]}.handler")
print(time.perf_counter() - began_s, time.process_time() - cpu_s)
"""


def weigh(image: str) -> dict[str, dict[str, float]]:
    """Sizes and import times by function: MB of package and layer as uploaded, seconds of the import.

    The conditions are those of a cold start: the Python of the functions' runtime, isolated like there, with
    its boto3. It imports sources, because neither asset nor layer has bytecode. On a busy machine, CPU
    seconds are the reliable figure.
    """
    layer, runtime = function_code.ensure_layer(), trees.ensure_runtime(image)
    found = {}
    for function in FUNCTIONS:
        folder = environment.CACHE / "bench" / function
        shutil.rmtree(folder, ignore_errors=True)
        function_code.stage(function, folder)
        mounts = [word for path, where in ((folder, "/task"), (layer, "/layer"), (runtime, "/runtime"))
                  for word in ("-v", f"{path}:{where}:ro")]  # fmt: skip
        argv = [
            *("run", "--rm", "--network", "none", *mounts, "--entrypoint", "/usr/bin/python3.13"),
            *(image, "-I", "-S", "-c", IMPORT, function),
        ]
        seconds = [tuple(map(float, engine.docker(*argv).split())) for _ in range(IMPORTS)]
        paths = [software.ROOT / path for path in software.function_files(function)]
        package = zipped_mb(paths) + zipped_mb(path for path in layer.rglob("*") if path.is_file())
        found[function] = {
            "import_s": round(quantile([each[0] for each in seconds], 0.5), 3),
            "import_cpu_s": round(quantile([each[1] for each in seconds], 0.5), 3),
            "package_mb": round(package, 2),
        }
    return found


def zipped_mb(paths: Any) -> float:
    """Size in MB of the zipped files, without bytecode."""
    target = environment.CACHE / "bench.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            if path.suffix != ".pyc":
                archive.write(path)
    return target.stat().st_size / 1e6


def judge_functions(found: dict[str, dict[str, float]]) -> dict[str, bool]:
    """Result of both goals, by function."""
    return {
        name: all(each[key] <= GOALS[key] for key in ("import_s", "package_mb"))
        for name, each in found.items()
    }


def show_functions(found: dict[str, dict[str, float]]) -> list[str]:
    """Lines for people."""
    lines = ["", f"{'':26}{'import':>8}{'cpu':>8}{'MB':>9}  met"]
    is_met = judge_functions(found)
    for name, each in found.items():
        seconds = f"{each['import_s']:6.2f} s{each['import_cpu_s']:6.2f} s"
        lines.append(f"{name:26}{seconds}{each['package_mb']:9.2f}  {goals.said(is_met[name])}")
    return [*lines, f"{'goal':26}{GOALS['import_s']:6.2f} s{'':8}{GOALS['package_mb']:9.0f}"]


PARTS: Final[dict[str, tuple[Callable[[Any], dict[str, bool]], Callable[[Any], list[str]]]]] = {
    "functions": (judge_functions, show_functions),
    "sweep": (sweeps.judge, sweeps.show),
    "replaced": (replaced.judge, replaced.show),
    "storm": (storm.judge, storm.show),
}
"""Parts, each with its measurement, judgement and display. The storm is last, because its herd stays."""
ON_A_CLUSTER: Final = ("replaced", "storm")


def measure(part: str, lab: Lab, runs: int) -> Any:
    """Figures of one part. Raises Failure, process.Failed."""
    match part:
        case "functions":
            return weigh(node_image.ensure_image(environment.CACHE, say))
        case "sweep":
            return sweeps.measure()
        case "replaced":
            return replaced.measure(lab, runs)
        case _:
            return storm.endure(lab)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", action="extend", nargs="+", choices=list(PARTS), metavar="PART")
    parser.add_argument("--runs", type=int, default=3, help="of each kind of node")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--retain", action="store_true", help="leave the cluster running")
    options = parser.parse_args()
    prerequisites.ensure_or_exit("bench-healing")
    parts = [part for part in PARTS if not options.only or part in options.only]
    lab, whole = Lab(SERVERS), dict[str, Any](goals=GOALS | replaced.GOALS, is_met={})
    needs_cluster = any(part in ON_A_CLUSTER for part in parts)
    try:
        if needs_cluster:
            lab.up()
        for part in parts:
            whole[part] = measure(part, lab, options.runs)
            judge, show = PARTS[part]
            whole["is_met"][part] = judge(whole[part])
            print("\n".join(show(whole[part])), flush=True)  # noqa: T201
    except (Failure, process.Failed) as exc:
        say(f"bench-healing: {exc}")
        return 2
    finally:
        if needs_cluster and not options.retain:
            lab.down()
    whole["load"] = os.getloadavg()
    print(json.dumps(whole))  # noqa: T201
    if options.json:
        options.json.write_text(json.dumps(whole, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
