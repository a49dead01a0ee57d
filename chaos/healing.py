"""Faults that the functions heal: terminated instances, failed boots, and failing events and calls."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from docker import DockerClient
from docker.errors import APIError

from chaos import cut_off
from chaos.actions import cut_power, drop_packets, heal_network
from chaos.catalogue import Fault
from chaos.cut_off import CutOff
from chaos.disturbances import did_not_happen
from chaos.journal import lacks_alarm, lacks_breaker
from chaos.lab import Failure, Lab, Node, docker, swarmer, until
from chaos.new_image import NewImage, cluster_of
from chaos.simulated_aws import disturb, happened, last_number, leave_in_peace, person, said
from chaos.victims import holder
from swarmer.core import names
from swarmer.local import engine, environment

REPLACED_S: Final = 240.0
BREAKER_S: Final = 300.0
SUSPENDED_S: Final = 60.0
"""Time for which the probe checks that an open breaker stops launches, in seconds."""
KILL_S: Final = 200.0
"""Timeout after the kill of a function, in seconds: its message is received again after 70 s."""
KILLS: Final = 2
DEREGISTER: Final = "-deregister-node"
CUT_S: Final = 60.0
"""Duration of a network cut in seconds: less than the description's `grace`."""
SERVICE: Final = "work"
TASKS: Final = 6
BROKEN: Final = "swarmer/broken-node"


# -- actions ---------------------------------------------------------------------------------------


def terminate(nodes: list[Node]) -> None:
    """Terminate at the same time, because each call waits for its machine, and Consul notices the first loss
    within seconds."""
    with ThreadPoolExecutor(max_workers=len(nodes)) as pool:
        list(pool.map(lambda node: node.terminate(), nodes))


def terminate_one_after_the_other(nodes: list[Node]) -> None:
    """Terminate one node after the other, each after the previous replacement has its vote."""
    for node in nodes:
        node.terminate()
        is_whole = lambda: swarmer(nodes[0].servers, "status").returncode == 0  # noqa: E731
        until(is_whole, REPLACED_S, "the replacement does not vote", pause_s=1.0)


@dataclass
class Disturbance:
    """Termination of an instance while calls and events fail, and the proof that they failed."""

    faults: tuple[dict[str, Any], ...]
    last: int | None = None
    """Number of the last entry of the rehearsal's log before it; None if it never began."""

    def begin(self, nodes: list[Node]) -> None:
        self.last = last_number()
        for fault in self.faults:
            disturb(**fault)
        terminate(nodes)

    def lacks(self) -> list[str]:
        """Requested faults that did not happen."""
        return did_not_happen(self.faults, [] if self.last is None else happened(self.last))


@dataclass
class LostMajority:
    """Termination of a majority at once, and the proof that the functions noticed the loss of the majority.

    First the machines lose their power together. If one instance ended half a second before the other, the
    functions could remove it while a majority still existed, and the cluster would need no recovery.
    """

    last: int | None = None
    """Number of the last entry of the rehearsal's log before it; None if it never began."""

    def begin(self, nodes: list[Node]) -> None:
        self.last = last_number()
        cut_power(nodes)
        terminate(nodes)

    def lacks(self) -> list[str]:
        return lacks_alarm([] if self.last is None else happened(self.last))


def recover(nodes: list[Node]) -> None:
    """Recover like an operator after the alarm."""
    done = swarmer(nodes[0].servers, "recover", timeout_s=300)
    if done.returncode:
        raise Failure(f"swarmer recover: {done.stderr.strip()}")


def run_tasks(lab: Lab) -> None:
    """Start a service with tasks only on the two workers."""
    lab.workers[0].scale_group(2)
    until(lambda: len(described_workers(lab)) == 2, REPLACED_S, "there is no second worker", pause_s=1.0)
    lab.wait_validated(REPLACED_S)
    lab.look()
    lab.managers[0].on(
        *("docker", "service", "create", "-d", "--no-resolve-image", "--name", SERVICE),
        *("--replicas", str(TASKS), "--constraint", "node.role==worker", "--endpoint-mode", "dnsrr"),
        *("swarmer/probe", "sleep", "3600"),
    )
    until(lambda: running_tasks(lab.managers[0]) == TASKS, 60, "the tasks do not run")


def described_workers(lab: Lab) -> list[dict[str, Any]]:
    return [each for each in lab.status()["nodes"] if each["roles"] == ["swarm-worker"]]


def running_tasks(manager: Node) -> int:
    only = ("-f", "desired-state=running", "--format", "{{.CurrentState}}")
    shown = manager.on("docker", "service", "ps", *only, SERVICE)
    return sum(line.startswith("Running") for line in shown.splitlines())


def end_tasks(lab: Lab) -> None:
    lab.look()
    lab.managers[0].on("docker", "service", "rm", SERVICE)


def is_removed(nodes: list[Node]) -> bool:
    """Whether one of the nodes was removed in order."""
    return any(said("removed", node.name) for node in nodes)


def scale_in(nodes: list[Node]) -> None:
    nodes[-1].scale_group(1)


def kill_function_while_it_drains(nodes: list[Node]) -> None:
    """Send SIGKILL to deregister_node after its first step, and again in the drain: its container ends.

    A run takes a fraction of a second. If it ended before the signal, others follow until the tasks run
    elsewhere.
    """
    last, deadline_s = last_number(), time.monotonic() + KILL_S
    sdk = DockerClient(base_url=engine.docker_environment()["DOCKER_HOST"])
    nodes[-1].scale_group(1)
    hits, signs = 0, ['"leaving marker written: join nothing"']
    while hits < KILLS:
        if time.monotonic() > deadline_s:
            raise Failure(f"deregister_node was hit at work {hits} times within {KILL_S:.0f} s")
        for entry in happened(last, wait_s=2):
            last = entry["number"]
            if entry["what"] == "Failed" and entry["detail"].get("function", "").endswith(DEREGISTER):
                hits, signs = hits + 1, ['"drained"']
            elif not entry["source"].endswith(DEREGISTER):
                continue
            elif any(sign in entry["what"] for sign in signs):
                kill_containers_of(sdk, entry["source"])
            elif entry["what"].startswith("END"):
                signs = ["START", *signs]


def kill_containers_of(sdk: DockerClient, function: str) -> None:
    labels = [f"{environment.LABEL_REHEARSAL}={environment.ROOT}", f"{environment.LABEL_FUNCTION}={function}"]
    for each in sdk.api.containers(filters={"label": labels}, quiet=True):
        with contextlib.suppress(APIError):  # it has ended by itself
            sdk.api.kill(each["Id"])


@dataclass
class BrokenImage:
    """Image for new machines with broken node software."""

    image: NewImage = field(default_factory=lambda: NewImage(BROKEN))
    asg: str = ""
    last: int | None = None
    """Number of the last entry of the rehearsal's log before it; None if it never began."""
    mended: int = 0
    """Number of the last entry before the group launches again."""

    def terminate(self, nodes: list[Node]) -> None:
        self.last = last_number()
        cluster = cluster_of(nodes[0])
        self.asg = names.group_asg_name(cluster, nodes[-1].group)
        # The container gets no command. The image would inherit it, and a machine with such a command would
        # not boot.
        container = docker("create", self.image.find(cluster)).strip()
        docker("cp", "/dev/null", f"{container}:/etc/systemd/system/swarmer-configure.service")
        docker("commit", container, BROKEN, timeout_s=120)
        docker("rm", container)
        self.image.use()
        nodes[-1].terminate()
        is_open = lambda: said("breaker open", self.asg, after=self.last or 0)  # noqa: E731
        until(is_open, BREAKER_S, "the breaker did not open", pause_s=2.0)

    def lacks(self) -> list[str]:
        return lacks_breaker([] if self.last is None else happened(self.last), self.asg, self.mended)

    def mend(self, nodes: list[Node]) -> None:
        self.mended = last_number()
        self.image.put_back()
        asg = names.group_asg_name(cluster_of(nodes[0]), nodes[-1].group)
        person("autoscaling").resume_processes(AutoScalingGroupName=asg, ScalingProcesses=["Launch"])


def two_servers(lab: Lab) -> list[Node]:
    """Holder of the registry, and another server."""
    first = lab.holder()
    return [first, next(node for node in lab.consul_servers if node != first)]


def workers(lab: Lab) -> list[Node]:
    return list(lab.workers)


def one_zone(lab: Lab) -> list[Node]:
    """Nodes beside the holder, in its zone."""
    zones = {each["name"]: each["zone"] for each in lab.status()["nodes"]}
    zone = zones[lab.holder().name]
    return [node for node in lab.nodes if zones[node.name] == zone]


BROKEN_IMAGE: Final = BrokenImage()
LOST_MAJORITY: Final = LostMajority()
HEALING_CUT_OFF: Final = CutOff()
LOST_EVENTS: Final = (
    {"times": 50, "event": "EC2 Instance-terminate Lifecycle Action", "how": "lose"},
    {"times": 50, "event": "EC2 Instance State-change Notification", "how": "lose"},
    {"times": 50, "event": "EC2 Instance Terminate*", "how": "lose"},
)
ODD_EVENTS: Final = (
    {"times": 2, "event": "EC2 Instance-terminate Lifecycle Action", "how": "repeat"},
    {"times": 2, "event": "EC2 Instance State-change Notification", "how": "delay", "seconds": 20},
    {"times": 2, "event": "EC2 Instance-launch Lifecycle Action", "how": "delay", "seconds": 10},
)
BAD_CALLS: Final = (
    {"times": 15, "call": "autoscaling:*", "error": "Throttling"},
    {"times": 10, "call": "ec2:Describe*", "error": "RequestLimitExceeded"},
    {"times": 5, "call": "sqs:*", "error": "ServiceUnavailable"},
)


def terminated(name: str, what: str, faults: tuple[dict[str, Any], ...]) -> Fault:
    disturbance = Disturbance(faults)
    return Fault(
        name=name,
        what=what,
        victims=holder,
        inflict=disturbance.begin,
        lacks=disturbance.lacks,
        hold_s=5,
        within_s=REPLACED_S,
        clean_up=leave_in_peace,
    )


HEALING: Final = (
    terminated("console-terminated", "the holder's instance is terminated without a warning", ()),
    terminated("events-lost", "the same, and AWS loses every event about it", LOST_EVENTS),
    terminated("events-odd", "the same; its events come twice, late and out of order", ODD_EVENTS),
    terminated("calls-throttled", "the same, and AWS throttles and fails calls", BAD_CALLS),
    Fault(
        name="worker-scaled-in",
        what="one of two workers goes, with its tasks running",
        prepare=run_tasks,
        victims=workers,
        inflict=scale_in,
        hold_s=5,
        within_s=REPLACED_S,
        heals=is_removed,
        heal_s=180,
        clean_up=end_tasks,
    ),
    Fault(
        name="function-killed",
        what="deregister_node is killed half-way through a drain",
        prepare=run_tasks,
        victims=workers,
        inflict=kill_function_while_it_drains,
        hold_s=5,
        within_s=REPLACED_S,
        heals=is_removed,
        heal_s=180,
        clean_up=end_tasks,
    ),
    Fault(
        name="two-core-lost-apart",
        what="two core nodes are terminated, the second once the first's replacement votes",
        victims=two_servers,
        inflict=terminate_one_after_the_other,
        hold_s=5,
        within_s=REPLACED_S,
    ),
    Fault(
        name="zone-cut-off",
        what="a zone's packets are dropped for a minute",
        victims=one_zone,
        inflict=drop_packets,
        recover=heal_network,
        hold_s=CUT_S,
        within_s=REPLACED_S,
    ),
    Fault(
        name="broken-boot",
        what="a worker's replacements do not boot: the breaker opens, an operator fixes the image",
        victims=workers,
        inflict=BROKEN_IMAGE.terminate,
        recover=BROKEN_IMAGE.mend,
        hold_s=SUSPENDED_S,
        lacks=BROKEN_IMAGE.lacks,
        within_s=REPLACED_S,
    ),
    Fault(
        name="healing-cut-off",
        what="no function and no node reaches AWS while the holder's instance is to go: it is kept",
        prepare=cut_off.shorten_hooks,
        victims=holder,
        inflict=HEALING_CUT_OFF.begin,
        recover=leave_in_peace,
        hold_s=cut_off.SILENCE_S,
        says="Auto Scaling keeps it",
        within_s=300,
        lacks=HEALING_CUT_OFF.lacks,
        clean_up=cut_off.clean_up,
    ),
    Fault(
        name="two-core-lost-at-once",
        what="two core nodes are terminated at once: safe, and recovered by `swarmer recover`",
        victims=two_servers,
        inflict=LOST_MAJORITY.begin,
        recover=recover,
        hold_s=75,
        says="Consul has no leader",
        within_s=300,
        lacks=LOST_MAJORITY.lacks,
    ),
)
