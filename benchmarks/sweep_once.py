"""One sweep in a separate process, on a cluster of simulated answers: its costs, as JSON.

benchmarks/sweeps.py starts it, with the addresses of AWS, Consul and Swarm in the environment. It imports
only the function's modules, because its memory is measured.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from botocore.client import BaseClient

from lambdas.reconcile_cluster.handler import handler
from lambdas.shared import connections
from swarmer.adapters.consul import Consul
from swarmer.adapters.docker import Engine

calls: Counter[str] = Counter()
"""Number of requests to AWS: one for each page of an answer."""


class Context:
    """Context that Lambda passes to a handler."""

    function_name = "large-reconcile-cluster"
    memory_limit_in_mb = 256
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:large-reconcile-cluster"
    aws_request_id = "request"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def tick() -> str:
    """Event of a schedule, as JSON."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return json.dumps({"source": "aws.events", "detail-type": "Scheduled Event", "time": now, "detail": {}})


def count(client: Any, operation: str, arguments: Any) -> Any:
    calls[operation] += 1
    return real(client, operation, arguments)


def main() -> int:
    record = {
        "messageId": "1",
        "receiptHandle": "1",
        "body": tick(),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": str(round(time.time() * 1000))},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:queue",
        "awsRegion": "us-east-1",
    }
    began_s, cpu_s = time.monotonic(), time.process_time()
    answer = handler({"Records": [record]}, Context())
    took = {"wall_s": round(time.monotonic() - began_s, 2), "cpu_s": round(time.process_time() - cpu_s, 2)}
    # ru_maxrss would include the parent of this process.
    (peak_kb,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    left = len(answer["batchItemFailures"])
    sys.stderr.write(
        json.dumps(took | {"peak_mb": round(int(peak_kb) / 1024), "calls": dict(calls), "left": left}) + "\n"
    )
    return 0


if __name__ == "__main__":
    real, BaseClient._make_api_call = BaseClient._make_api_call, count
    connections.open_consul = lambda address: Consul(
        "127.0.0.1", int(os.environ["BENCH_CONSUL"]), timeout_s=connections.CONSUL_TIMEOUT_S
    )
    connections.open_engine = lambda address, timeout_s=connections.MANAGER_TIMEOUT_S: Engine(
        f"tcp://127.0.0.1:{os.environ['BENCH_SWARM']}", timeout_s=timeout_s
    )
    sys.exit(main())
