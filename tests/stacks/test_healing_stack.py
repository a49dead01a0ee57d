"""The functions' stack: what wakes them, what they may do, where they run, when a person is called."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lambdas.deregister_node.environment import Environment as OfDeregister
from lambdas.heal_registry.environment import Environment as OfHeal
from lambdas.reconcile_cluster.environment import Environment as OfReconcile
from lambdas.register_node.environment import Environment as OfRegister
from lambdas.shared import environment
from stacks import function_code
from swarmer.cli import main
from swarmer.core import description, names, software
from swarmer.core.cluster import Role
from swarmer.core.healing import departure, pacing
from tests.stacks.assembly import Assembly, Resource, joined, listed, synthesise

ENVIRONMENTS: dict[str, type[environment.Environment]] = {
    "register_node": OfRegister,
    "deregister_node": OfDeregister,
    "heal_registry": OfHeal,
    "reconcile_cluster": OfReconcile,
}
COMMON = {
    "WriteLogs",
    "SendTraces",
    "TakeMessages",
    "BuryMessages",
    "AttachToNetwork",
    "KeepInterfacesFromCode",
}
RIGHTS = {
    "register_node": {"Look", "LookBack", "KnowIdentity", "AnswerHooks", "StopLaunching", "ReadConsoles"},
    "deregister_node": {"Look", "KnowIdentity", "AnswerHooks"},
    "heal_registry": {"Look"},
    "reconcile_cluster": {
        "Look", "LookBack", "KnowIdentity", "AnswerHooks", "StopLaunching", "ReadConsoles", "ReplaceNodes",
    },
}  # fmt: skip
MEGABYTE = 1024 * 1024


def template(assembly: Assembly) -> dict[str, Any]:
    return assembly.templates[f"{assembly.cluster.name}-healing"]


def of(assembly: Assembly, function: str, kind: str) -> dict[str, Resource]:
    """Properties of a function's own resources of a type, by logical id."""
    prefix = "".join(word.capitalize() for word in function.split("_"))
    return {
        name: resource.get("Properties", {})
        for name, resource in template(assembly)["Resources"].items()
        if resource["Type"] == kind and name.startswith(prefix)
    }


def the_function(assembly: Assembly, function: str) -> Resource:
    (found,) = of(assembly, function, "AWS::Lambda::Function").values()
    return found


def rights(assembly: Assembly, function: str) -> dict[str, Resource]:
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


each_function = pytest.mark.parametrize("function", software.FUNCTIONS)


# -- place in the whole ------------------------------------------------------------------------------


def test_it_refers_to_nothing_of_the_cluster(assembly: Assembly) -> None:
    text = json.dumps(template(assembly))
    assert set(re.findall(r'"Fn::ImportValue": "([a-z]+-[a-z]+):', text)) == {
        f"{assembly.cluster.name}-network"
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
    assert found["MemorySize"] == 256
    assert found["TracingConfig"] == {"Mode": "Active"}


@each_function
def test_its_template_gives_it_the_whole_environment_that_it_reads(assembly: Assembly, function: str) -> None:
    variables = the_function(assembly, function)["Environment"]["Variables"]
    told = {name: value if isinstance(value, str) else joined(value) for name, value in variables.items()}
    read = environment.read(ENVIRONMENTS[function], told)
    assert read.cluster == assembly.cluster.name
    unread = set(told) - {name.upper() for name in vars(read)}
    assert unread == {"POWERTOOLS_SERVICE_NAME"}


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
    assert delays.pop("register_node") == pacing.BOOTS_S
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
        "deregister_node": departure.LIMIT_S,
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
    assert len(network["SubnetIds"]) == assembly.cluster.network.zones
    assert all("VpcNodesSubnet" in each["Fn::ImportValue"] for each in network["SubnetIds"])


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


# -- rights ---------------------------------------------------------------------------------------------


@each_function
def test_a_function_has_the_rights_that_it_needs_and_no_others(assembly: Assembly, function: str) -> None:
    assert set(rights(assembly, function)) == COMMON | RIGHTS[function]


@each_function
def test_whatever_changes_something_is_bound_to_the_clusters_tag(assembly: Assembly, function: str) -> None:
    for sid in ("AnswerHooks", "StopLaunching", "ReplaceNodes", "ReadConsoles"):
        if statement := rights(assembly, function).get(sid):
            assert statement["Condition"] == {
                "StringEquals": {"aws:ResourceTag/swarmer:cluster": assembly.cluster.name}
            }
            if sid != "ReadConsoles":
                arn = joined(statement["Resource"])
                assert arn.endswith(f":autoScalingGroup:*:autoScalingGroupName/{assembly.cluster.name}-*")


def test_only_who_has_to_wait_may_hold_a_hook(assembly: Assembly) -> None:
    heartbeat = "autoscaling:RecordLifecycleActionHeartbeat"
    holders = {
        function
        for function in software.FUNCTIONS
        if heartbeat in listed(rights(assembly, function).get("AnswerHooks", {}).get("Action", []))
    }
    assert holders == {"deregister_node", "reconcile_cluster", "register_node"}


@each_function
def test_its_code_cannot_use_what_lambda_needs_for_its_network(assembly: Assembly, function: str) -> None:
    found = rights(assembly, function)
    assert found["KeepInterfacesFromCode"]["Effect"] == "Deny"
    assert found["KeepInterfacesFromCode"]["Action"] == found["AttachToNetwork"]["Action"]
    condition = found["KeepInterfacesFromCode"]["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"]
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


# -- alarms ---------------------------------------------------------------------------------------------


def alarms(assembly: Assembly) -> dict[str, Resource]:
    return {
        name: resource["Properties"]
        for name, resource in template(assembly)["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }


EVERY_FUNCTION = ("DeadLettersWait", "OldMessages", "Backlog", "Errors", "Failures")
"""Alarms of every function."""


def test_a_person_is_called_for_everything_that_a_function_cannot_mend(assembly: Assembly) -> None:
    found = {name[:-8] for name in alarms(assembly)}
    prefixes = ["".join(word.capitalize() for word in each.split("_")) for each in software.FUNCTIONS]
    common = {f"{prefix}{kind}" for prefix in prefixes for kind in EVERY_FUNCTION}
    assert found == common | {
        "HealRegistryNoRegistry",
        "ReconcileClusterBreakerOpen",
        "ReconcileClusterQuorumAtRisk",
        "DeregisterNodeQuorumAtRisk",
    }


def test_every_alarm_says_what_to_do(assembly: Assembly) -> None:
    advice = re.compile(r"Look into|The last|Session Manager|resume-processes")
    for name, alarm in alarms(assembly).items():
        text = joined(alarm["AlarmDescription"])
        assert text.startswith(f"{assembly.cluster.name}: "), name
        assert advice.search(text), name
        assert len(text) <= 1024, name


def test_without_the_key_nobody_is_called_and_an_output_says_so(shipped: Assembly) -> None:
    assert not [it for it in alarms(shipped).values() if it.get("AlarmActions") or it.get("OKActions")]
    assert not shipped.of_type("AWS::SNS::Topic")
    output = template(shipped)["Outputs"]["Alarms"]
    assert output["Value"] == "nobody"
    assert "only shown in CloudWatch" in output["Description"]


def test_every_alarm_mails_when_it_begins_and_when_it_is_over(variant: Assembly) -> None:
    (topic,) = variant.of_type("AWS::SNS::Topic")
    for name, alarm in alarms(variant).items():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": topic}], name
    (subscription,) = variant.of_type("AWS::SNS::Subscription").values()
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "people@example.com")


def test_cloudwatch_may_use_the_topic_and_its_key(variant: Assembly) -> None:
    """The key that AWS manages for SNS would not let it: the mail would never come."""
    (topic,) = variant.of_type("AWS::SNS::Topic").values()
    ((key_id, key),) = variant.of_type("AWS::KMS::Key").items()
    assert topic["KmsMasterKeyId"]["Fn::GetAtt"] == [key_id, "Arn"]
    (policy,) = variant.of_type("AWS::SNS::TopicPolicy").values()
    for document, actions in (
        (key["KeyPolicy"], {"kms:Decrypt", "kms:GenerateDataKey*"}),
        (policy["PolicyDocument"], {"sns:Publish"}),
    ):
        (found,) = (it for it in document["Statement"] if it.get("Sid") == "CloudWatchTells")
        assert found["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        assert set(listed(found["Action"])) == actions


def test_a_topic_that_is_given_is_called_and_none_is_made(tmp_path: Path) -> None:
    arn = "arn:aws:sns:eu-west-1:123456789012:people"
    text = f"healing: {{alarms: '{arn}'}}\ngroups:\n  all:\n    roles: [{', '.join(Role)}]\n    size: 1\n"
    made = synthesise(tmp_path, description.parse(f"name: called\n{text}"))
    assert not made.of_type("AWS::SNS::Topic")
    for alarm in alarms(made).values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [arn]


def test_no_alarm_names_a_command_that_acts_on_rehearsals_alone(assembly: Assembly) -> None:
    verbs = re.compile(rf"\bswarmer ({'|'.join(main.commands)})\b")
    assert verbs.search("type `swarmer status`")
    for name, alarm in alarms(assembly).items():
        assert not verbs.search(joined(alarm["AlarmDescription"])), name


def test_what_alarms_have_people_type_on_a_node_stands_in_the_page_of_troubles(assembly: Assembly) -> None:
    page = " ".join((software.ROOT / "docs/troubleshooting.md").read_text().split())
    assert "### Recovery on AWS" in page
    texts = [joined(alarm["AlarmDescription"]) for alarm in alarms(assembly).values()]
    typed = {each for text in texts for each in re.findall(r"`((?:consul|sudo) [^`]+)`", text)}
    assert len(typed) == 6
    for command in typed:
        assert re.sub(r" (N|LOST)$", "", command) in page, command


def test_alarms_do_no_arithmetic_with_what_may_never_have_been_written(assembly: Assembly) -> None:
    assert not [name for name, it in alarms(assembly).items() if "Metrics" in it]


def test_a_sweep_that_does_not_come_is_an_alarm_too(assembly: Assembly) -> None:
    silent = {name[:-8] for name, it in alarms(assembly).items() if it["TreatMissingData"] == "breaching"}
    assert silent == {"HealRegistryNoRegistry", "ReconcileClusterQuorumAtRisk"}


def test_logs_are_kept_for_a_bounded_time(assembly: Assembly) -> None:
    for function in software.FUNCTIONS:
        (log_group,) = of(assembly, function, "AWS::Logs::LogGroup").values()
        assert log_group["RetentionInDays"] == 90


# -- code ------------------------------------------------------------------------------------------------


def asset_of(assembly: Assembly, code: Resource) -> Path:
    return assembly.directory / f"asset.{code['S3Key'].removesuffix('.zip')}"


@each_function
def test_the_asset_is_the_functions_folder_and_what_it_uses(shipped: Assembly, function: str) -> None:
    asset = asset_of(shipped, the_function(shipped, function)["Code"])
    found = sorted(path.relative_to(asset) for path in asset.rglob("*") if path.is_file())
    assert found == list(software.function_files(function))
    folders = {path.parts[1] for path in found if path.parts[0] == "lambdas" and len(path.parts) > 2}
    assert folders == {"shared", function}
    assert software.digest_of(found, asset) == software.digest_of(found)


def test_what_only_functions_use_is_no_node_software() -> None:
    """A change of theirs must not give every group a new launch template."""
    own = {path for function in software.FUNCTIONS for path in software.function_files(function)}
    on_nodes = set(software.files())
    assert not [path for path in on_nodes if path.as_posix().startswith(software.NOT_ON_NODES)]
    assert [path for path in own - on_nodes if path.as_posix().startswith(software.NOT_ON_NODES)]
    modules = "|".join(name.removesuffix(".py").replace("/", ".") for name in software.NOT_ON_NODES)
    for path in on_nodes:
        text = (software.ROOT / path).read_text(errors="replace")
        assert not re.search(rf"^(from|import) ({modules})", text, re.MULTILINE), path


RUNTIMES_OWN = ("boto3", "botocore", "s3transfer", "dateutil", "six", "jmespath", "urllib3")


def test_the_layer_holds_nothing_that_somebody_compiled(shipped: Assembly) -> None:
    (layer,) = shipped.of_type("AWS::Lambda::LayerVersion").values()
    files = [path for path in asset_of(shipped, layer["Content"]).rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in (".so", ".pyc", ".pyd", ".dylib")]
    top = {path.name for path in (asset_of(shipped, layer["Content"]) / "python").iterdir()}
    assert not top & set(RUNTIMES_OWN)
    assert sum(path.stat().st_size for path in files) < 15 * MEGABYTE


def test_the_layer_is_the_same_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = function_code.ensure_layer()
    monkeypatch.setattr(function_code, "CACHE", tmp_path)
    again = function_code.ensure_layer()
    paths = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert software.digest_of(paths, first) == software.digest_of(paths, again)
    assert paths == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())


@each_function
def test_a_function_imports_from_its_asset_and_its_layer_alone(shipped: Assembly, function: str) -> None:
    """In a process that sees neither this checkout nor what is installed here, but the runtime's own."""
    asset = asset_of(shipped, the_function(shipped, function)["Code"])
    layer = function_code.ensure_layer() / "python"
    program = f"""
import sys, time
kept = [path for path in sys.path if "site-packages" not in path]
site = [path for path in sys.path if "site-packages" in path]
sys.path[:] = [{str(asset)!r}, {str(layer)!r}, *kept]
import importlib.util, importlib.machinery
class OnlyBoto:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {RUNTIMES_OWN}:
            return importlib.machinery.PathFinder.find_spec(name, path or site, target)
sys.meta_path.append(OnlyBoto())
began = time.process_time()
from lambdas.{function} import handler
print(time.process_time() - began, callable(handler.handler), handler.__file__)
assert "moto" not in sys.modules and "pydantic" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", program], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    seconds, is_callable, place = done.stdout.split()
    assert is_callable == "True"
    assert place.startswith(str(asset))
    # Half a second by the clock of a function's processor; here others may be at work, so processor time.
    assert float(seconds) < 1.5


ALONE = """
import importlib, sys
sys.path[:0] = sys.argv[2:]
importlib.import_module(f"lambdas.{sys.argv[1]}.handler")
"""


@each_function
def test_asset_layer_and_runtime_are_all_that_a_function_needs(
    shipped: Assembly, function: str, tmp_path: Path
) -> None:
    for name in RUNTIMES_OWN:
        found = importlib.util.find_spec(name)
        assert found
        assert found.origin
        origin = Path(found.origin)
        own = origin.parent if origin.name == "__init__.py" else origin
        (tmp_path / own.name).symlink_to(own)
    (layer,) = shipped.of_type("AWS::Lambda::LayerVersion").values()
    asset = asset_of(shipped, the_function(shipped, function)["Code"])
    paths = (asset, asset_of(shipped, layer["Content"]) / "python", tmp_path)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", ALONE, function, *map(str, paths)],
        env={"AWS_DEFAULT_REGION": "us-east-1", "POWERTOOLS_SERVICE_NAME": "test"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
