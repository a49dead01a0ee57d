"""Run Command: requests, statuses and limits. The test plays the agents."""

from __future__ import annotations

import threading
import urllib.error
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from swarmer.fakeaws.base import faults, journal
from swarmer.fakeaws.base.faults import Fault
from tests.fakeaws.agents_client import (
    Node,
    details,
    document,
    invocation,
    is_online,
    nodes,
    send,
    template,
)
from tests.fakeaws.client import Aws

TAGGED = [{"Key": "tag:swarmer:cluster", "Values": ["t"]}]
EXEC = document(
    "echo '{{ Id }}' '{{ Seconds }}'",
    timeout="{{ Seconds }}",
    Id={"type": "String", "allowedPattern": "^[0-9a-f]{4}$"},
    Seconds={"type": "String", "allowedPattern": "[0-9]{1,5}", "default": "60"},
)


@pytest.fixture
def two(aws: Aws) -> list[Node]:
    """Two nodes whose agents have called once."""
    aws.create("t", template({"t-status": document("report"), "t-exec": EXEC}))
    found = nodes(aws)
    for node in found:
        node.poll()
    return found


def refused(aws: Aws, **request: Any) -> str:
    """Code and message of a refused SendCommand."""
    with pytest.raises(ClientError) as failed:
        aws.client("ssm").send_command(**request)
    error = failed.value.response["Error"]
    return f"{error['Code']}: {error.get('Message', '')}"


def test_a_command_by_tag_reaches_every_connected_node(aws: Aws, two: list[Node]) -> None:
    command = send(aws, "t-status", Targets=TAGGED)
    assert details(aws, command) == ["Pending", "Pending"]
    for node in two:
        (run,) = node.poll()["run"]
        assert (run["id"], run["steps"][0]["script"]) == (command, "report\n")
        assert node.poll(command)["run"] == []
    assert details(aws, command) == ["InProgress", "InProgress"]
    for node in two:
        node.report(command, out=f"I am {node.id}\n")
    found = aws.client("ssm").list_command_invocations(CommandId=command, Details=True)["CommandInvocations"]
    assert {each["InstanceId"]: each["CommandPlugins"][0]["Output"] for each in found} == {
        node.id: f"I am {node.id}\n" for node in two
    }
    assert {each["Status"] for each in found} == {"Success"}
    (whole,) = aws.client("ssm").list_commands(CommandId=command)["Commands"]
    assert (whole["Status"], whole["TargetCount"], whole["CompletedCount"]) == ("Success", 2, 2)
    sent = [each["detail"] for each in journal.entries() if each["what"] == "SendCommand"]
    assert sent == [{"command": command, "document": "t-status", "instances": [node.id for node in two]}]


def test_a_node_whose_agent_never_called_is_no_target(aws: Aws) -> None:
    aws.create("t", template({"t-status": document("report")}))
    known, unknown = nodes(aws)
    known.poll()
    command = send(aws, "t-status", Targets=TAGGED)
    found = aws.client("ssm").list_command_invocations(CommandId=command)["CommandInvocations"]
    assert [each["InstanceId"] for each in found] == [known.id]
    told = refused(aws, DocumentName="t-status", InstanceIds=[unknown.id])
    assert told == (
        f"InvalidInstanceId: Instances [[{unknown.id}]] not in a valid state for account 123456789012"
    )


def test_a_tag_that_no_node_has_ends_the_command_at_once(aws: Aws, two: list[Node]) -> None:
    command = send(aws, "t-status", Targets=[{"Key": "tag:swarmer:cluster", "Values": ["other"]}])
    (whole,) = aws.client("ssm").list_commands(CommandId=command)["Commands"]
    assert (whole["StatusDetails"], whole["TargetCount"]) == ("NoInstancesInTag", 0)


def test_parameters_are_filled_in_and_wrong_ones_are_refused(aws: Aws, two: list[Node]) -> None:
    command = send(aws, "t-exec", InstanceIds=[two[0].id], Parameters={"Id": ["abcd"], "Seconds": ["7"]})
    (run,) = two[0].poll()["run"]
    assert run["steps"] == [
        {"name": "run", "action": "aws:runShellScript", "script": "echo 'abcd' '7'\n", "timeout_s": 7}
    ]
    assert run["id"] == command
    wanted: dict[str, Any] = {"DocumentName": "t-exec", "InstanceIds": [two[0].id]}
    assert refused(aws, **wanted, Parameters={"Id": ["abcd'; reboot"]}) == (
        'InvalidParameters: Parameter "Id" has value "abcd\'; reboot" not matching "^[0-9a-f]{4}$".'
    )
    # The whole value has to match, with and without anchors.
    assert "not matching" in refused(aws, **wanted, Parameters={"Id": ["abcd"], "Seconds": ["7 8"]})
    assert "Missing required parameters: Id." in refused(aws, **wanted)
    assert 'Parameter "Other" is not defined' in refused(
        aws, **wanted, Parameters={"Id": ["abcd"], "Other": ["x"]}
    )


def test_unknown_documents_instances_and_commands_are_refused(aws: Aws, two: list[Node]) -> None:
    assert refused(aws, DocumentName="t-other", Targets=TAGGED).startswith("InvalidDocument: ")
    assert refused(aws, DocumentName="t-status").startswith("InvalidInstanceId: Instances [[]]")
    ssm = aws.client("ssm")
    unknown = "0" * 8 + "-0000-0000-0000-" + "0" * 12
    for act in (ssm.list_command_invocations, ssm.cancel_command):
        with pytest.raises(ClientError, match="InvalidCommandId"):
            act(CommandId=unknown)
    command = send(aws, "t-status", InstanceIds=[two[0].id])
    with pytest.raises(ClientError, match="InvocationDoesNotExist"):
        ssm.get_command_invocation(CommandId=command, InstanceId=two[1].id)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mainSteps": []}, "mainSteps"),
        (
            {"mainSteps": [{"action": "aws:runShellScript", "name": "a b", "inputs": {"runCommand": ["x"]}}]},
            "a b",
        ),
        ({"mainSteps": [{"action": "aws:runShellScript", "name": "a", "inputs": {}}]}, "runCommand"),
        ({"parameters": {}}, "parameter Id is used but not defined"),
        ({"parameters": {**EXEC["parameters"], "New": {"type": "Text"}}}, "type Text"),
        ({"parameters": {**EXEC["parameters"], "New": {"type": "String", "allowedPattern": "("}}}, "regular"),
    ],
)
def test_a_document_that_cannot_be_run_is_refused(aws: Aws, change: dict[str, Any], words: str) -> None:
    stack = aws.create("bad", template({"t-exec": {**EXEC, **change}}))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    failed = " ".join(each["ResourceStatusReason"] for each in aws.events("bad", "CREATE_FAILED"))
    assert words in failed


def test_an_update_of_the_template_changes_the_document(aws: Aws, two: list[Node]) -> None:
    aws.update("t", template({"t-status": document("other"), "t-exec": EXEC}))
    send(aws, "t-status", InstanceIds=[two[0].id])
    assert two[0].poll()["run"][0]["steps"][0]["script"] == "other\n"
    aws.client("cloudformation").delete_stack(StackName="t")
    aws.pass_time(1)
    assert "InvalidDocument" in refused(aws, DocumentName="t-status", Targets=TAGGED)


def test_the_exit_status_decides_and_the_error_output_is_told_apart(aws: Aws, two: list[Node]) -> None:
    command = send(aws, "t-status", InstanceIds=[two[0].id])
    assert invocation(aws, command, two[0].id)["ResponseCode"] == -1
    two[0].poll()
    two[0].report(command, code=3, out="half", err="failed to run commands: exit status 3")
    found = invocation(aws, command, two[0].id)
    assert (found["Status"], found["ResponseCode"], found["PluginName"]) == ("Failed", 3, "run")
    assert (found["StandardOutputContent"], found["ExecutionElapsedTime"]) == ("half", "PT1.500S")
    (listed,) = aws.client("ssm").list_command_invocations(CommandId=command, Details=True)[
        "CommandInvocations"
    ]
    assert listed["CommandPlugins"][0]["Output"] == (
        "half\n----------ERROR-------\nfailed to run commands: exit status 3"
    )


def test_output_is_cut_to_the_lengths_of_each_call(aws: Aws, two: list[Node]) -> None:
    command = send(aws, "t-status", InstanceIds=[two[0].id])
    two[0].poll()
    two[0].report(command, out="o" * 30_000, err="e" * 9_000)
    found = invocation(aws, command, two[0].id)
    assert len(found["StandardOutputContent"]) == 24_000
    assert len(found["StandardErrorContent"]) == 8_000
    (listed,) = aws.client("ssm").list_command_invocations(CommandId=command, Details=True)[
        "CommandInvocations"
    ]
    output = listed["CommandPlugins"][0]["Output"]
    assert len(output) == 2_500 and output.endswith("o\n---Output truncated---")


def test_a_node_that_is_not_connected_delays_its_command_until_it_expires(aws: Aws, two: list[Node]) -> None:
    aws.pass_time(11)
    command = send(aws, "t-status", InstanceIds=[two[0].id], TimeoutSeconds=30)
    assert details(aws, command) == ["Delayed"]
    aws.pass_time(31)
    # It comes back too late to start the command, which expires with the timeout of its execution.
    assert two[0].poll()["run"] == []
    assert details(aws, command) == ["Pending"]
    aws.pass_time(30)
    assert details(aws, command) == ["DeliveryTimedOut"]
    assert invocation(aws, command, two[0].id)["Status"] == "TimedOut"


def test_a_node_that_comes_back_in_time_runs_the_command(aws: Aws, two: list[Node]) -> None:
    aws.pass_time(11)
    command = send(aws, "t-status", InstanceIds=[two[0].id])
    assert two[0].poll()["run"][0]["id"] == command


def test_a_timeout_below_thirty_seconds_is_refused(aws: Aws, two: list[Node]) -> None:
    ssm = boto3.client(
        "ssm",
        endpoint_url=aws.server.url,
        region_name=aws.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(parameter_validation=False),
    )
    with pytest.raises(ClientError, match=r"ValidationException.*between 30 and"):
        ssm.send_command(DocumentName="t-status", InstanceIds=[two[0].id], TimeoutSeconds=29)


def test_a_node_that_dies_during_a_command_leaves_it_in_progress_until_it_expires(
    aws: Aws, two: list[Node]
) -> None:
    command = send(aws, "t-status", InstanceIds=[two[0].id], TimeoutSeconds=30)
    two[0].poll()
    aws.client("ec2").terminate_instances(InstanceIds=[two[0].id])
    assert details(aws, command) == ["InProgress"]
    aws.pass_time(61)
    assert details(aws, command) == ["DeliveryTimedOut"]


def test_a_command_for_a_node_that_is_gone_meanwhile_is_undeliverable(aws: Aws, two: list[Node]) -> None:
    aws.pass_time(11)
    command = send(aws, "t-status", InstanceIds=[two[0].id])
    aws.client("ec2").terminate_instances(InstanceIds=[two[0].id])
    assert details(aws, command) == ["Undeliverable"]
    assert "not in a valid state" in refused(aws, DocumentName="t-status", InstanceIds=[two[0].id])


def test_a_lost_answer_and_a_new_agent_get_the_command_again(aws: Aws, two: list[Node]) -> None:
    command = send(aws, "t-status", InstanceIds=[two[0].id])
    assert two[0].poll()["run"] and two[0].poll()["run"]
    two[0].report(command)
    assert two[0].poll()["run"] == []
    two[0].report(command, code=1)
    assert details(aws, command) == ["Success"]


def test_an_agent_that_asked_before_the_command_hears_of_it_at_once(aws: Aws, two: list[Node]) -> None:
    answers: list[dict[str, Any]] = []
    asking = threading.Thread(target=lambda: answers.append(two[0].poll(wait_s=4)))
    asking.start()
    command = send(aws, "t-status", InstanceIds=[two[0].id])
    asking.join(timeout=3)
    assert [each["run"][0]["id"] for each in answers] == [command]


def test_a_cancelled_command_is_ended_by_its_agent(aws: Aws, two: list[Node]) -> None:
    first, second = two
    command = send(aws, "t-status", Targets=TAGGED, MaxConcurrency="1")
    first.poll()
    aws.client("ssm").cancel_command(CommandId=command)
    assert details(aws, command) == ["Cancelling", "Cancelled"]
    assert first.poll(command) == {"run": [], "end": [command]}
    assert first.poll(command, ending=[command]) == {"run": [], "end": []}
    first.report(command, code=137, killed="cancel")
    assert details(aws, command) == ["Cancelled", "Cancelled"]
    assert second.poll()["run"] == []
    (whole,) = aws.client("ssm").list_commands(CommandId=command)["Commands"]
    assert whole["Status"] == "Cancelled"


def test_a_command_that_its_agent_does_not_run_any_more_is_cancelled(aws: Aws, two: list[Node]) -> None:
    command = send(aws, "t-status", InstanceIds=[two[0].id])
    two[0].poll()
    aws.client("ssm").cancel_command(CommandId=command, InstanceIds=[two[0].id])
    two[0].poll()
    assert details(aws, command) == ["Cancelled"]


def test_no_more_nodes_than_the_concurrency_run_it_at_once(aws: Aws, two: list[Node]) -> None:
    first, second = two
    command = send(aws, "t-status", Targets=TAGGED, MaxConcurrency="50%")
    assert first.poll()["run"] and not second.poll()["run"]
    first.report(command)
    assert second.poll()["run"]


def test_errors_beyond_the_limit_end_what_was_not_sent(aws: Aws, two: list[Node]) -> None:
    first, second = two
    command = send(aws, "t-status", Targets=TAGGED, MaxConcurrency="1")
    first.poll()
    first.report(command, code=1)
    assert second.poll()["run"] == []
    assert details(aws, command) == ["Failed", "Terminated"]
    command = send(aws, "t-status", Targets=TAGGED, MaxConcurrency="1", MaxErrors="100%")
    first.poll()
    first.report(command, code=1)
    assert second.poll()["run"]


def test_a_step_that_its_agent_killed_for_its_time_is_timed_out(aws: Aws, two: list[Node]) -> None:
    command = send(aws, "t-status", InstanceIds=[two[0].id])
    two[0].poll()
    two[0].report(command, code=137, killed="timeout")
    found = invocation(aws, command, two[0].id)
    assert (found["Status"], found["StatusDetails"]) == ("TimedOut", "ExecutionTimedOut")


def test_invocations_come_in_pages(aws: Aws) -> None:
    aws.create("t", template({"t-status": document("report")}, MinSize="7", MaxSize="7"))
    found = nodes(aws)
    for node in found:
        node.poll()
    command = send(aws, "t-status", Targets=TAGGED)
    pages = (
        aws.client("ssm")
        .get_paginator("list_command_invocations")
        .paginate(CommandId=command, PaginationConfig={"PageSize": 3})
    )
    sizes = [[each["InstanceId"] for each in page["CommandInvocations"]] for page in pages]
    assert [len(page) for page in sizes] == [3, 3, 1]
    assert sorted(each for page in sizes for each in page) == sorted(node.id for node in found)


def test_a_node_is_online_as_long_as_its_agent_calls(aws: Aws, two: list[Node]) -> None:
    ssm = aws.client("ssm")
    assert is_online(two[0]) and is_online(two[1])
    aws.pass_time(11)
    two[1].poll()
    assert not is_online(two[0]) and is_online(two[1])
    (lost,) = ssm.describe_instance_information(
        Filters=[{"Key": "PingStatus", "Values": ["ConnectionLost"]}]
    )["InstanceInformationList"]
    assert (lost["InstanceId"], lost["AgentVersion"]) == (two[0].id, "1.2.3")
    assert lost["IPAddress"].startswith("127.42.") and lost["ComputerName"] == f"host-{two[0].id}"
    tagged = [{"Key": "tag:swarmer:cluster", "Values": ["t"]}]
    assert len(ssm.describe_instance_information(Filters=tagged)["InstanceInformationList"]) == 2
    aws.client("ec2").terminate_instances(InstanceIds=[two[0].id])
    (left,) = ssm.describe_instance_information()["InstanceInformationList"]
    assert left["InstanceId"] == two[1].id
    assert ssm.get_connection_status(Target=two[1].id)["Status"] == "connected"
    assert ssm.get_connection_status(Target=two[0].id)["Status"] == "notconnected"


def test_an_agent_is_cut_off_by_a_fault_of_its_channel(aws: Aws, two: list[Node]) -> None:
    faults.active.add(Fault(call="ssmmessages:*", caller=two[0].id, error="ServiceUnavailable", times=9))
    with pytest.raises(urllib.error.HTTPError, match="503"):
        two[0].poll()
    assert two[1].poll() == {"run": [], "end": []}


def test_an_agent_needs_the_permissions_of_its_node_s_role(aws: Aws) -> None:
    aws.create("t", template({}, rights=None))
    with pytest.raises(urllib.error.HTTPError, match="403"):
        nodes(aws)[0].poll()
    assert aws.client("ssm").describe_instance_information()["InstanceInformationList"] == []


def test_an_agent_with_the_credentials_of_nobody_is_refused(aws: Aws, two: list[Node]) -> None:
    for node in (Node(aws, two[0].id, "ASIAUNKNOWN"), Node(aws, two[0].id, "test")):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            node.poll()
