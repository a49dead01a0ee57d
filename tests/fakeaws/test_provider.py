"""A cluster on AWS as an operator, and as a viewer, sees and changes it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from swarmer.core import names
from swarmer.core.errors import NodeUnreachable, NotDeployed, UserError
from swarmer.core.health import Expected
from swarmer.core.node_report import encode
from swarmer.core.quorum_report import QuorumReport
from swarmer.core.state import MemberStatus
from swarmer.fakeaws.base import clock
from swarmer.operations import recover
from swarmer.providers.aws import commands, reports
from swarmer.providers.aws.provider import AwsProvider
from tests.fakeaws.client import Aws
from tests.fakeaws.operated import FACTS, OPERATOR, VIEWER, agent, create_documents, launch, provider
from tests.fakeaws.template import cluster

BIG = 3_000_000
"""Bytes of an output that takes many log events, and several pages."""


@dataclass
class Output:
    """Output of a command."""

    pieces: list[tuple[str, bytes]] = field(default_factory=list)
    came: threading.Event = field(default_factory=threading.Event)

    def write(self, stream: str, piece: bytes) -> None:
        self.pieces.append((stream, piece))
        self.came.set()

    def of(self, stream: str) -> bytes:
        return b"".join(piece for name, piece in self.pieces if name == stream)


@dataclass
class Operated:
    """A node with an agent, and the cluster with an operator's credentials."""

    aws: Aws
    provider: AwsProvider
    node: Expected

    def run(self, script: str, timeout_s: float = 60) -> tuple[int, Output]:
        output = Output()
        argv = ("sh", "-c", script)
        return self.provider.run(self.node, argv, timeout_s=timeout_s, write=output.write), output

    def statuses(self) -> list[str]:
        """Statuses of all commands, the newest first."""
        return [each["Status"] for each in self.aws.client("ssm").list_commands(MaxResults=50)["Commands"]]


@pytest.fixture
def operated(aws: Aws) -> Iterator[Operated]:
    create_documents(aws)
    instance_id = launch(aws)
    with agent(aws, instance_id):
        found = provider(aws, "operator", OPERATOR)
        (node,) = found.nodes()
        yield Operated(aws, found, node)


def is_alive(marker: Path) -> bool:
    """Whether the process runs whose ID is in the file; one that nobody has waited for does not."""
    try:
        stat = Path(f"/proc/{marker.read_text().strip()}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


# -- looking ---------------------------------------------------------------------------------------------


def test_nodes_are_living_instances_of_the_groups_in_the_order_of_the_description(aws: Aws) -> None:
    worker, first, gone = launch(aws, "more"), launch(aws), launch(aws)
    launch(aws, cluster="other")
    aws.client("ec2").terminate_instances(InstanceIds=[gone])
    found = provider(aws, "viewer", VIEWER)
    assert [node.name for node in found.nodes()] == [f"core-{first}", f"more-{worker}"]
    assert all(node.runs and node.address and node.zone for node in found.nodes())
    assert found.terminated() == {gone}


def test_a_cluster_that_is_not_deployed_is_missed_in_the_region_that_was_asked(aws: Aws) -> None:
    aws.create("t-cluster", cluster(MinSize="1", MaxSize="1"))
    assert provider(aws, "viewer", VIEWER).version() == ""
    with pytest.raises(NotDeployed, match=r"no stack t-cluster in eu-west-3: .* AWS_REGION"):
        provider(aws, "stray", VIEWER, region="eu-west-3").version()


def test_one_command_asks_all_nodes_for_their_reports(aws: Aws) -> None:
    create_documents(aws)
    heard, silent = [launch(aws), launch(aws)], launch(aws)
    found = provider(aws, "viewer", VIEWER)
    with ExitStack() as agents:
        for each in heard:
            agents.enter_context(agent(aws, each))
        observed = found.observe(found.nodes())
    assert observed.members == {"core-i-1": MemberStatus.ALIVE}
    assert observed.answers == {f"core-{each}": True for each in heard}
    assert f"core-{silent}" not in observed.answers
    calls = Counter(found.account.calls)
    assert calls["ssm.SendCommand"] == calls["ssm.DescribeInstanceInformation"] == 1
    assert calls["ssm.ListCommandInvocations"] < 20


def test_nothing_is_sent_if_no_agent_is_connected(aws: Aws) -> None:
    instance_id = launch(aws)
    found = provider(aws, "viewer", VIEWER)
    observed = found.observe(found.nodes())
    assert not observed.members
    assert observed.silent == {f"core-{instance_id}": reports.NOT_CONNECTED}
    assert "ssm.SendCommand" not in found.account.calls


def test_a_node_whose_agent_fetches_nothing_is_not_waited_for(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "FETCH_TIMEOUT_S", 0.5)
    create_documents(aws)
    heard, silent = launch(aws), launch(aws)
    found = provider(aws, "viewer", VIEWER)
    with agent(aws, heard):
        with agent(aws, silent):
            pass  # it has called, so it counts as connected for some more seconds
        observed = found.observe(found.nodes())
    assert found.account.calls.count("ssm.ListCommandInvocations") < 10
    assert observed.answers == {f"core-{heard}": True}
    assert observed.silent == {f"core-{silent}": "its agent did not fetch the command in 0.5 s"}


def test_a_node_that_hangs_is_waited_for_some_seconds_after_the_others(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "LATENESS_S", 0.5)
    quick, hangs = launch(aws), launch(aws)
    script = f"[ $AWS_SSM_INSTANCE_ID = {quick} ] || exec sleep 60; echo '{encode(FACTS)}'"
    create_documents(aws, report=script)
    found = provider(aws, "viewer", VIEWER)
    with agent(aws, quick), agent(aws, hangs):
        observed = found.observe(found.nodes())
    assert found.account.calls.count("ssm.ListCommandInvocations") < 10
    assert observed.answers == {f"core-{quick}": True}
    assert observed.silent[f"core-{hangs}"].startswith("it did not answer in ")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exec sleep 60", "it did not answer in 1 s"),
        ("echo '{}'", "this release cannot read its text (not a report: "),
        ("echo words >&2; exit 1", "the command for it failed: words"),
        ("exit 3", "the command for it failed: failed to run commands: exit status 3"),
    ],
)
def test_a_node_without_a_readable_report_has_its_reason(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, script: str, why: str
) -> None:
    monkeypatch.setattr(reports, "FETCH_TIMEOUT_S", 1.0)
    monkeypatch.setattr(reports, "REPORT_TIMEOUT_S", 1.1)
    create_documents(aws, report=script)
    instance_id = launch(aws)
    found = provider(aws, "viewer", VIEWER)
    with agent(aws, instance_id):
        observed = found.observe(found.nodes())
    assert observed.silent.keys() == {f"core-{instance_id}"}
    assert observed.silent[f"core-{instance_id}"].startswith(why)
    assert not observed.answers


def test_events_come_from_the_logs_of_the_bus_and_of_the_functions(aws: Aws) -> None:
    logs = aws.client("logs")
    now_ms = int(time.time() * 1000)
    bus = '{"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification", "detail": {}}'
    for group, message, at_ms in (
        (names.function_log_group("t", "register-node"), "a line", now_ms),
        (names.events_log_group("t"), bus, now_ms - 1000),
        (names.events_log_group("t"), bus, now_ms - 90_000),
    ):
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName=str(at_ms))
        logs.put_log_events(
            logGroupName=group,
            logStreamName=str(at_ms),
            logEvents=[{"timestamp": at_ms, "message": message}],
        )
    found = provider(aws, "viewer", VIEWER).events(now_ms - 60_000)
    assert [(each.source, each.is_log) for each in found] == [("aws.ec2", False), ("register-node", True)]


# -- commands on a node ----------------------------------------------------------------------------------


def test_long_output_arrives_whole_with_the_exit_status(operated: Operated) -> None:
    status, output = operated.run(f"head -c {BIG} /dev/zero | tr '\\0' x; echo oops >&2; exit 3")
    assert status == 3
    assert len(output.of("out")) == BIG
    assert output.of("err") == b"oops\n"


def test_output_arrives_while_the_command_runs(operated: Operated, tmp_path: Path) -> None:
    output, goes_on = Output(), tmp_path / "goes-on"
    script = f"echo first; until [ -e {goes_on} ]; do sleep 0.1; done; echo last"
    arguments = {"timeout_s": 60.0, "write": output.write}
    thread = threading.Thread(
        target=operated.provider.run, args=(operated.node, ("sh", "-c", script)), kwargs=arguments
    )
    thread.start()
    assert output.came.wait(20)
    assert output.of("out") == b"first\n"
    goes_on.touch()
    thread.join()
    assert output.of("out") == b"first\nlast\n"


def test_an_interrupt_leaves_no_remote_command_running(operated: Operated, tmp_path: Path) -> None:
    marker = tmp_path / "pid"

    def interrupted(stream: str, piece: bytes) -> None:
        raise KeyboardInterrupt

    argv = ("sh", "-c", f"echo $$ > {marker}; echo first; sleep 100")
    with pytest.raises(KeyboardInterrupt):
        operated.provider.run(operated.node, argv, timeout_s=100, write=interrupted)
    assert operated.statuses() == ["Cancelled"]
    assert not is_alive(marker)


def test_a_command_that_takes_too_long_is_ended_and_said_so(operated: Operated, tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    with pytest.raises(UserError, match=r"longer than 1 s") as said:
        operated.run(f"echo $$ > {marker}; sleep 100", timeout_s=1)
    assert said.value.status == 1
    assert not is_alive(marker)


def test_a_program_that_is_not_there_is_named(operated: Operated) -> None:
    with pytest.raises(UserError, match="/bin/none: No such file"):
        operated.provider.run(operated.node, ("/bin/none",), timeout_s=10, write=Output().write)


def test_a_command_whose_program_fails_on_the_node_has_its_words_in_one_line(aws: Aws) -> None:
    create_documents(aws, run="echo 'no node.json' >&2; exit 1")
    instance_id = launch(aws)
    operator = provider(aws, "operator", OPERATOR)
    (node,) = operator.nodes()
    with agent(aws, instance_id), pytest.raises(NodeUnreachable) as said:
        operator.run(node, ("true",), timeout_s=60, write=Output().write)
    assert str(said.value) == f"{node.name}: the command was not run to its end: no node.json"
    assert said.value.status == 1


def test_a_node_that_boots_counts_as_silent_in_a_recovery(aws: Aws) -> None:
    """Its agent is connected, and its software is not installed yet."""
    create_documents(aws, run="exec /opt/missing/bin/python -m node.remote_command")
    instance_id = launch(aws)
    operator = provider(aws, "operator", OPERATOR)
    (node,) = operator.nodes()
    with agent(aws, instance_id):
        found = recover.observe_node(operator, node)
    assert found == QuorumReport(name=node.name, address=node.address)


def test_a_node_without_an_agent_gets_no_command(operated: Operated) -> None:
    launch(operated.aws, "more")
    (silent,) = (node for node in operated.provider.nodes() if node.group == "more")
    with pytest.raises(NodeUnreachable, match=f"{silent.name}: its agent is not connected"):
        operated.provider.run(silent, ("true",), timeout_s=10, write=Output().write)
    assert operated.statuses() == []


def test_a_node_that_dies_during_its_command_is_not_waited_for(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "SIGN_OF_LIFE_INTERVAL_S", 0.2)
    create_documents(aws)
    instance_id = launch(aws)
    operator = provider(aws, "operator", OPERATOR)
    (node,) = operator.nodes()
    with agent(aws, instance_id) as its_agent:

        def dies(stream: str, piece: bytes) -> None:
            its_agent.ends.set()
            clock.advance(60)

        with pytest.raises(NodeUnreachable, match="was lost while the command ran: its agent"):
            operator.run(node, ("sh", "-c", "echo first; exec sleep 120"), timeout_s=600, write=dies)


def test_two_operators_at_once_get_their_own_output(operated: Operated) -> None:
    other = provider(operated.aws, "operator-2", OPERATOR)
    mine, theirs = Output(), Output()
    thread = threading.Thread(
        target=other.run,
        args=(operated.node, ("echo", "theirs")),
        kwargs={"timeout_s": 60.0, "write": theirs.write},
    )
    thread.start()
    operated.provider.run(operated.node, ("echo", "mine"), timeout_s=60, write=mine.write)
    thread.join()
    assert mine.of("out") == b"mine\n"
    assert theirs.of("out") == b"theirs\n"


def test_a_command_that_is_too_long_is_not_sent(operated: Operated) -> None:
    with pytest.raises(UserError, match="too long") as said:
        operated.provider.run(operated.node, ("echo", "x" * 40_000), timeout_s=10, write=Output().write)
    assert said.value.status == 2
    assert operated.statuses() == []


# -- changes ---------------------------------------------------------------------------------------------


def test_an_operator_scales_reboots_and_terminates(aws: Aws) -> None:
    made = cluster(group="t-more", MinSize="0", MaxSize="2")
    tags = [{"Key": "swarmer:group", "Value": "more", "PropagateAtLaunch": True}]
    made["Resources"]["Group"]["Properties"]["Tags"] += tags
    aws.create("t-cluster", made)
    operator = provider(aws, "operator", OPERATOR)
    assert operator.scale("more", 1) == 0
    aws.pass_time()
    (node,) = operator.nodes()
    operator.reboot([node])
    operator.terminate(node)
    assert node.instance_id in operator.terminated()
    with pytest.raises(UserError, match="core is not deployed yet"):
        operator.scale("core", 3)


def test_the_registry_s_objects_are_listed(aws: Aws) -> None:
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "images"}}
    output = {names.OUTPUT_BUCKET: {"Value": {"Ref": "Bucket"}}}
    aws.create("t-registry", {"Resources": {"Bucket": bucket}, "Outputs": output})
    aws.client("s3").put_object(Bucket="images", Key="one", Body=b"123")
    assert provider(aws, "operator", OPERATOR).registry_objects() == ("images", [("one", 3)])


def test_a_viewer_is_refused_each_change_in_one_line_with_the_policy_that_grants_it(aws: Aws) -> None:
    create_documents(aws)
    instance_id = launch(aws)
    aws.create("t-cluster", cluster(MinSize="1", MaxSize="1"))
    viewer = provider(aws, "viewer", VIEWER)
    node = next(each for each in viewer.nodes() if each.instance_id == instance_id)
    with agent(aws, instance_id):
        changes: dict[str, Callable[[], object]] = {
            "ec2:TerminateInstances": lambda: viewer.terminate(node),
            "ec2:RebootInstances": lambda: viewer.reboot([node]),
            "ec2:GetConsoleOutput": lambda: viewer.console(node),
            "autoscaling:SetDesiredCapacity": lambda: viewer.scale("core", 2),
            "ssm:SendCommand": lambda: viewer.run(node, ("true",), timeout_s=5, write=Output().write),
        }
        for action, change in changes.items():
            with pytest.raises(
                UserError, match=rf"may not {action} on .*: the policy t-operator-us-east-1 g"
            ) as said:
                change()
            assert "\n" not in str(said.value)
    assert [each.instance_id for each in viewer.nodes()].count(instance_id) == 1
