"""Sweep of clusters of 500 to 5,000 nodes: seconds, memory, requests to AWS.

AWS is the simulated one in a separate process. A real Consul has the catalogue and the keys. Thousands of
agents do not fit on one machine. Therefore Consul's members and a Swarm manager's answers are simulated, in
the size of real answers.
"""

from __future__ import annotations

import http.client
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import boto3

from benchmarks import goals
from chaos.lab import say, until
from swarmer.core import names
from swarmer.local import environment
from tests.lambdas.swarm_api import SWARM_ID
from tests.node.conftest import ConsulServer, free_port

SIZES: Final = (500, 1000, 5000)
GOALS: Final = {"wall_s": 5.0, "peak_mb": 256}
COMPARED: Final = 1000
LINEAR: Final = 1.5
"""Largest ratio of the seconds per node of the largest cluster to those of COMPARED nodes."""
PER_PAGE: Final = 100
"""Number of instances in one answer of the simulated EC2. A query by IDs has 200 of them: whole pages."""
CLUSTER: Final = "large"
CORE: Final = 3
ILL: Final = 10
"""Number of workers for each dead one in Consul, in the second case. EC2 is asked about each dead worker."""
LAUNCHED_S: Final = 600.0
SWEEP_S: Final = 300.0
AT_ONCE: Final = 8
CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----\n" + "A" * 700 + "\n-----END CERTIFICATE-----\n"
PLUGINS: Final = [{"Type": "Log", "Name": f"plugin-{number}"} for number in range(18)]


def measure(sizes: tuple[int, ...] = SIZES) -> list[dict[str, Any]]:
    """Rows, one for each size and case. Raises Failure."""
    return [row for size in sizes for row in measure_one(size)]


def measure_one(size: int) -> list[dict[str, Any]]:
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        url = held.enter_context(aws(folder))
        server = ConsulServer(folder, free_port())
        held.callback(server.stop)
        server.start()
        say(f"  sweep: launches {size} instances")
        known = launch(url, size)
        catalogue(server.port, known)
        rows = []
        for case, ill in (("well", ()), ("a tenth ill", known[CORE::ILL])):
            answers = Answers(known, set(ill), server.port)
            with serving(answers.consul) as consul, serving(answers.swarm) as swarm:
                found = sweep(url, consul, swarm)
            rows.append({"nodes": size, "case": case, "ill": len(ill)} | found)
            say(f"  sweep: {rows[-1]}")
        return rows


def sweep(url: str, consul: int, swarm: int) -> dict[str, Any]:
    """Run one sweep in a separate process."""
    variables = {
        **os.environ,
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "person",
        "AWS_SECRET_ACCESS_KEY": "person",
        "AWS_DEFAULT_REGION": environment.REGION,
        "AWS_REGION": environment.REGION,
        "POWERTOOLS_SERVICE_NAME": "reconcile-cluster",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "CLUSTER": CLUSTER,
        "QUEUE_URL": "https://queue.invalid/1/2",
        "DEAD_LETTERS_URL": "https://queue.invalid/1/3",
        **{"BOOT_DEADLINE_S": "600", "FAILED_BOOTS": "3", "GRACE_S": "300"},
        **{"BENCH_CONSUL": str(consul), "BENCH_SWARM": str(swarm)},
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sweep_once"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=SWEEP_S,
        check=False,
        cwd=environment.ROOT,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stderr.strip().splitlines()[-1])
    found["missed"] = done.stdout.count('"message":"missed"')
    return found


# -- AWS -------------------------------------------------------------------------------------------


@contextmanager
def aws(folder: Path) -> Iterator[str]:
    port = free_port()
    argv = [sys.executable, "-m", "swarmer.providers.rehearsal.daemon", "--listen", f"127.0.0.1:{port}"]
    ready = folder / "ready"
    daemon = subprocess.Popen(
        [*argv, "--ready-file", str(ready)], stdout=subprocess.DEVNULL, cwd=environment.ROOT
    )
    try:
        until(ready.exists, 120, "AWS on this machine did not start")
        yield f"http://127.0.0.1:{port}"
    finally:
        daemon.terminate()
        daemon.wait()


def client(service: str, url: str) -> Any:
    return boto3.client(
        *(service, environment.REGION),
        endpoint_url=url,
        aws_access_key_id="person",
        aws_secret_access_key="person",
    )


def launch(url: str, size: int) -> list[str]:
    """Launch a cluster of `size` instances, in service. Returns the names of its nodes, the core's first."""
    ec2, scaling = client("ec2", url), client("autoscaling", url)
    client("ssm", url).put_parameter(Name=names.identity_parameter(CLUSTER), Value=SWARM_ID, Type="String")
    ec2.create_launch_template(
        LaunchTemplateName=CLUSTER,
        LaunchTemplateData={"ImageId": "ami-12c6146b", "InstanceType": "t3.small"},
    )
    subnets = ",".join(each["SubnetId"] for each in ec2.describe_subnets()["Subnets"])
    roles = {"core": "consul-server swarm-manager swarm-worker", "workers": "swarm-worker"}
    found = []
    for group, count in (("core", CORE), ("workers", size - CORE)):
        tags = {names.TAG_CLUSTER: CLUSTER, names.TAG_GROUP: group, names.TAG_ROLES: roles[group]}
        asg = names.group_asg_name(CLUSTER, group)
        scaling.create_auto_scaling_group(
            AutoScalingGroupName=asg,
            LaunchTemplate={"LaunchTemplateName": CLUSTER},
            **{"MinSize": 0, "MaxSize": count, "DesiredCapacity": 0},
            VPCZoneIdentifier=subnets,
            Tags=[{"Key": key, "Value": value, "PropagateAtLaunch": True} for key, value in tags.items()],
        )
        # The instances are launched in parts, because each part is one request.
        for wanted in [*range(500, count, 500), count]:
            scaling.set_desired_capacity(AutoScalingGroupName=asg, DesiredCapacity=wanted)
            is_there = lambda asg=asg, wanted=wanted: len(serving_in(scaling, asg)) == wanted  # noqa: E731
            # Each poll is an answer with thousands of instances.
            until(is_there, LAUNCHED_S, "the instances are not in service", pause_s=2.0)
        found += [names.node_name(group, each) for each in serving_in(scaling, asg)]
    return found


def serving_in(scaling: Any, asg: str) -> list[str]:
    (group,) = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[asg])["AutoScalingGroups"]
    return [each["InstanceId"] for each in group["Instances"] if each["LifecycleState"] == "InService"]


# -- Consul, Swarm -----------------------------------------------------------------------------------


def catalogue(port: int, known: list[str]) -> None:
    """Write real entries to a real catalogue, and the records of admitted nodes."""

    def put(path: str, body: dict[str, Any]) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/{path}", data=json.dumps(body).encode(), method="PUT"
        )
        urllib.request.urlopen(request, timeout=30).close()

    def one(name: str) -> None:
        put("catalog/register", {"Node": name, "Address": "192.0.2.1"})
        put(f"kv/{names.KV_NODES}{name}", {"instance": names.instance_id(name), "admitted": 0})

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, known))


class Answers:
    """Simulated answers."""

    def __init__(self, known: list[str], ill: set[str], consul_port: int) -> None:
        self._consul_port = consul_port
        members = [member(name, 4 if name in ill else 1) for name in known]
        servers = [
            {"ID": name, "Node": name, "Address": f"{name}:8300", "Leader": name == known[0], "Voter": True}
            for name in known[:CORE]
        ]
        self._rows = {
            "": json.dumps([row(name, manager=name in known[:CORE]) for name in known]).encode(),
            "manager": json.dumps([row(name, manager=True) for name in known[:CORE]]).encode(),
        }
        self._made_up = {
            "/v1/agent/members": json.dumps(members).encode(),
            "/v1/operator/raft/configuration": json.dumps({"Servers": servers, "Index": 1}).encode(),
        }

    def consul(self, method: str, path: str, body: bytes) -> tuple[int, bytes, str]:
        """Answer about the members; the real Consul answers everything else."""
        if made_up := self._made_up.get(path.partition("?")[0]):
            return 200, made_up, "0"
        connection = http.client.HTTPConnection("127.0.0.1", self._consul_port, timeout=10)
        connection.request(method, path, body=body or None)
        reply = connection.getresponse()
        try:
            return reply.status, reply.read(), reply.headers.get("X-Consul-Index", "0")
        finally:
            connection.close()

    def swarm(self, method: str, path: str, body: bytes) -> tuple[int, bytes, str]:
        if path.endswith("/version"):
            return 200, json.dumps({"ApiVersion": "1.45", "MinAPIVersion": "1.24"}).encode(), ""
        if path.endswith("/swarm"):
            return 200, json.dumps({"ID": SWARM_ID}).encode(), ""
        return 200, self._rows["manager" if "manager" in path else ""], ""


def member(name: str, status: int) -> dict[str, Any]:
    """Member in an agent's format."""
    tags = {"build": "1.8.7:1234abcd", "dc": "dc1", "id": "00000000-0000-0000-0000-000000000000"}
    versions = {f"{kind}{end}": 2 for kind in ("Protocol", "Delegate") for end in ("Min", "Max", "Cur")}
    return {"Name": name, "Addr": "192.0.2.1", "Port": 8301, "Tags": tags, "Status": status, **versions}


def row(name: str, *, manager: bool) -> dict[str, Any]:
    """Row of a node in a manager's format, with the node's certificates and plugins."""
    engine = {"EngineVersion": "26.1.5", "Labels": {}, "Plugins": PLUGINS}
    return {
        "ID": f"{names.instance_id(name)[2:]:>25}"[:25],
        "Version": {"Index": 1},
        "Spec": {"Labels": {}, "Role": "manager" if manager else "worker", "Availability": "active"},
        "Description": {
            "Hostname": name,
            "Platform": {"Architecture": "x86_64", "OS": "linux"},
            "Resources": {"NanoCPUs": 2_000_000_000, "MemoryBytes": 2_000_000_000},
            "Engine": engine,
            "TLSInfo": {
                "TrustRoot": CERTIFICATE,
                "CertIssuerSubject": "A" * 32,
                "CertIssuerPublicKey": "A" * 124,
            },
        },
        "Status": {"State": "ready", "Addr": "192.0.2.1"},
        **({"ManagerStatus": {"Reachability": "reachable"}} if manager else {}),
    }


@contextmanager
def serving(answer: Any) -> Iterator[int]:
    """Serve `answer` on loopback; yields the port."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, text, index = answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            if index:
                self.send_header("X-Consul-Index", index)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = do_DELETE = do_POST = handle_any  # noqa: N815 - names for http.server

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def judge(rows: list[dict[str, Any]]) -> dict[str, bool]:
    """Result of each goal. Seconds and MB are those of the last row: most nodes, a tenth of them unhealthy.
    The other goals are for all rows."""
    return {
        **{key: rows[-1][key] <= goal for key, goal in GOALS.items()},
        "left": all(row["left"] == 0 for row in rows),
        "missed": all(row["missed"] == row["ill"] for row in rows),
        "linear": all(growth(rows, case) <= LINEAR for case in {row["case"] for row in rows}),
        "calls": all(is_frugal(row) for row in rows),
    }


def growth(rows: list[dict[str, Any]], case: str) -> float:
    """Seconds per node of the largest cluster, relative to COMPARED nodes; infinite if there are none."""
    per_node: dict[int, float] = {
        row["nodes"]: row["wall_s"] / row["nodes"] for row in rows if row["case"] == case
    }
    if not per_node.get(COMPARED):
        return math.inf
    return per_node[max(per_node)] / per_node[COMPARED]


def most_calls(ill: int) -> dict[str, int]:
    """Maximum of each request to AWS: groups, voting members, each page of unhealthy nodes, the cluster
    ID."""
    return {
        "DescribeAutoScalingGroups": 1,
        "DescribeInstances": 1 + math.ceil(ill / PER_PAGE),
        "GetParameter": 1,
    }


def is_frugal(row: dict[str, Any]) -> bool:
    """Whether a row has at most these requests, and no others."""
    most = most_calls(row["ill"])
    return all(count <= most.get(name, 0) for name, count in row["calls"].items())


TITLES: Final = {
    "wall_s": f"at most {GOALS['wall_s']:.0f} s, the last",
    "peak_mb": f"at most {GOALS['peak_mb']} MB, the last",
    "left": "no message is left over",
    "missed": "only the unhealthy nodes count as missing",
    "linear": f"a node takes at most {LINEAR} times what one of {COMPARED:,} does",
    "calls": "a request for each page, no more",
}


def show(rows: list[dict[str, Any]]) -> list[str]:
    """Lines for people."""
    head = f"{'sweep':26}{'seconds':>9}{'cpu':>7}{'MB':>7}{'ill':>6}{'missed':>8}{'left':>6}"
    lines = ["", f"{head}   requests to AWS"]
    for each in rows:
        calls = ", ".join(f"{count} {name}" for name, count in sorted(each["calls"].items()))
        name = f"{each['nodes']:,} nodes, {each['case']}"
        took = f"{each['wall_s']:9.2f}{each['cpu_s']:7.2f}{each['peak_mb']:7}"
        lines.append(f"{name:26}{took}{each['ill']:6}{each['missed']:8}{each['left']:6}   {calls}")
    is_met = judge(rows)
    return [*lines, f"{'goal':56}  met", *(f"{TITLES[key]:56}  {goals.said(is_met[key])}" for key in is_met)]
