"""The functions' stack: when a person is called, how, and what the call says."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from swarmer.cli.main import main
from swarmer.core import description, names, software
from swarmer.core.alarms import ALARMS, RETAINED, Alarm
from swarmer.core.cluster import Group, Role
from tests.stacks.assembly import Assembly, Resource, joined, listed, synthesise
from tests.stacks.functions import template


def alarms(assembly: Assembly) -> dict[str, Resource]:
    return {
        name: resource["Properties"]
        for name, resource in template(assembly)["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }


def logical_prefix(function: str) -> str:
    return "".join(word.capitalize() for word in function.split("_"))


def kinds(assembly: Assembly, alarm: Alarm) -> dict[str, Resource]:
    """Alarms of a kind, by their logical IDs without the hash."""
    ends = [group.name.replace("-", "") for group in quorum_groups(assembly)] if alarm is RETAINED else [""]
    wanted = {f"{logical_prefix(each)}{alarm.name}{end}" for each in alarm.functions for end in ends}
    found = {name[:-8]: it for name, it in alarms(assembly).items()}
    return {name: found[name] for name in wanted}


def test_the_page_has_every_alarm_of_the_template_and_no_other(assembly: Assembly) -> None:
    described = {name for alarm in ALARMS for name in kinds(assembly, alarm)}
    assert described == {name[:-8] for name in alarms(assembly)}


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.name)
def test_an_alarm_is_raised_as_its_section_says(assembly: Assembly, alarm: Alarm) -> None:
    for name, found in kinds(assembly, alarm).items():
        assert (found["MetricName"], found["EvaluationPeriods"]) == (alarm.metric, alarm.periods), name
        assert found["Period"] == 60 * alarm.period_minutes, name
        silent = any(name.startswith(logical_prefix(each)) for each in alarm.raised_by_silence_of)
        assert (found["TreatMissingData"] == "breaching") is silent, name
        assert alarm.threshold in (None, found["Threshold"]), name
        text = joined(found["AlarmDescription"])
        assert text.endswith(f"See docs/reference/alarms.md#{alarm.name.lower()}."), name
        assert re.search(r"\S Check: \S.* Fix: \S", text), name


def quorum_groups(assembly: Assembly) -> list[Group]:
    return [group for group in assembly.cluster.groups if group.has_quorum_role]


def test_a_voter_that_auto_scaling_keeps_calls_a_person_by_a_metric_that_needs_no_function(
    assembly: Assembly,
) -> None:
    found = {name: it for name, it in alarms(assembly).items() if name.startswith("ReconcileClusterRetained")}
    assert {it["Dimensions"][0]["Value"] for it in found.values()} == {
        names.group_asg_name(assembly.cluster.name, group.name) for group in quorum_groups(assembly)
    }
    for alarm in found.values():
        assert (alarm["Namespace"], alarm["MetricName"]) == (
            "AWS/AutoScaling",
            "GroupTerminatingRetainedInstances",
        )
        assert (alarm["Threshold"], alarm["TreatMissingData"]) == (1, "notBreaching")


def test_every_alarm_names_the_cluster_and_fits_into_its_field(assembly: Assembly) -> None:
    for name, alarm in alarms(assembly).items():
        text = joined(alarm["AlarmDescription"])
        assert text.startswith(f"{assembly.cluster.name}: "), name
        assert "{" not in text, name
        assert len(text) <= 1024, name


def test_who_resumes_launching_reads_that_the_failed_boots_still_count(assembly: Assembly) -> None:
    (alarm,) = (it for name, it in alarms(assembly).items() if name.startswith("ReconcileClusterBreakerOpen"))
    text = joined(alarm["AlarmDescription"])
    assert "still count" in text.partition("swarmer resume")[2]
    # Resumed before, the group would launch what fails: tests/fakeaws/test_capacity.py.
    assert text.index("start it first") < text.index("swarmer resume")


def test_without_the_key_nobody_is_called_and_an_output_says_so(shipped: Assembly) -> None:
    assert not [it for it in alarms(shipped).values() if it.get("AlarmActions") or it.get("OKActions")]
    assert not shipped.of_type("AWS::SNS::Topic")
    output = template(shipped)["Outputs"]["Alarms"]
    assert output["Value"] == "none"
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
    for document, sid, actions in (
        (key["KeyPolicy"], "AllowCloudWatchUseOfKey", {"kms:Decrypt", "kms:GenerateDataKey*"}),
        (policy["PolicyDocument"], "AllowCloudWatchPublish", {"sns:Publish"}),
    ):
        (found,) = (it for it in document["Statement"] if it.get("Sid") == sid)
        assert found["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        assert set(listed(found["Action"])) == actions


def test_a_topic_that_is_given_is_called_and_none_is_made(tmp_path: Path) -> None:
    arn = "arn:aws:sns:eu-west-1:123456789012:people"
    text = f"healing: {{alarms: '{arn}'}}\ngroups:\n  all:\n    roles: [{', '.join(Role)}]\n    size: 1\n"
    made = synthesise(tmp_path, description.parse(f"name: called\n{text}"))
    assert not made.of_type("AWS::SNS::Topic")
    for alarm in alarms(made).values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [arn]


ON_AWS = {"status", "events", "handover", "recover", "resume"}
"""Commands that alarms name; each of them acts on AWS."""


def test_every_command_that_an_alarm_names_is_one_and_acts_on_aws(assembly: Assembly) -> None:
    texts = [joined(alarm["AlarmDescription"]) for alarm in alarms(assembly).values()]
    typed = {verb for text in texts for verb in re.findall(r"`swarmer (\w+)", text)}
    assert typed == ON_AWS
    for verb in typed:
        command = main.get_command(click.Context(main), verb)
        assert command, verb
        assert "on" in {each.name for each in command.params}, verb


def test_no_alarm_has_a_person_type_on_a_node_what_a_command_does(assembly: Assembly) -> None:
    page = (software.ROOT / "docs/guides/troubleshooting.md").read_text()
    assert "### Recovery by hand" in page
    for name, alarm in alarms(assembly).items():
        assert not re.search(r"consul (kv|operator)|docker node|sudo ", joined(alarm["AlarmDescription"])), (
            name
        )


def test_alarms_do_no_arithmetic_with_what_may_never_have_been_written(assembly: Assembly) -> None:
    assert not [name for name, it in alarms(assembly).items() if "Metrics" in it]


def test_a_sweep_that_does_not_come_is_an_alarm_too(assembly: Assembly) -> None:
    silent = {name[:-8] for name, it in alarms(assembly).items() if it["TreatMissingData"] == "breaching"}
    assert silent == {"HealRegistryNoRegistry", "ReconcileClusterQuorumAtRisk"}
