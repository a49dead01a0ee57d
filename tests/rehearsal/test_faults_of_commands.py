"""Commands of operators that fail on real nodes: one line each, and nothing half-done."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swarmer.core import names
from swarmer.local import engine, node_containers
from tests.rehearsal.conftest import Cluster, until
from tests.rehearsal.people import Person, first_line, only_line, operator, root

pytestmark = pytest.mark.cluster

BYTES = 10_000_000
"""Bytes of a long output."""


@pytest.fixture(scope="module")
def node(cluster: Cluster) -> str:
    return str(cluster.nodes()[-1]["name"])


@pytest.fixture(scope="module")
def somebody(cluster: Cluster) -> Person:
    return operator(cluster, "first")


@pytest.fixture(scope="module")
def another(cluster: Cluster) -> Person:
    return operator(cluster, "second")


def is_alive(cluster: Cluster, node: str, pid: str) -> bool:
    return cluster.on(node, "sh", "-c", f"[ -e /proc/{pid} ] && echo yes || echo no") == "yes"


def statuses(cluster: Cluster) -> list[str]:
    """Statuses of all operators' commands, the newest first."""
    document = names.exec_document(cluster.env.cluster.name)
    pages = root(cluster, "ssm").get_paginator("list_commands").paginate()
    return [each["Status"] for page in pages for each in page["Commands"] if each["DocumentName"] == document]


# -- the operator's settings -----------------------------------------------------------------------------

NOBODY = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": ""}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (NOBODY | {"AWS_EC2_METADATA_DISABLED": "true"}, "AWS accepts no call with these credentials: "),
        ({"AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE"}, "AWS accepts no call with these credentials: "),
        ({"AWS_PROFILE": "typo"}, "AWS accepts no call with these credentials: "),
        ({"AWS_ENDPOINT_URL": "http://localhost:9"}, "AWS does not answer in "),
    ],
    ids=["no credentials", "unknown credentials", "no such profile", "no answer"],
)
def test_settings_that_lead_nowhere_are_told_and_change_nothing(
    cluster: Cluster, node: str, somebody: Person, variables: dict[str, str], said: str
) -> None:
    before = statuses(cluster)
    done = somebody.type("exec", node, "--", "touch", "/root/made", **variables)
    assert done.returncode == (1 if "answer" in said else 2)
    assert only_line(done.stderr).startswith(f"swarmer: {said}")
    assert done.stdout == ""
    assert statuses(cluster) == before


def test_expired_credentials_are_told_with_the_way_to_new_ones(
    cluster: Cluster, node: str, tmp_path: Path, somebody: Person
) -> None:
    """A profile of SSO whose token is gone: the SDK asks nobody, and says so."""
    config = tmp_path / "config"
    config.write_text(
        "[profile work]\nsso_session = work\nsso_account_id = 123456789012\nsso_role_name = operator\n"
        "[sso-session work]\nsso_region = us-east-1\nsso_start_url = https://example.com/start\n"
        "sso_registration_scopes = sso:account:access\n"
    )
    expired = {"AWS_PROFILE": "work", "AWS_CONFIG_FILE": str(config), "HOME": str(tmp_path)}
    done = somebody.type("exec", node, "--", "touch", "/root/made", **NOBODY, **expired)
    assert done.returncode == 2
    said = only_line(done.stderr)
    assert said.startswith("swarmer: the AWS credentials have expired: aws sso login"), said


def test_another_region_is_told_with_the_variable_that_names_it(
    cluster: Cluster, tmp_path: Path, somebody: Person
) -> None:
    """The operator's policy is for the cluster's own region, so AWS refuses the question for the cluster."""
    servers = tmp_path / "servers.yml"
    text = cluster.env.servers.read_text().splitlines()
    servers.write_text("\n".join(line for line in text if not line.startswith("network:")))
    done = somebody.type("status", "-f", str(servers), AWS_REGION="ap-south-1")
    assert done.returncode == 1
    said = only_line(done.stderr)
    assert said.startswith("swarmer: you may not cloudformation:DescribeStacks on "), said
    assert said.endswith("; if the cluster is in another region than ap-south-1, export AWS_REGION")


@pytest.fixture
def throttled(cluster: Cluster) -> Iterator[Callable[[str], None]]:
    """Function that throttles an action of the operator `first`, until the end of the test."""
    url = f"{cluster.env.aws_url}/swarmer/faults"

    def throttle(action: str) -> None:
        fault = {"call": action, "caller": "first", "error": "ThrottlingException", "times": 1000}
        asked = urllib.request.Request(url, data=json.dumps(fault).encode(), method="POST")
        urllib.request.urlopen(asked, timeout=10).close()

    yield throttle
    urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=10).close()


def test_a_throttled_account_sends_nothing(
    cluster: Cluster, node: str, somebody: Person, throttled: Callable[[str], None]
) -> None:
    before = statuses(cluster)
    throttled("ssm:SendCommand")
    done = somebody.type("exec", node, "--", "touch", "/root/made")
    assert done.returncode == 1
    assert only_line(done.stderr).startswith("swarmer: AWS throttles the account's calls in ")
    assert statuses(cluster) == before
    assert "made" not in cluster.on(node, "ls", "/root").split()


def test_a_command_whose_output_is_throttled_is_ended(
    cluster: Cluster, node: str, somebody: Person, throttled: Callable[[str], None]
) -> None:
    throttled("logs:GetLogEvents")
    done = somebody.type("exec", node, "--", "sh", "-c", "echo $$ > /root/throttled; exec sleep 600")
    assert done.returncode == 1
    assert only_line(done.stderr).startswith("swarmer: AWS throttles the account's calls in ")
    assert statuses(cluster)[0] == "Cancelled"
    written = cluster.on(node, "sh", "-c", "cat /root/throttled || echo 0")
    assert written == "0" or not is_alive(cluster, node, written)


# -- the node --------------------------------------------------------------------------------------------


def test_a_node_that_is_cut_off_is_told_by_every_command(
    cluster: Cluster, node: str, somebody: Person
) -> None:
    env = cluster.env
    rule = f"ip daddr {env.gateway} tcp dport {env.aws_port} drop"
    chain = "add chain inet cut out { type filter hook output priority 0; }"
    nft = ("exec", node_containers.container_name(env, node), "nft")
    engine.docker(*nft, f"add table inet cut; {chain}; add rule inet cut out {rule}")
    try:
        early = somebody.type("status")  # the agent still counts as connected
        assert f"  {node}: it sent no report: it" in early.stderr
        until(lambda: not is_online(cluster, node), 30, "it is still connected")
        status = somebody.type("status")
        assert status.returncode == 1
        why = "its agent is not connected to Systems Manager"
        assert f"  {node}: it sent no report: {why}\n" in status.stderr
        assert "the registry does not answer" not in status.stderr
        done = somebody.type("exec", node, "--", "touch", "/root/made")
        assert done.returncode == 1
        assert only_line(done.stderr).startswith(f"swarmer: {node}: {why}; ")
        logs = somebody.type("logs", node)
        assert (logs.returncode, bool(logs.stdout)) == (0, True)
    finally:
        engine.docker(*nft, "delete table inet cut")
    until(lambda: is_online(cluster, node), 30, "it does not come back")
    assert "made" not in cluster.on(node, "ls", "/root").split()


def is_online(cluster: Cluster, node: str) -> bool:
    listed = root(cluster, "ssm").describe_instance_information(MaxResults=50)["InstanceInformationList"]
    return any(
        (each["InstanceId"], each["PingStatus"]) == (names.instance_id(node), "Online") for each in listed
    )


def test_a_command_that_takes_too_long_is_ended(cluster: Cluster, node: str, somebody: Person) -> None:
    done = somebody.type(*("exec", "--timeout", "2", node, "--"), *("sh", "-c", "echo $$; exec sleep 600"))
    assert done.returncode == 1
    assert only_line(done.stderr) == f"swarmer: {node}: it took longer than 2 s"
    assert not is_alive(cluster, node, done.stdout.strip())


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_leaves_no_remote_command_running(
    cluster: Cluster, node: str, somebody: Person, ending: signal.Signals
) -> None:
    script = "sleep 600 & echo $$ $!; wait"
    running = somebody.begin("exec", node, "--", "sh", "-c", script)
    pids = first_line(running).split()
    assert [is_alive(cluster, node, pid) for pid in pids] == [True, True]
    running.send_signal(ending)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert b"Traceback" not in errors
    assert [is_alive(cluster, node, pid) for pid in pids] == [False, False]
    assert statuses(cluster)[0] == "Cancelled"


def test_ten_megabytes_arrive_whole(cluster: Cluster, node: str, somebody: Person) -> None:
    made = f"head -c {BYTES} /dev/urandom > /root/big; sha256sum /root/big"
    wanted = cluster.on(node, "sh", "-c", made).split()[0]
    running = somebody.begin("exec", node, "--", "cat", "/root/big")
    output, errors = running.communicate(timeout=120)
    cluster.on(node, "rm", "/root/big")
    assert (running.returncode, errors, len(output)) == (0, b"", BYTES)
    assert hashlib.sha256(output).hexdigest() == wanted


# -- two operators at once -------------------------------------------------------------------------------


def both(*running: subprocess.Popen[bytes]) -> list[tuple[int, str, str]]:
    """Exit status and both outputs of commands that run at the same time."""
    ended = [(each.communicate(timeout=180), each.returncode) for each in running]
    return [(status, out.decode(), err.decode()) for (out, err), status in ended]


def test_two_commands_at_once_on_one_node_have_their_own_output(
    cluster: Cluster, node: str, somebody: Person, another: Person
) -> None:
    """Each waits for the other, so they really run at the same time."""
    script = "touch /root/{mine}; until [ -e /root/{other} ]; do sleep 0.1; done; echo {mine}; exit {status}"
    typed = [
        person.begin("exec", node, "--", "sh", "-c", script.format(mine=mine, other=other, status=status))
        for person, mine, other, status in ((somebody, "one", "two", 3), (another, "two", "one", 4))
    ]
    found = both(*typed)
    cluster.on(node, "rm", "-f", "/root/one", "/root/two")
    assert found == [(3, "one\n", ""), (4, "two\n", "")]


def test_two_hand_overs_at_once_end_with_one_holder(
    cluster: Cluster, somebody: Person, another: Person
) -> None:
    before = cluster.status()["registry"]["holder"]
    for status, out, err in both(somebody.begin("handover"), another.begin("handover")):
        if status == 0:
            assert " handed over to " in out
        else:
            assert status == 1
            only_line(err)
    found = cluster.status()
    assert found["validated"], found["problems"]
    assert found["registry"]["holder"] != ""
    assert before in [each["name"] for each in found["nodes"]]


def test_two_changes_of_a_group_at_once_are_both_done(
    cluster: Cluster, somebody: Person, another: Person
) -> None:
    for status, out, _ in both(
        somebody.begin("scale", "--yes", "workers", "2"), another.begin("resume", "--yes", "workers")
    ):
        assert status == 0
        assert out.startswith("workers")
    name = names.group_asg_name(cluster.env.cluster.name, "workers")
    (group,) = root(cluster, "autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])[
        "AutoScalingGroups"
    ]
    assert (group["DesiredCapacity"], group["SuspendedProcesses"]) == (2, [])
