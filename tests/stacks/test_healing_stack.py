"""The functions' stack: what wakes them, what they may do, where they run."""

from __future__ import annotations

import json
import re

from lambdas.deregister_node.environment import Environment as OfDeregister
from lambdas.heal_registry.environment import Environment as OfHeal
from lambdas.reconcile_cluster.environment import Environment as OfReconcile
from lambdas.register_node.environment import Environment as OfRegister
from lambdas.shared import environment
from swarmer.core import names, software
from swarmer.core.healing import departure, pacing
from tests.stacks.assembly import Assembly, Resource, joined, listed
from tests.stacks.functions import each_function, of, template, the_function

ENVIRONMENTS: dict[str, type[environment.Environment]] = {
    "register_node": OfRegister,
    "deregister_node": OfDeregister,
    "heal_registry": OfHeal,
    "reconcile_cluster": OfReconcile,
}
COMMON = {
    "WriteLogs",
    "ConsumeQueue",
    "SendToDeadLetterQueue",
    "AttachToVpc",
    "DenyInterfacesToCode",
}
PERMISSIONS = {
    "register_node": {
        "DescribeCluster", "ReadScalingActivities", "ReadClusterId", "CompleteLifecycleActions",
        "SuspendLaunches", "ReadConsoleOutput",
    },
    "deregister_node": {"DescribeCluster", "ReadClusterId", "CompleteLifecycleActions"},
    "heal_registry": {"DescribeCluster"},
    "reconcile_cluster": {
        "DescribeCluster", "ReadScalingActivities", "ReadClusterId", "CompleteLifecycleActions",
        "SuspendLaunches", "ReadConsoleOutput", "ReplaceNodes", "EndRetainedNodes",
    },
}  # fmt: skip


def permissions(assembly: Assembly, function: str) -> dict[str, Resource]:
    (role,) = of(assembly, function, "AWS::IAM::Role").values()
    return {it["Sid"]: it for policy in role["Policies"] for it in policy["PolicyDocument"]["Statement"]}


def queues(assembly: Assembly, function: str) -> tuple[Resource, Resource]:
    """The queue and its dead letters."""
    found = of(assembly, function, "AWS::SQS::Queue")
    (dead,) = (it for name, it in found.items() if "DeadLetters" in name)
    (queue,) = (it for name, it in found.items() if "DeadLetters" not in name)
    return queue, dead


def patterns(assembly: Assembly, function: str) -> list[Resource]:
    rules = of(assembly, function, "AWS::Events::Rule").values()
    return [rule.get("EventPattern") or {"schedule": rule["ScheduleExpression"]} for rule in rules]


# -- place in the whole ------------------------------------------------------------------------------


def test_it_refers_to_nothing_of_the_cluster(assembly: Assembly) -> None:
    text, name = json.dumps(template(assembly)), assembly.cluster.name
    assert set(re.findall(r'"Fn::ImportValue": "([a-z]+-[a-z]+):', text)) == {
        f"{name}-network",
        f"{name}-registry",
    }


def test_every_folder_below_lambdas_is_a_function(assembly: Assembly) -> None:
    folders = {path.parent.name for path in (software.ROOT / "lambdas").glob("*/handler.py")}
    assert folders == set(software.FUNCTIONS) == set(ENVIRONMENTS)
    assert len(assembly.of_type("AWS::Lambda::Function")) == len(folders)


@each_function
def test_a_function_runs_as_it_was_meant_to(assembly: Assembly, function: str) -> None:
    found = the_function(assembly, function)
    assert found["FunctionName"] == f"{assembly.cluster.name}-{function.replace('_', '-')}"
    assert len(found["FunctionName"]) <= 64
    assert (found["Runtime"], found["Architectures"]) == ("python3.13", ["arm64"])
    assert found["Handler"] == f"lambdas.{function}.handler.handler"
    assert found["MemorySize"] == (1024 if function == "reconcile_cluster" else 256)


@each_function
def test_its_template_gives_it_the_whole_environment_that_it_reads(assembly: Assembly, function: str) -> None:
    variables = the_function(assembly, function)["Environment"]["Variables"]
    told = {name: value if isinstance(value, str) else joined(value) for name, value in variables.items()}
    read = environment.read(ENVIRONMENTS[function], told)
    assert read.cluster == assembly.cluster.name
    unread = set(told) - {name.upper() for name in vars(read)}
    assert unread == {"POWERTOOLS_SERVICE_NAME"}


def test_logs_are_kept_for_a_bounded_time(assembly: Assembly) -> None:
    for function in software.FUNCTIONS:
        (log_group,) = of(assembly, function, "AWS::Logs::LogGroup").values()
        assert log_group["RetentionInDays"] == 90


def test_a_functions_log_group_has_the_name_that_people_look_for_first(assembly: Assembly) -> None:
    for function in software.FUNCTIONS:
        (log_group,) = of(assembly, function, "AWS::Logs::LogGroup").values()
        name = the_function(assembly, function)["FunctionName"]
        assert log_group["LogGroupName"] == f"/aws/lambda/{name}"


def test_an_alarm_about_a_function_names_the_log_group_to_search(assembly: Assembly) -> None:
    texts = [each["AlarmDescription"] for each in assembly.of_type("AWS::CloudWatch::Alarm").values()]
    told = [text for text in texts if "Search" in text or "the reason" in text or "Check the log" in text]
    assert len(told) >= 2 * len(software.FUNCTIONS)
    assert all("/aws/lambda/" in text for text in told)


# -- events --------------------------------------------------------------------------------------------


def test_hooks_of_the_clusters_groups_wake_their_function(assembly: Assembly) -> None:
    prefix = {"AutoScalingGroupName": [{"prefix": f"{assembly.cluster.name}-"}]}
    for function, kind in (("register_node", "launch"), ("deregister_node", "terminate")):
        assert patterns(assembly, function) == [
            {
                "source": ["aws.autoscaling"],
                "detail-type": [f"EC2 Instance-{kind} Lifecycle Action"],
                "detail": prefix,
            }
        ]


def test_a_launch_is_looked_at_once_a_node_can_have_booted(assembly: Assembly) -> None:
    delays = {each: queues(assembly, each)[0]["DelaySeconds"] for each in software.FUNCTIONS}
    assert delays.pop("register_node") == pacing.INITIAL_DELAY_S
    assert set(delays.values()) == {0}


def test_the_sweep_comes_every_minute_and_after_every_event(assembly: Assembly) -> None:
    found = patterns(assembly, "reconcile_cluster")
    assert {"schedule": "rate(1 minute)"} in found
    (states,) = (it["detail"]["state"] for it in found if it.get("source") == ["aws.ec2"])
    assert {"shutting-down", "terminated"} <= set(states)
    (results,) = (it for it in found if it.get("source") == ["aws.autoscaling"])
    assert len(results["detail-type"]) == 3
    assert patterns(assembly, "heal_registry") == [{"schedule": "rate(1 minute)"}]


@each_function
def test_every_rule_puts_its_events_into_the_functions_queue(assembly: Assembly, function: str) -> None:
    names_of_queues = [name for name in of(assembly, function, "AWS::SQS::Queue") if "Dead" not in name]
    for rule in of(assembly, function, "AWS::Events::Rule").values():
        (target,) = rule["Targets"]
        assert target["Arn"]["Fn::GetAtt"][0] in names_of_queues


@each_function
def test_messages_that_wait_do_not_end_among_the_dead(assembly: Assembly, function: str) -> None:
    queue, dead = queues(assembly, function)
    assert queue["SqsManagedSseEnabled"] is dead["SqsManagedSseEnabled"] is True
    assert queue["VisibilityTimeout"] > the_function(assembly, function)["Timeout"]
    longest_s = {
        "register_node": assembly.cluster.healing.boot_deadline,
        "deregister_node": departure.DEPARTURE_TIMEOUT_S,
    }
    receives = pacing.receives(longest_s.get(function, 0))
    assert receives < queue["RedrivePolicy"]["maxReceiveCount"] <= 1000
    assert dead["MessageRetentionPeriod"] == 14 * 86400
    (mapping,) = of(assembly, function, "AWS::Lambda::EventSourceMapping").values()
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


# -- network -------------------------------------------------------------------------------------------


@each_function
def test_it_stands_beside_the_nodes_in_the_functions_own_security_group(
    assembly: Assembly, function: str
) -> None:
    """All four speak to nodes. To the AWS APIs they get as nodes do, through the egress, on 443 alone."""
    network = the_function(assembly, function)["VpcConfig"]
    (group,) = network["SecurityGroupIds"]
    assert "SecurityGroupsFunctions" in group["Fn::ImportValue"]
    assert len(network["SubnetIds"]) == assembly.cluster.network.zone_count
    (group_of_nodes, *_) = assembly.cluster.groups
    assert network["SubnetIds"] == assembly.auto_scaling_group(group_of_nodes.name)["VPCZoneIdentifier"]


def test_functions_may_call_consul_docker_and_the_aws_apis_and_nothing_else(assembly: Assembly) -> None:
    (group,) = (
        it
        for name, it in assembly.of_type("AWS::EC2::SecurityGroup").items()
        if name.startswith("SecurityGroupsFunctions")
    )
    to_nodes = {
        it["FromPort"]
        for name, it in assembly.of_type("AWS::EC2::SecurityGroupEgress").items()
        if "SecurityGroupsFunctions" in name
    }
    (aws,) = group["SecurityGroupEgress"]
    assert (aws["FromPort"], aws["ToPort"], aws["CidrIp"]) == (443, 443, "0.0.0.0/0")
    assert to_nodes == {names.CONSUL_HTTP_PORT, names.DOCKER_PORT}


# -- permissions --------------------------------------------------------------------------------------


@each_function
def test_a_function_has_the_permissions_that_it_needs_and_no_others(
    assembly: Assembly, function: str
) -> None:
    assert set(permissions(assembly, function)) == COMMON | PERMISSIONS[function]


@each_function
def test_whatever_changes_something_is_bound_to_the_clusters_tag(assembly: Assembly, function: str) -> None:
    for sid in (
        "CompleteLifecycleActions",
        "SuspendLaunches",
        "ReplaceNodes",
        "EndRetainedNodes",
        "ReadConsoleOutput",
    ):
        if statement := permissions(assembly, function).get(sid):
            assert statement["Condition"] == {
                "StringEquals": {"aws:ResourceTag/swarmer:cluster": assembly.cluster.name}
            }
            if sid != "ReadConsoleOutput":
                arn = joined(statement["Resource"])
                assert arn.endswith(f":autoScalingGroup:*:autoScalingGroupName/{assembly.cluster.name}-*")


def test_only_who_has_to_wait_may_hold_a_hook(assembly: Assembly) -> None:
    heartbeat = "autoscaling:RecordLifecycleActionHeartbeat"
    holders = {
        function
        for function in software.FUNCTIONS
        if heartbeat
        in listed(permissions(assembly, function).get("CompleteLifecycleActions", {}).get("Action", []))
    }
    assert holders == {"deregister_node", "reconcile_cluster", "register_node"}


@each_function
def test_its_code_cannot_use_what_lambda_needs_for_its_network(assembly: Assembly, function: str) -> None:
    found = permissions(assembly, function)
    assert found["DenyInterfacesToCode"]["Effect"] == "Deny"
    assert found["DenyInterfacesToCode"]["Action"] == found["AttachToVpc"]["Action"]
    condition = found["DenyInterfacesToCode"]["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"]
    assert joined(condition).endswith(f":function:{the_function(assembly, function)['FunctionName']}")


@each_function
def test_only_its_rules_may_put_messages_into_its_queue(assembly: Assembly, function: str) -> None:
    rules = set(of(assembly, function, "AWS::Events::Rule"))
    senders = set()
    for policy in of(assembly, function, "AWS::SQS::QueuePolicy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                assert statement["Principal"] == {"Service": "events.amazonaws.com"}
                senders.add(statement["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::GetAtt"][0])
    assert senders == rules
