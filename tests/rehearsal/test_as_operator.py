"""Each command, typed from outside with an operator's role alone, and answers from inside beside it.

The questions run a second time on the rehearsal itself. Answers from inside come from the nodes' own
programs, and from the account with all permissions.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from swarmer.adapters.consul import Consul
from swarmer.adapters.session import PLUGIN
from swarmer.core import names
from swarmer.core.software import FUNCTIONS
from swarmer.local import node_containers
from tests.rehearsal.conftest import SWARMER, Cluster, containers, swarmer, until, watched
from tests.rehearsal.people import Person, first_line, only_line, operator, root

pytestmark = pytest.mark.cluster

PLACES = ("on the rehearsal", "as an operator on AWS")
STAND_IN = """#!{python}
import json, subprocess, sys
if sys.argv[1:] == ["--version"]:
    print("1.2.764.0")
    sys.exit()
wanted = json.loads(sys.argv[5])
listed = subprocess.check_output(["docker", "ps", "--format", "{{{{.Names}}}}"], text=True)
(container,) = (name for name in listed.split() if name.endswith(wanted["Target"]))
# A session's user becomes root by sudo, which a node container does not have.
line = wanted.get("Parameters", {{}}).get("command", ["bash"])[0].removeprefix("sudo ")
sys.exit(subprocess.run(["docker", "exec", "-i", container, "timeout", "2", "sh", "-c", line]).returncode)
"""
"""Plugin that reaches the node by Docker, because no data passes through the rehearsal's sessions."""


@pytest.fixture(scope="module")
def somebody(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """An operator whose PATH has the stand-in for AWS's plugin."""
    found, folder = operator(cluster, "operator"), tmp_path_factory.mktemp("plugin")
    plugin = folder / PLUGIN
    plugin.write_text(STAND_IN.format(python=sys.executable))
    plugin.chmod(0o755)
    found.variables["PATH"] = f"{folder}:{os.environ['PATH']}"
    return found


@pytest.fixture(scope="module", params=PLACES)
def typist(request: pytest.FixtureRequest, somebody: Person) -> Person:
    """Person who types the command: on the rehearsal, or with an operator's role."""
    is_operator = request.param == PLACES[1]
    return somebody if is_operator else Person("rehearsal", "", {"SWARMER_ON": "rehearsal"})


@pytest.fixture(scope="module")
def manager(cluster: Cluster) -> str:
    return str(cluster.nodes("swarm-manager")[0]["name"])


@pytest.fixture(scope="module")
def worker(cluster: Cluster) -> str:
    return str(cluster.nodes()[-1]["name"])


def holder(cluster: Cluster, manager: str) -> str:
    """Node that serves the registry, by Consul's catalog."""
    address = next(node["address"] for node in cluster.nodes() if node["name"] == manager)
    (found,) = Consul(address).healthy(names.SERVICE_REGISTRY)
    return found.node


# -- questions -------------------------------------------------------------------------------------------


def of_consul(cluster: Cluster, manager: str) -> dict[str, str]:
    """State of each member in Consul's words."""
    rows = [line.split() for line in cluster.on(manager, "consul", "members").splitlines()[1:]]
    return {row[0]: row[2] for row in rows}


def of_swarm(cluster: Cluster, manager: str) -> dict[str, tuple[str, str, str]]:
    """State, role and availability of each node in the Swarm."""
    shown = "{{.Hostname}} {{.Status}} {{.Availability}} {{.ManagerStatus}}"
    rows = [
        row.split() for row in cluster.on(manager, "docker", "node", "ls", "--format", shown).splitlines()
    ]
    roles = {"Leader": "leader", "Reachable": "manager"}
    return {
        row[0]: (row[1].lower(), roles[row[3]] if len(row) > 3 else "worker", row[2].lower()) for row in rows
    }


def test_the_status_is_what_the_nodes_daemons_say(cluster: Cluster, manager: str, typist: Person) -> None:
    done = typist.type("status", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    nodes = found["nodes"]
    assert {node["name"]: node["consul"] for node in nodes} == of_consul(cluster, manager)
    rows = {node["name"]: (node["swarm"], node["swarm_role"], node["availability"]) for node in nodes}
    assert rows == of_swarm(cluster, manager)
    assert found["registry"]["holder"] == holder(cluster, manager)
    assert found["registry"]["healthy"]
    shown = typist.type("status")
    assert shown.returncode == 0, shown.stderr
    assert all(node["name"] in shown.stdout for node in nodes)


def test_watching_the_status_shows_the_same_until_ctrl_c(cluster: Cluster, typist: Person) -> None:
    watching = typist.begin("status", "--watch", "--json")
    found = json.loads(first_line(watching))
    watching.send_signal(signal.SIGINT)
    watching.communicate(timeout=30)
    assert watching.returncode == 0
    assert found["nodes"] == cluster.status()["nodes"]


def recorded(cluster: Cluster) -> set[str]:
    """IDs of all entries in the logs of the functions and of the groups' events."""
    name, logs = cluster.env.cluster.name, root(cluster, "logs")
    functions = [names.function_log_group(name, each.replace("_", "-")) for each in FUNCTIONS]
    known = {each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]}
    pages = logs.get_paginator("filter_log_events")
    return {
        event["eventId"]
        for group in (names.events_log_group(name), *functions)
        if group in known
        for page in pages.paginate(logGroupName=group)
        for event in page["events"]
    }


def test_events_are_all_entries_of_the_cluster_s_logs(cluster: Cluster, typist: Person) -> None:
    before = recorded(cluster)
    done = typist.type("events", "--all", "--json", "-n", "1000000", "--minutes", "600")
    assert done.returncode == 0, done.stderr
    shown = {json.loads(line)["id"] for line in done.stdout.splitlines()}
    assert before <= shown <= recorded(cluster)


def test_events_are_followed_until_ctrl_c(typist: Person) -> None:
    following = typist.begin("events", "--follow", "--json", "--all", "--minutes", "600")
    assert json.loads(first_line(following))["id"]
    following.send_signal(signal.SIGINT)
    following.communicate(timeout=30)
    assert following.returncode == 0


def test_addresses_are_those_of_the_nodes_own_interfaces(cluster: Cluster, typist: Person) -> None:
    done = typist.type("address", "--all")
    assert done.returncode == 0, done.stderr
    for node, address in zip(cluster.nodes(), done.stdout.split(), strict=True):
        assert address in cluster.on(node["name"], "hostname", "-I").split()


def test_a_command_runs_as_it_does_inside_the_node(cluster: Cluster, worker: str, typist: Person) -> None:
    script = "hostname; id -u; cat /etc/hostname; echo others >&2; exit 3"
    done = typist.type("exec", worker, "--", "sh", "-c", script)
    inside = cluster.on(worker, "sh", "-c", "hostname; id -u; cat /etc/hostname")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (3, inside, "others\n")


def journal(cluster: Cluster, worker: str) -> str:
    return cluster.on(worker, "journalctl", "--no-pager", "-n", "5", "-u", "swarmer-configure")


def test_logs_are_the_node_s_journal(cluster: Cluster, worker: str, typist: Person) -> None:
    done = typist.type("logs", worker, "-n", "5", "-u", "swarmer-configure")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == journal(cluster, worker)


def test_a_shell_is_one_on_the_node(cluster: Cluster, worker: str, typist: Person) -> None:
    done = subprocess.run(
        [SWARMER, "shell", worker],
        env=os.environ | typist.variables,
        input="cat /etc/hostname; exit 4\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout.strip()) == (4, cluster.on(worker, "cat", "/etc/hostname"))


def test_the_bucket_s_objects_are_those_in_s3(cluster: Cluster, typist: Person) -> None:
    done = typist.type("bucket", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    pages = root(cluster, "s3").get_paginator("list_objects_v2").paginate(Bucket=found["bucket"])
    listed = [
        {"key": each["Key"], "bytes": each["Size"]} for page in pages for each in page.get("Contents", ())
    ]
    assert found["objects"] == listed


def test_a_cluster_with_a_quorum_is_not_recovered(typist: Person) -> None:
    done = typist.type("recover", *([] if typist.session == "rehearsal" else ["--yes"]))
    assert done.returncode == 1
    assert "Consul has a leader" in only_line(done.stderr)


def test_logs_are_followed_by_awss_plugin(cluster: Cluster, worker: str, somebody: Person) -> None:
    done = somebody.type("logs", worker, "-n", "5", "-u", "swarmer-configure", "--follow")
    assert done.stdout.strip() == journal(cluster, worker)
    assert done.returncode == 124, "the stand-in ends it, because nobody presses Ctrl-C"


# -- changes ---------------------------------------------------------------------------------------------


def group_of(cluster: Cluster, group: str) -> dict[str, Any]:
    name = names.group_asg_name(cluster.env.cluster.name, group)
    found = root(cluster, "autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    return dict(found["AutoScalingGroups"][0])


@pytest.fixture
def suspended(cluster: Cluster) -> Iterator[None]:
    """The workers' group launches nothing, as after too many failed boots."""
    name = names.group_asg_name(cluster.env.cluster.name, "workers")
    processes = {"AutoScalingGroupName": name, "ScalingProcesses": ["Launch"]}
    root(cluster, "autoscaling").suspend_processes(**processes)
    yield
    root(cluster, "autoscaling").resume_processes(**processes)


@pytest.mark.usefixtures("suspended")
def test_launches_that_were_suspended_are_resumed(cluster: Cluster, somebody: Person) -> None:
    assert [each["ProcessName"] for each in group_of(cluster, "workers")["SuspendedProcesses"]] == ["Launch"]
    done = somebody.type("resume", "--yes", "workers")
    assert done.returncode == 0, done.stderr
    assert group_of(cluster, "workers")["SuspendedProcesses"] == []


def test_a_group_s_size_is_set(cluster: Cluster, somebody: Person) -> None:
    done = somebody.type("scale", "--yes", "workers", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("workers: 2 → 2 nodes")
    assert group_of(cluster, "workers")["DesiredCapacity"] == 2
    refused = somebody.type("scale", "--yes", "workers", "3")
    assert refused.returncode == 2
    assert "workers has 2 to 2 nodes, not 3" in only_line(refused.stderr)


def test_the_registry_is_handed_over(cluster: Cluster, manager: str, somebody: Person) -> None:
    before = holder(cluster, manager)
    done = somebody.type("handover")
    assert done.returncode == 0, done.stderr
    after = holder(cluster, manager)
    assert done.stdout == f"{before} handed over to {after}\n"
    assert before != after


def test_a_node_reboots_once_and_its_unfinished_command_does_not_run_again(
    cluster: Cluster, worker: str, somebody: Person
) -> None:
    """The agent of a rebooted node runs its unfinished documents again."""
    began = containers(cluster.env)
    script = "echo x >> /root/ran; echo ran; exec sleep 600"
    running = somebody.begin("exec", worker, "--", "sh", "-c", script)
    assert first_line(running) == "ran"
    done = somebody.type("reboot", "--yes", worker)
    assert (done.returncode, done.stdout) == (0, f"rebooted {worker}\n"), done.stderr
    _, errors = running.communicate(timeout=120)
    said = only_line(errors.decode())
    assert running.returncode == 1
    assert said.startswith(f"swarmer: {worker}"), said
    assert "not run twice" in said or "was lost while the command ran" in said
    name = node_containers.container_name(cluster.env, worker)
    until(lambda: containers(cluster.env)[name] != began[name], 60, "the machine does not reboot")
    watched(lambda status: status["validated"], 120, "the node does not come back")
    ran = root(cluster, "ssm").list_commands(MaxResults=50)["Commands"]
    exec_document = names.exec_document(cluster.env.cluster.name)
    newest = next(each for each in ran if each["DocumentName"] == exec_document)
    assert newest["Status"] != "InProgress", "the agent has dealt with the command"
    assert cluster.on(worker, "cat", "/root/ran") == "x"


def test_a_node_that_dies_during_its_command_is_told_and_replaced(
    cluster: Cluster, worker: str, somebody: Person
) -> None:
    running = somebody.begin("exec", worker, "--", "sh", "-c", "echo began; exec sleep 600")
    assert first_line(running) == "began"
    assert swarmer("kill", worker).returncode == 0
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 1
    assert f"{worker} was lost while the command ran: " in only_line(errors.decode())
    status = somebody.type("status")
    assert status.returncode == 1
    assert f"  {worker}: it sent no report: its agent is not connected" in status.stderr
    console = somebody.type("logs", worker)
    assert console.returncode == 0
    assert "its agent is not connected to Systems Manager" in console.stderr
    assert "swarmer" in console.stdout
    done = somebody.type("terminate", "--yes", worker)
    assert done.returncode == 0, done.stderr
    assert f"{worker} is terminated" in done.stdout
    up = swarmer("up")
    assert up.returncode == 0, up.stdout + up.stderr
    assert worker not in [node["name"] for node in cluster.status()["nodes"]]
