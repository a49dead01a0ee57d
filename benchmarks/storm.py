"""Many termination hooks at once: a herd of instances without machines, on the benchmark's real cluster.

By its tags the herd's group belongs to the cluster. Its instances lack these tags, so the rehearsal boots no
machines for them. The group has no launch hook, because only terminations are measured.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import boto3

from benchmarks import goals
from chaos import healing, journal, probe, simulated_aws
from chaos.evidence import quantile
from chaos.lab import Failure, Lab, say, until
from swarmer.core import names
from swarmer.local import environment

HERD: Final = "herd"
HERD_SIZE: Final = 1000
LEAVING: Final = 375
REPEATED: Final = 125
"""Number of repeated events, so that a quarter of all are duplicates."""
LAUNCHED_S: Final = 300.0
ANSWERED_S: Final = 900.0
AT_ONCE: Final = 8
REFUSED: Final = "CompleteLifecycleActionRefused"
TERMINATE: Final = "EC2 Instance-terminate Lifecycle Action"


@dataclass
class Account:
    """Figures from the rehearsal's own log, read as it grows: it keeps a limited number of entries."""

    last: int = 0
    announced: dict[str, float] = field(default_factory=dict)
    """Time of the event, by instance."""
    answers: dict[str, list[float]] = field(default_factory=dict)
    """Times of the answers to the hook, by instance."""
    refused: int = 0
    """Number of answers that AWS refused because the hook was answered before."""
    repeated: int = 0
    swept: int = 0
    """Number of hooks that the sweep answered, or found answered."""
    steps: Counter[str] = field(default_factory=Counter)
    """Number of each step in the reports of deregister_node."""
    dead_letters: int = 0
    failed: int = 0
    """Number of failed runs of a function."""
    runs: int = 0

    @property
    def again(self) -> int:
        """Number of answers after a hook's first."""
        return sum(len(times) - 1 for times in self.answers.values()) + self.refused

    def read(self, wait_s: float = 0) -> None:
        for entry in simulated_aws.happened(self.last, wait_s=wait_s):
            self.last = entry["number"]
            self.take(entry)

    def take(self, entry: dict[str, Any]) -> None:
        what, detail = entry["what"], entry["detail"]
        of_herd = detail.get("AutoScalingGroupName", "").endswith(f"-{HERD}")
        if what == TERMINATE and of_herd:
            self.announced[detail["EC2InstanceId"]] = entry["time"]
        elif what == "Fault" and of_herd:
            self.repeated += 1
        elif what == "CompleteLifecycleAction" and of_herd:
            self.answers.setdefault(detail["EC2InstanceId"], []).append(entry["time"])
        elif what == REFUSED and of_herd:
            self.refused += 1
        elif what == "DeadLetter":
            self.dead_letters += 1
        elif what == "Failed":
            self.failed += 1
        elif entry["source"].endswith(healing.DEREGISTER):
            self.runs += what.startswith("START")
            if what.startswith("{") and "message" in (line := json.loads(what)):
                self.steps[line["message"]] += 1
        elif entry["source"].endswith(journal.RECONCILE) and what.startswith("{"):
            line = json.loads(what)
            self.swept += line.get("message") == "removed" and line["node"].startswith(f"{HERD}-")


@dataclass
class Herd:
    """Instances without machines, and their entries in the real Consul."""

    lab: Lab
    size: int = HERD_SIZE

    def __post_init__(self) -> None:
        self.cluster = str(self.lab.described["name"])
        self.asg = names.group_asg_name(self.cluster, HERD)
        self.scaling = client("autoscaling")
        self.consul = self.lab.consul_servers[0]

    def gather(self) -> None:
        """Bring the instances into service, with entries in Consul's catalogue and among admitted nodes."""
        pattern = names.group_asg_name(self.cluster, self.lab.workers[0].group)
        (like,) = self.scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[pattern])[
            "AutoScalingGroups"
        ]
        client("ec2").create_launch_template(
            LaunchTemplateName=HERD,
            LaunchTemplateData={"ImageId": "ami-12c6146b", "InstanceType": "t3.small"},
        )
        tags = {names.TAG_CLUSTER: self.cluster, names.TAG_GROUP: HERD, names.TAG_ROLES: "swarm-worker"}
        self.scaling.create_auto_scaling_group(
            AutoScalingGroupName=self.asg,
            LaunchTemplate={"LaunchTemplateName": HERD},
            **{"MinSize": 0, "MaxSize": self.size, "DesiredCapacity": 0},
            VPCZoneIdentifier=like["VPCZoneIdentifier"],
            Tags=[{"Key": key, "Value": value, "PropagateAtLaunch": False} for key, value in tags.items()],
        )
        self.scaling.put_lifecycle_hook(
            AutoScalingGroupName=self.asg,
            LifecycleHookName=names.HOOK_TERMINATE,
            LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
            DefaultResult="CONTINUE",
            HeartbeatTimeout=1800,
        )
        self.scaling.set_desired_capacity(AutoScalingGroupName=self.asg, DesiredCapacity=self.size)
        until(lambda: len(self.serving()) == self.size, LAUNCHED_S, "the herd is not in service", pause_s=1.0)
        self.enter(sorted(self.serving()))

    def serving(self) -> set[str]:
        found = self.scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.asg])
        rows = found["AutoScalingGroups"][0]["Instances"]
        return {row["InstanceId"] for row in rows if row["LifecycleState"] == "InService"}

    def enter(self, ids: Iterable[str]) -> None:
        def one(instance_id: str) -> None:
            name = names.node_name(HERD, instance_id)
            self.ask("PUT", "catalog/register", json.dumps({"Node": name, "Address": "192.0.2.1"}))
            self.ask("PUT", f"kv/{names.KV_NODES}{name}", "{}")

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(one, ids))

    def catalogued(self) -> set[str]:
        """IDs of the herd in Consul's catalogue."""
        rows = json.loads(self.ask("GET", "catalog/nodes"))
        return {names.instance_id(row["Node"]) for row in rows if row["Node"].startswith(f"{HERD}-")}

    def ask(self, method: str, path: str, body: str = "") -> bytes:
        reply = probe.ask(
            *(self.consul.address, method, f"/v1/{path}"),
            body=body.encode() or None,
            port=probe.CONSUL_PORT,
            timeout_s=30,
        )
        return probe.expect(reply, 200, path).body


def client(service: str) -> Any:
    """Client of AWS with an operator's permissions."""
    return boto3.client(
        *(service, environment.REGION),
        endpoint_url=simulated_aws.AWS,
        aws_access_key_id="person",
        aws_secret_access_key="person",
    )


def waiting(cluster: str, is_dead: Callable[[str], bool]) -> int:
    """Number of messages, visible or not, in those queues of the healing stack whose names `is_dead`
    accepts."""
    sqs = client("sqs")
    kinds = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    urls = [url for url in sqs.list_queues()["QueueUrls"] if f"{cluster}-healing" in url and is_dead(url)]
    found = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=kinds)["Attributes"] for url in urls]
    return sum(int(each[kind]) for each in found for kind in kinds)


def endure(lab: Lab) -> dict[str, Any]:
    """Outcome of the storm. Raises Failure."""
    lab.look()  # the previous measurement removed nodes
    herd, account = Herd(lab), Account()
    say(f"  storm: {herd.size} nodes enter Consul's catalogue")
    herd.gather()
    catalogued = len(herd.catalogued())
    account.read()
    simulated_aws.disturb(times=REPEATED, event=TERMINATE, how="repeat")
    began_s = time.monotonic()
    herd.scaling.set_desired_capacity(AutoScalingGroupName=herd.asg, DesiredCapacity=herd.size - LEAVING)
    try:
        until(
            lambda: is_over(account, herd.cluster), ANSWERED_S, "the hooks are not all answered", pause_s=0.0
        )
    except Failure as exc:
        say(f"  storm: {exc}")
    simulated_aws.leave_in_peace()
    account.read()  # lines since the last read
    took_s = time.monotonic() - began_s
    left = herd.catalogued()
    waits = [times[0] - account.announced[key] for key, times in account.answers.items()]
    return {
        "catalogued": catalogued,
        "hooks": len(account.announced),
        "events": len(account.announced) + account.repeated,
        "answered_once": sum(len(times) == 1 for times in account.answers.values()),
        # AWS refuses a second answer, so the number of answering functions counts. If two functions handle a
        # hook, one of them is second.
        "answered_again": max(0, account.again - account.swept),
        "swept": account.swept,
        "out_of_catalogue": len(account.announced.keys() - left),
        "wrongly_out": catalogued - len(left) - len(account.announced.keys() - left),
        "dead_letters": account.dead_letters + waiting(herd.cluster, lambda url: "DeadLetters" in url),
        "failed_runs": account.failed,
        "runs": account.runs,
        "steps": dict(account.steps),
        "all_s": round(max(waits), 1),
        "p50_s": round(quantile(waits, 0.5), 1),
        "quiet_s": round(took_s, 1),
    }


def is_over(account: Account, cluster: str) -> bool:
    """Whether every hook is answered and the function's queues are empty."""
    account.read(wait_s=2)
    if len(account.answers) < LEAVING:
        return False
    return not waiting(cluster, lambda url: "Deregister" in url and "DeadLetters" not in url)


GOALS: Final = {
    "catalogued": HERD_SIZE,
    "hooks": LEAVING,
    "events": LEAVING + REPEATED,
    "answered_once": LEAVING,
    "answered_again": REPEATED,
    "out_of_catalogue": LEAVING,
    "wrongly_out": 0,
    "dead_letters": 0,
}
"""Goals by figure."""
AT_MOST: Final = frozenset({"answered_again"})
"""Figures with a maximum: a duplicate event may be answered twice, but a sweep adds no answer."""


def judge(found: dict[str, Any]) -> dict[str, bool]:
    return {key: found[key] <= goal if key in AT_MOST else found[key] == goal for key, goal in GOALS.items()}


TITLES: Final = {
    "catalogued": "nodes in Consul's catalogue",
    "hooks": "hooks at once",
    "events": "termination events for them",
    "answered_once": "hooks answered once",
    "answered_again": "answered again, which AWS refuses",
    "out_of_catalogue": "out of the catalogue",
    "wrongly_out": "others out of the catalogue",
    "dead_letters": "dead letters",
}


def show(found: dict[str, Any]) -> list[str]:
    """Lines for people."""
    is_met = judge(found)
    wanted = {key: f"≤ {goal}" if key in AT_MOST else str(goal) for key, goal in GOALS.items()}
    judged = [
        f"{TITLES[key]:34}{found[key]:8}{goal:>8}  {goals.said(is_met[key])}" for key, goal in wanted.items()
    ]
    return [
        "",
        f"{'storm':42}{'goal':>8}  met",
        *judged,
        f"{'hook answered after, p50':34}{found['p50_s']:8.1f} s",
        f"{'the last after':34}{found['all_s']:8.1f} s",
        f"{'hooks that the sweep ended too':34}{found['swept']:8}",
        f"{'runs of deregister_node, failed':34}{found['runs']:8}   {found['failed_runs']}",
    ]
