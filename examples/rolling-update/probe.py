#!/usr/bin/env python3
"""Call a service without a pause, as Consul names its tasks, until told to end (SIGTERM or Ctrl-C).

    probe.py CONSUL_ADDRESS SERVICE

Each call asks Consul again, and is made only once, so that every failure counts. At the end the probe prints
the number of calls per version, and of failed calls. Exit status 1 if a call failed.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import time
import urllib.request
from collections import Counter

TIMEOUT_S = 5.0
PAUSE_S = 0.02


def get(url: str) -> bytes:
    """The body of an answer with status 200; raises OSError for everything else."""
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
        body: bytes = answer.read()
    return body


def call(consul: str, service: str) -> str:
    """Answer of one task that is healthy at this moment. Raises OSError."""
    found = json.loads(get(f"http://{consul}:8500/v1/health/service/{service}?passing"))
    if not found:
        raise OSError(f"Consul knows no task of {service} that is well")
    task = random.choice(found)
    address = task["Service"]["Address"] or task["Node"]["Address"]
    return get(f"http://{address}:{task['Service']['Port']}/").decode().strip()


def main() -> int:
    """Call until told to end; exit status."""
    consul, service = sys.argv[1:]
    ends: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ends.append(1))
    answered: Counter[str] = Counter()
    failed = 0
    while not ends:
        try:
            answered[call(consul, service)] += 1
        except OSError as exc:
            failed += 1
            print(f"failed: {exc}")
        time.sleep(PAUSE_S)
    versions = ", ".join(f"version {version}: {count}" for version, count in sorted(answered.items()))
    print(f"{answered.total() + failed} calls, {failed} failed; {versions}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
