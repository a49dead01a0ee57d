"""Log events: filters, pages and limits, and rules that write them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from swarmer.fakeaws.base import clock, journal
from swarmer.fakeaws.logs.filter_pattern import InvalidPattern, matcher
from tests.fakeaws.client import Aws
from tests.fakeaws.scaling_client import GROUP
from tests.fakeaws.scaling_client import template as group_template
from tests.fakeaws.template import ref
from tests.fakeaws.test_authorization import allow, is_refused, session

EVENT = json.dumps(
    {
        "detail-type": "EC2 Instance Launch Successful",
        "detail": {"EC2InstanceId": "i-1", "count": 3, "ok": True, "gone": None, "list": [{"a": "b"}]},
    }
)


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("", "anything", True),
        ("ERROR", "an ERROR here", True),
        ("ERROR", "an error here", False),
        ("ERROR here", "here is an ERROR", True),
        ("ERROR there", "here is an ERROR", False),
        ('"ERROR here"', "here is an ERROR", False),
        ('"said \\"no\\""', 'it said "no" again', True),
        ("?ERROR ?WARN", "a WARN", True),
        ("?ERROR ?WARN", "an INFO", False),
        ("ERROR -Exit", "ERROR Exit", False),
        ("ERROR -Exit", "ERROR 1", True),
        ("%AUTH[A-Z]+%", "AUTHORIZED", True),
        ("%AUTH[A-Z]+%", "authorized", False),
        ('{ $.detail.EC2InstanceId = "i-1" }', EVENT, True),
        ('{ $.detail.EC2InstanceId = "i-2" }', EVENT, False),
        ('{ $.detail-type = "*Launch*" }', EVENT, True),
        ("{ $.detail.count = 3 }", EVENT, True),
        ("{ $.detail.count > 3 }", EVENT, False),
        ("{ $.detail.count >= 3 && $.detail.EC2InstanceId != i-2 }", EVENT, True),
        ("{ ($.detail.count = 4) || ($.detail.ok IS TRUE) }", EVENT, True),
        ("{ $.detail.gone IS NULL }", EVENT, True),
        ("{ $.detail.other IS NULL }", EVENT, False),
        ("{ $.detail.other NOT EXISTS }", EVENT, True),
        ('{ $.detail.list[0].a = "b" }', EVENT, True),
        ("{ $.detail.EC2InstanceId = %i-[0-9]% }", EVENT, True),
        ("{ $.detail.count = 3 }", "no JSON", False),
    ],
)
def test_a_pattern_matches_what_awss_pages_say(pattern: str, message: str, matches: bool) -> None:
    assert matcher(pattern)(message) == matches


@pytest.mark.parametrize(
    "pattern", ["{ $.a = }", "{ $.a = 1", "{ a = 1 }", "{ ($.a = 1 }", "%(%", "{ $.a = 1 1 }"]
)
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPattern):
        matcher(pattern)


@pytest.fixture
def logs(aws: Aws) -> Any:
    client = aws.client("logs")
    client.create_log_group(logGroupName="group")
    for stream in ("one", "other"):
        client.create_log_stream(logGroupName="group", logStreamName=stream)
    return client


def put(logs: Any, stream: str, *messages: str, at: int = 0) -> None:
    now_ms = clock.now_s() * 1000
    events = [{"timestamp": int(now_ms) + at + n, "message": text} for n, text in enumerate(messages)]
    logs.put_log_events(logGroupName="group", logStreamName=stream, logEvents=events)


def messages(logs: Any, **asked: Any) -> list[str]:
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName="group", **asked)
    return [each["message"] for page in pages for each in page["events"]]


def test_events_of_all_streams_come_in_the_order_of_their_times(logs: Any) -> None:
    put(logs, "one", "first", at=0)
    put(logs, "one", "third", at=2000)
    put(logs, "other", "second", at=1000)
    assert messages(logs) == ["first", "second", "third"]
    assert messages(logs, logStreamNames=["other"]) == ["second"]
    assert messages(logs, logStreamNamePrefix="on") == ["first", "third"]
    assert messages(logs, filterPattern="?first ?third") == ["first", "third"]
    assert messages(logs, PaginationConfig={"PageSize": 1}) == ["first", "second", "third"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"filterPattern": "{ $.a = }"}, "InvalidParameterException"),
        ({"logStreamNames": ["none"]}, "ResourceNotFoundException"),
        ({"logStreamNames": ["one"], "logStreamNamePrefix": "o"}, "InvalidParameterException"),
        ({"nextToken": "nonsense"}, "InvalidParameterException"),
    ],
)
def test_a_request_that_aws_refuses_is_refused(logs: Any, asked: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError, match=code):
        logs.filter_log_events(logGroupName="group", **asked)


def test_a_page_holds_a_megabyte(logs: Any) -> None:
    for letter in "abcde":
        put(logs, "one", letter * 240_000, letter * 240_000)
    page = logs.filter_log_events(logGroupName="group")
    assert len(page["events"]) == 4 and page["nextToken"]
    assert [each[0] for each in messages(logs)] == list("aabbccddee")


def test_a_stream_is_followed_from_its_beginning(logs: Any) -> None:
    asked: dict[str, Any] = {"logGroupName": "group", "logStreamName": "one", "startFromHead": True}
    empty = logs.get_log_events(**asked)
    assert empty["events"] == []
    for letter in "abc":
        put(logs, "one", letter * 240_000, letter * 240_000)
    found, token = "", empty["nextForwardToken"]
    for _ in range(3):
        page = logs.get_log_events(**asked, nextToken=token)
        found += "".join(each["message"][0] for each in page["events"])
        token = page["nextForwardToken"]
    assert found == "aabbcc"
    assert page["events"] == [] and token == logs.get_log_events(**asked, nextToken=token)["nextForwardToken"]
    put(logs, "one", "more", at=100)
    assert [each["message"] for each in logs.get_log_events(**asked, nextToken=token)["events"]] == ["more"]


def test_the_last_events_come_first_unless_the_head_is_asked_for(logs: Any) -> None:
    put(logs, "one", "a", "b", "c")
    asked: dict[str, Any] = {"logGroupName": "group", "logStreamName": "one", "limit": 2}
    last = logs.get_log_events(**asked)
    assert [each["message"] for each in last["events"]] == ["b", "c"]
    before = logs.get_log_events(**asked, nextToken=last["nextBackwardToken"])
    assert [each["message"] for each in before["events"]] == ["a"]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["x" * 1_048_577], "too large"),
        (["x" * 600_000, "x" * 600_000], "Upload too large"),
        (["x"] * 10_001, "10000"),
    ],
)
def test_a_batch_that_is_too_large_is_refused(logs: Any, texts: list[str], words: str) -> None:
    with pytest.raises(ClientError, match=words):
        put(logs, "one", *texts)
    assert messages(logs) == []


def test_a_batch_spans_a_day_at_most(logs: Any) -> None:
    now_ms = int(clock.now_s() * 1000)
    events = [{"timestamp": now_ms - 25 * 3600 * 1000, "message": "a"}, {"timestamp": now_ms, "message": "b"}]
    with pytest.raises(ClientError, match="24 hours"):
        logs.put_log_events(logGroupName="group", logStreamName="one", logEvents=events)


def test_a_node_writes_into_the_group_of_its_role_only(aws: Aws, logs: Any) -> None:
    group = "arn:aws:logs:us-east-1:123456789012:log-group:group:*"
    own = session(aws, allow("logs:CreateLogStream", "logs:PutLogEvents", on=group), service="ec2")("logs")
    stream = {"logGroupName": "group", "logStreamName": "new"}
    events = [{"timestamp": int(clock.now_s() * 1000), "message": "x"}]
    own.create_log_stream(**stream)
    own.put_log_events(**stream, logEvents=events)
    assert is_refused(own.get_log_events, **stream)
    assert is_refused(own.filter_log_events, logGroupName="group")
    logs.create_log_group(logGroupName="other")
    assert is_refused(own.create_log_stream, logGroupName="other", logStreamName="new")
    with pytest.raises(ClientError, match="ResourceAlreadyExistsException"):
        own.create_log_stream(**stream)


# -- rules ------------------------------------------------------------------------------

EVENTS = "/aws/events/swarmer/t"


def rule_template(
    *, policy: bool = True, actions: tuple[str, ...] = ("CreateLogStream", "PutLogEvents")
) -> Any:
    """Template of a rule that writes the events of the group into a log group."""
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{EVENTS}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
        "Action": [f"logs:{action}" for action in actions],
        "Resource": f"{arn}:*",
    }
    resources: dict[str, Any] = {
        "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": EVENTS}},
        "Rule": {
            "Type": "AWS::Events::Rule",
            "DependsOn": "Group",
            "Properties": {
                "EventPattern": {
                    "source": ["aws.autoscaling"],
                    "detail": {"AutoScalingGroupName": [{"prefix": "t-"}]},
                },
                "Targets": [{"Id": "log", "Arn": arn}],
            },
        },
    }
    if policy:
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        properties = {"PolicyName": "events", "PolicyDocument": document}
        resources["Policy"] = {"Type": "AWS::Logs::ResourcePolicy", "Properties": properties}
    return {"Resources": resources, "Outputs": {"Group": {"Value": ref("Group")}}}


def test_a_rule_writes_events_into_a_log_group(aws: Aws) -> None:
    aws.create("events", rule_template())
    aws.create("t", group_template(MinSize="1", MaxSize="1"))
    aws.pass_time()
    launched = '{ $.detail-type = "EC2 Instance Launch Successful" }'
    found = aws.client("logs").filter_log_events(logGroupName=EVENTS, filterPattern=launched)["events"]
    (event,) = [json.loads(each["message"]) for each in found]
    assert event["source"] == "aws.autoscaling"
    assert event["detail"]["AutoScalingGroupName"] == GROUP
    assert event["time"].endswith("Z")


@pytest.mark.parametrize("options", [{"policy": False}, {"actions": ("CreateLogStream",)}])
def test_a_rule_needs_the_log_group_s_permission(aws: Aws, options: dict[str, Any]) -> None:
    aws.create("events", rule_template(**options))
    aws.create("t", group_template(MinSize="1", MaxSize="1"))
    aws.pass_time()
    assert aws.client("logs").filter_log_events(logGroupName=EVENTS)["events"] == []
    assert "FailedInvocation" in {each["what"] for each in journal.entries()}
