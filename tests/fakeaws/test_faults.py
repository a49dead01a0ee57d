"""Injected faults, requested over HTTP for a number of times."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

from swarmer.fakeaws.base.faults import Fault, Faults
from tests.fakeaws.client import Aws
from tests.fakeaws.events_client import Answers, template
from tests.fakeaws.scaling_client import LAUNCH
from tests.fakeaws.scaling_client import template as group_template
from tests.fakeaws.test_authorization import allow, session
from tests.fakeaws.test_events import runner

__all__ = ["runner"]

ACTION = "EC2 Instance-launch Lifecycle Action"


def ask(aws: Aws, method: str = "POST", **fault: Any) -> None:
    data = json.dumps(fault).encode()
    request = urllib.request.Request(f"{aws.server.url}/swarmer/faults", data=data, method=method)
    urllib.request.urlopen(request).close()


def announced(aws: Aws, runner: Answers) -> int:
    """Number of events that the function received about the launch of a group's only instance."""
    aws.pass_time()
    return sum(body["detail-type"] == ACTION for body in runner.bodies)


def launch(aws: Aws) -> None:
    aws.create("healing", template())
    aws.create("t", group_template(LAUNCH, MinSize="1", MaxSize="1"))


def test_an_event_is_lost(aws: Aws, runner: Answers) -> None:
    ask(aws, event="*launch*Action", times=1)
    launch(aws)
    assert announced(aws, runner) == 0


def test_a_call_of_s3_fails_on_purpose_as_well(aws: Aws) -> None:
    aws.client("s3").create_bucket(Bucket="store")
    s3 = session(aws, allow("s3:ListBucket"), service="ec2")("s3")
    # The SDK tries a call again: more faults than it has attempts.
    ask(aws, call="s3:ListBucket", error="ServiceUnavailable", times=20)
    with pytest.raises(ClientError, match="ServiceUnavailable") as failed:
        s3.list_objects_v2(Bucket="store")
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    ask(aws, "DELETE")
    assert s3.list_objects_v2(Bucket="store")["KeyCount"] == 0


def test_the_log_says_which_event_or_call_a_fault_has_hit(aws: Aws, runner: Answers) -> None:
    ask(aws, event=ACTION, how="repeat", times=1)
    ask(aws, call="ec2:DescribeVpcs", error="RequestLimitExceeded", times=1)
    launch(aws)
    session(aws, allow("ec2:DescribeVpcs"))("ec2").describe_vpcs()
    with urllib.request.urlopen(f"{aws.server.url}/swarmer/events") as answer:
        entries = json.load(answer)
    (event,) = [each["detail"] for each in entries if each["source"] == "events"]
    assert (event["event"], event["fault"]) == (ACTION, "delivered after (0.0, 0.0)")
    (call,) = [each for each in entries if each["source"] == "fault"]
    assert (call["what"], call["detail"]["error"]) == ("RequestLimitExceeded", "ec2:DescribeVpcs")


def test_an_event_comes_twice(aws: Aws, runner: Answers) -> None:
    ask(aws, event=ACTION, how="repeat", times=1)
    launch(aws)
    assert announced(aws, runner) == 2


def test_an_event_comes_late(aws: Aws, runner: Answers) -> None:
    ask(aws, event=ACTION, how="delay", seconds=30, times=1)
    launch(aws)
    assert announced(aws, runner) == 0
    aws.pass_time(31)
    assert announced(aws, runner) == 1


def test_calls_of_functions_fail_so_often_and_others_never(aws: Aws) -> None:
    ssm = session(aws, allow("ssm:GetParameter"))("ssm")
    aws.client("ssm").put_parameter(Name="/p", Value="x", Type="String")
    ask(aws, call="ssm:Get*", error="InternalFailure", times=20)
    with pytest.raises(ClientError, match="InternalFailure"):
        ssm.get_parameter(Name="/p")
    aws.client("ssm").get_parameter(Name="/p")
    ask(aws, "DELETE")
    ssm.get_parameter(Name="/p")


def test_a_throttled_call_is_tried_again_by_the_sdk(aws: Aws) -> None:
    ec2 = session(aws, allow("ec2:DescribeVpcs"))("ec2")
    ask(aws, call="ec2:DescribeVpcs", error="RequestLimitExceeded", times=1)
    answer = ec2.describe_vpcs()
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1


@pytest.mark.parametrize(
    "fault", [{"times": 1}, {"times": 1, "call": "a", "event": "b"}, {"call": "a", "times": 1, "error": "x"}]
)
def test_what_is_no_fault_is_refused(aws: Aws, fault: dict[str, Any]) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        ask(aws, **fault)


def test_a_fault_ends() -> None:
    faults = Faults()
    faults.add(Fault(call="ec2:*", times=2))
    assert [faults.error_for("ec2:X", "f") for _ in range(3)] == ["Throttling", "Throttling", ""]
    assert faults.delivery_delays_s("anything") == (0.0,)


def test_calls_of_one_caller_fail_for_a_time_that_begins_with_the_first_of_them() -> None:
    now_s = 100.0
    faults = Faults(clock=lambda: now_s)
    faults.add(Fault(call="s3:Get*", caller="i-new", seconds=60, times=1000))
    now_s = 500.0
    assert faults.error_for("s3:GetObject", "i-old") == ""
    assert faults.error_for("s3:GetObject", "i-new") == "Throttling"
    now_s = 559.0
    assert faults.error_for("s3:GetObject", "i-new") == "Throttling"
    now_s = 560.0
    assert faults.error_for("s3:GetObject", "i-new") == ""
