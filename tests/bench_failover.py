"""`make bench-failover`: how long the registry is away, by name, when something happens to its holder.

    python -m tests.bench_failover [--runs N] [--json FILE]

Measured from outside: a DNS question to a surviving node, then GET /v2/ at the address it answers. Baselines
in the same run, on the same cluster: a Consul lock with Consul's default lock-delay of 15 s, and one with TTL
and lock-delay of 120 s, as the original project had.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.exception
import dns.resolver

from rehearsal import engine, ground

SWARMER = str(ground.ROOT / ".venv/bin/swarmer")
GOALS = {"node killed": (4.0, 7.0), "registry process killed": (1.0, 1.0)}
BASELINES = {"Consul's defaults": (15, 15), "TTL 120 s, lock-delay 120 s": (120, 120)}
PAUSE_S = 0.05
LONGEST_S = 300.0


def swarmer(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SWARMER, *argv], capture_output=True, text=True, check=False)


def status() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(swarmer("status", "--json").stdout)
    return found


def validated() -> dict[str, Any]:
    """The status, once all is well; powers on what is off."""
    done = swarmer("up")
    if done.returncode:
        raise SystemExit(done.stderr)
    return status()


def ask(resolver_at: str, timeout_s: float = 1.0) -> tuple[str, int]:
    """Node and lease of whoever answers under the registry's name; raises OSError or a DNS exception."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [resolver_at]
    address = resolver.resolve("registry.service.swarmer", "A", lifetime=timeout_s)[0].to_text()
    connection = http.client.HTTPConnection(address, 5000, timeout=timeout_s)
    try:
        connection.request("GET", "/v2/")
        answer = connection.getresponse()
        answer.read()
        return answer.headers["X-Swarmer-Node"], int(answer.headers["X-Swarmer-Lease"])
    finally:
        connection.close()


def away(resolver_at: str, within_s: float) -> tuple[float, int]:
    """Seconds until the last failed call was over, and how many failed; until calls go well for 2 s."""
    began_s = time.monotonic()
    well_since_s, last_failed_s, failed = began_s, began_s, 0
    while time.monotonic() - began_s < within_s and time.monotonic() - well_since_s < 2.0:
        try:
            ask(resolver_at)
        except (OSError, http.client.HTTPException, dns.exception.DNSException):
            failed += 1
            well_since_s = last_failed_s = time.monotonic()
        time.sleep(PAUSE_S)
    return last_failed_s - began_s, failed


def container(found: dict[str, Any], node: str) -> str:
    return f"{found['cluster']}.{node}"


def observer(found: dict[str, Any]) -> str:
    """Address of a worker that runs neither servers nor the registry."""
    return next(str(node["address"]) for node in found["nodes"] if "consul-server" not in node["roles"])


def node_killed() -> tuple[float, int]:
    found = validated()
    engine.docker("kill", container(found, found["registry"]["holder"]))
    return away(observer(found), 30)


def process_killed() -> tuple[float, int]:
    found = validated()
    engine.docker(
        "exec",
        container(found, found["registry"]["holder"]),
        "pkill",
        "-9",
        "-f",
        "^/usr/bin/docker-registry",
    )
    return away(observer(found), 15)


def handed_over() -> tuple[float, int]:
    found = validated()
    mover = threading.Thread(target=swarmer, args=("handover",))
    mover.start()
    result = away(observer(found), 15)
    mover.join()
    return result


def lock_baseline(ttl_s: int, lock_delay_s: int) -> float:
    """Seconds from the hard kill of a node that holds a lock until another has it."""
    found = validated()
    servers = [node for node in found["nodes"] if "consul-server" in node["roles"]]
    held = servers[0]
    key = f"bench/{ttl_s}/{time.time():.0f}"
    if not take(held["address"], key, ttl_s, lock_delay_s):
        raise SystemExit(f"{key}: the lock cannot be taken")
    engine.docker("kill", container(found, held["name"]))
    began_s = time.monotonic()
    while time.monotonic() - began_s < LONGEST_S:
        if take(servers[1]["address"], key, ttl_s, lock_delay_s):
            return time.monotonic() - began_s
        time.sleep(0.2)
    return LONGEST_S


SESSIONS: dict[tuple[str, str], str] = {}


def take(address: str, key: str, ttl_s: int, lock_delay_s: int) -> bool:
    """Try for a lock through the agent at `address`, with one session each."""
    try:
        if (address, key) not in SESSIONS:
            made = put(address, "session/create", {"TTL": f"{ttl_s}s", "LockDelay": f"{lock_delay_s}s"})
            SESSIONS[address, key] = made["ID"]
        return bool(put(address, f"kv/{key}?acquire={SESSIONS[address, key]}", {}))
    except OSError:
        return False


def put(address: str, path: str, body: dict[str, str]) -> Any:
    request = urllib.request.Request(
        f"http://{address}:8500/v1/{path}", json.dumps(body).encode(), method="PUT"
    )
    with urllib.request.urlopen(request, timeout=3) as answer:
        return json.load(answer)


def measure(name: str, once: Callable[[], tuple[float, int]], runs: int) -> dict[str, Any]:
    """Seconds and failed calls over `runs`."""
    found = []
    for number in range(runs):
        found.append(once())
        print(f"  {name} {number + 1}/{runs}: {found[-1][0]:.1f} s, {found[-1][1]} failed", file=sys.stderr)  # noqa: T201
    seconds = sorted(value for value, _ in found)
    return {
        "seconds": [round(value, 2) for value in seconds],
        "p50": round(statistics.median(seconds), 2),
        "p95": round(seconds[max(0, -(-95 * len(seconds) // 100) - 1)], 2),
        "failed": sum(count for _, count in found),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cases = {
        "node killed": node_killed,
        "registry process killed": process_killed,
        "handed over": handed_over,
    }
    results = {name: measure(name, once, options.runs) for name, once in cases.items()}
    baselines = {name: round(lock_baseline(*values), 1) for name, values in BASELINES.items()}
    swarmer("down")
    print(f"\n{'':28}{'p50':>7}{'p95':>7}{'goal':>12}{'failed calls':>15}")  # noqa: T201
    for name, found in results.items():
        goal = "/".join(f"{each:.0f}" for each in GOALS.get(name, ())) or "no failure"
        print(f"{name:28}{found['p50']:7.1f}{found['p95']:7.1f}{goal:>12}{found['failed']:15}")  # noqa: T201
    for name, value in baselines.items():
        print(f"baseline: {name:32}{value:7.1f}")  # noqa: T201
    whole = {"results": results, "baselines_s": baselines, "goals_s": GOALS}
    print(json.dumps(whole))  # noqa: T201
    if options.json:
        options.json.write_text(json.dumps(whole, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
