"""Documents, logs, events and policies for people who look at a cluster or run it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from stacks import app as stacks
from swarmer.core import description, names, remote_command, software
from swarmer.core.naming_rules import LONGEST_CLUSTER_NAME
from tests.stacks.assembly import Assembly, Resource, joined, listed
from tests.stacks.functions import template
from tests.stacks.policies import Place, policies

LOOKING = {
    "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeScalingActivities",
    "cloudformation:DescribeStacks", "cloudformation:ListStacks", "cloudwatch:DescribeAlarms",
    "ec2:DescribeInstances", "logs:FilterLogEvents", "ssm:DescribeInstanceInformation",
    "ssm:ListCommandInvocations", "ssm:SendCommand",
}  # fmt: skip
RUNNING = {
    "autoscaling:ResumeProcesses", "autoscaling:SetDesiredCapacity", "ec2:GetConsoleOutput",
    "ec2:RebootInstances", "logs:GetLogEvents",
    "ec2:TerminateInstances", "s3:ListBucket", "ssm:CancelCommand", "ssm:ResumeSession", "ssm:StartSession",
    "ssm:TerminateSession", "ssmmessages:OpenDataChannel",
}  # fmt: skip
HOME = Place("aws", "eu-central-1", "amazonaws.com")
LARGEST = Place("aws-us-gov", "us-gov-west-1", "amazonaws.com")
LONGEST_POLICY = 6144
"""Characters of a managed policy without white space, IAM's quota.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""


def of_name(assembly: Assembly, kind: str, key: str, name: str) -> Resource:
    (found,) = (it for it in assembly.of_type(kind).values() if it.get(key) == name)
    return found


def document(assembly: Assembly, name: str) -> Resource:
    return of_name(assembly, "AWS::SSM::Document", "Name", name)


def statements(assembly: Assembly, logical_id: str, place: Place = HOME) -> list[dict[str, Any]]:
    """Statements of a managed policy, resolved."""
    (found,) = (it for it in policies(assembly.templates, place) if it.holders[0].startswith(logical_id))
    return list(found.statements)


def viewer(assembly: Assembly) -> list[dict[str, Any]]:
    return statements(assembly, "OperationsViewer")


def operator(assembly: Assembly) -> list[dict[str, Any]]:
    return statements(assembly, "OperationsOperator")


def actions(found: list[dict[str, Any]]) -> set[str]:
    return {action for statement in found for action in listed(statement["Action"])}


def resources(found: list[dict[str, Any]], action: str) -> set[str]:
    """Resources of an action in all statements that allow it."""
    return {
        each for it in found if action in listed(it["Action"]) for each in map(str, listed(it["Resource"]))
    }


# -- documents ---------------------------------------------------------------------------------------


def test_the_report_takes_no_parameters(assembly: Assembly) -> None:
    content = document(assembly, f"{assembly.cluster.name}-status")["Content"]
    assert "parameters" not in content
    assert "{{" not in json.dumps(content)
    (step,) = content["mainSteps"]
    assert step["action"] == "aws:runShellScript"
    assert step["inputs"] == {
        "timeoutSeconds": "30",
        "runCommand": ["exec /opt/swarmer/bin/python -m node.report"],
    }


def test_the_command_is_quoted_and_each_value_has_a_pattern(assembly: Assembly) -> None:
    content = document(assembly, f"{assembly.cluster.name}-exec")["Content"]
    (step,) = content["mainSteps"]
    (line,) = step["inputs"]["runCommand"]
    assert line == (
        "exec /opt/swarmer/bin/python -m node.remote_command '{{ Id }}' '{{ Seconds }}' '{{ Command }}'"
    )
    assert step["inputs"]["timeoutSeconds"] == "{{ Seconds }}"
    used = set(re.findall(r"{{ (\w+) }}", json.dumps(step)))
    assert used == set(content["parameters"]) == set(remote_command.PATTERNS)
    for name, parameter in content["parameters"].items():
        assert parameter["allowedPattern"] == remote_command.PATTERNS[name]
        assert parameter["allowedPattern"].startswith("^")
        assert parameter["allowedPattern"].endswith("$")


def test_documents_name_programs_of_the_node_software(assembly: Assembly) -> None:
    named = re.findall(r"-m (node\.\w+)", json.dumps(assembly.of_type("AWS::SSM::Document")))
    assert len(named) == 2
    carried = {str(path) for path in software.files()}
    assert {f"{name.replace('.', '/')}.py" for name in named} <= carried


def test_another_content_is_another_version_of_the_same_document(assembly: Assembly) -> None:
    found = assembly.of_type("AWS::SSM::Document")
    assert len(found) == 2
    for each in found.values():
        assert each["UpdateMethod"] == "NewVersion"
        assert (each["DocumentType"], each["DocumentFormat"]) == ("Command", "JSON")
        assert each["Content"]["schemaVersion"] == "2.2"


# -- logs and events -----------------------------------------------------------------------------------


def test_output_and_events_are_kept_for_a_bounded_time(assembly: Assembly) -> None:
    name = assembly.cluster.name
    for log_group, days in ((names.exec_log_group(name), 7), (names.events_log_group(name), 90)):
        found = of_name(assembly, "AWS::Logs::LogGroup", "LogGroupName", log_group)
        assert found["RetentionInDays"] == days


def rules(assembly: Assembly) -> list[Resource]:
    """Rules whose target is the log group of events."""
    found = assembly.of_type("AWS::Events::Rule")
    return [it for name, it in found.items() if name.startswith("Operations")]


def test_every_event_of_the_clusters_groups_is_recorded(assembly: Assembly) -> None:
    patterns = [rule["EventPattern"] for rule in rules(assembly)]
    prefix = {"AutoScalingGroupName": [{"prefix": f"{assembly.cluster.name}-"}]}
    assert patterns[0] == {"source": ["aws.autoscaling"], "detail": prefix}
    if any(group.spot for group in assembly.cluster.groups):
        warned = {"source": ["aws.ec2"], "detail-type": ["EC2 Spot Instance Interruption Warning"]}
        assert patterns[1:] == [warned]
    else:
        assert patterns[1:] == []


def test_rules_name_the_log_group_as_eventbridge_takes_it(assembly: Assembly) -> None:
    (logical_id,) = (
        name
        for name, it in assembly.of_type("AWS::Logs::LogGroup").items()
        if it.get("LogGroupName") == names.events_log_group(assembly.cluster.name)
    )
    for rule in rules(assembly):
        (target,) = rule["Targets"]
        assert "RoleArn" not in target
        *_, before, group = target["Arn"]["Fn::Join"][1]
        assert (before, group) == (":log-group:", {"Ref": logical_id})


def test_eventbridge_may_write_that_log_group_and_no_other(assembly: Assembly) -> None:
    (policy,) = assembly.of_type("AWS::Logs::ResourcePolicy").values()
    (statement,) = json.loads(joined(policy["PolicyDocument"]))["Statement"]
    assert statement["Principal"]["Service"] == ["events.amazonaws.com", "delivery.logs.amazonaws.com"]
    assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert statement["Resource"].count("*") == 1
    assert statement["Resource"].endswith(":*")
    (logical_id,) = (
        it["Ref"] for it in policy["PolicyDocument"]["Fn::Join"][1] if "Events" in str(it) and "Ref" in it
    )
    group = template(assembly)["Resources"][logical_id]["Properties"]["LogGroupName"]
    assert group == f"/aws/events/swarmer/{assembly.cluster.name}"


# -- policies ------------------------------------------------------------------------------------------


def test_a_viewer_may_look_and_an_operator_may_do_what_commands_need(assembly: Assembly) -> None:
    assert actions(viewer(assembly)) == LOOKING
    assert actions(operator(assembly)) == LOOKING | RUNNING
    assert [it for it in viewer(assembly) if it not in operator(assembly)] == []


def test_a_viewer_may_send_the_report_alone(assembly: Assembly) -> None:
    name = assembly.cluster.name
    sent = {it for it in resources(viewer(assembly), "ssm:SendCommand") if ":document/" in it}
    assert sent == {f"arn:aws:ssm:eu-central-1:123456789012:document/{name}-status"}
    sent = {it for it in resources(operator(assembly), "ssm:SendCommand") if ":document/" in it}
    assert {it.rpartition("/")[2] for it in sent} == {f"{name}-status", f"{name}-exec"}


def test_a_viewer_reads_functions_and_events_and_not_the_output_of_commands(assembly: Assembly) -> None:
    name = assembly.cluster.name
    events, output = names.events_log_group(name), names.exec_log_group(name)
    functions = {names.function_log_group(name, it.replace("_", "-")) for it in software.FUNCTIONS}

    def read(found: list[dict[str, Any]], action: str) -> set[str]:
        groups = resources(found, action)
        assert all(re.fullmatch(r"arn:aws:logs:eu-central-1:\d+:log-group:[^*]+:\*", it) for it in groups)
        # The resolver leaves out a slash in front.
        return {f"/{it.split(':')[6].removeprefix('/')}" for it in groups}

    for found in (viewer(assembly), operator(assembly)):
        assert read(found, "logs:FilterLogEvents") == {*functions, events}
    assert read(operator(assembly), "logs:GetLogEvents") == {output}
    assert not [it for it in actions(viewer(assembly)) if it.startswith("logs:Get")]


def test_commands_and_sessions_reach_instances_of_the_cluster_alone(assembly: Assembly) -> None:
    for found in (viewer(assembly), operator(assembly)):
        for statement in found:
            if any(":instance/" in str(it) for it in listed(statement["Resource"])):
                ((key, value),) = statement["Condition"]["StringEquals"].items()
                assert key.endswith("esourceTag/swarmer:cluster"), statement
                assert value == assembly.cluster.name


def test_an_operator_ends_sessions_of_its_own_alone(assembly: Assembly) -> None:
    (found,) = (it for it in operator(assembly) if "ssm:TerminateSession" in listed(it["Action"]))
    key = "ssm:resourceTag/aws:ssmmessages:session-id"
    assert found["Condition"] == {"StringEquals": {key: "${aws:userid}"}}


def test_names_differ_between_regions_because_iams_are_those_of_all(assembly: Assembly) -> None:
    found = {it["ManagedPolicyName"]["Fn::Join"][1][0]: it for it in managed(assembly)}
    assert set(found) == {f"{assembly.cluster.name}-{kind}-" for kind in ("viewer", "operator")}
    for each in found.values():
        assert each["ManagedPolicyName"]["Fn::Join"][1][1] == {"Ref": "AWS::Region"}
        # Another description, path or name would be another policy.
        assert set(each) == {"ManagedPolicyName", "PolicyDocument"}


def managed(assembly: Assembly) -> list[Resource]:
    return list(assembly.of_type("AWS::IAM::ManagedPolicy").values())


def test_outputs_name_the_policies(assembly: Assembly) -> None:
    outputs = template(assembly)["Outputs"]
    for output, logical_id in ((names.OUTPUT_VIEWER, "Viewer"), (names.OUTPUT_OPERATOR, "Operator")):
        assert outputs[output]["Value"]["Ref"].startswith(f"Operations{logical_id}")
        assert "detach it" in outputs[output]["Description"]


def test_the_policies_of_the_longest_name_fit(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("longest")
    name = "n" * LONGEST_CLUSTER_NAME
    cluster = description.parse(
        f"name: {name}\ngroups:\n  a: {{roles: [consul-server, swarm-manager, swarm-worker], size: 3}}\n"
    )
    app = stacks.new_app(outdir=str(directory))
    stacks.build(app, cluster)
    app.synth()
    found = statements(Assembly(directory, cluster), "OperationsOperator", LARGEST)
    text = json.dumps({"Version": "2012-10-17", "Statement": found}, separators=(",", ":"))
    assert len(text) < LONGEST_POLICY - 500, "leave some room"
