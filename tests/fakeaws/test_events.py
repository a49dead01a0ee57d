"""The way of an event to a function: rules, queues, batches, retries, dead letters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from swarmer.fakeaws import sqs
from swarmer.fakeaws.base import journal
from swarmer.fakeaws.lambda_ import functions
from tests.fakeaws.client import Aws
from tests.fakeaws.events_client import Answers, fail_all, template
from tests.fakeaws.scaling_client import GROUP, LAUNCH, register_all
from tests.fakeaws.scaling_client import template as group_template


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    answers = Answers()
    monkeypatch.setattr(functions, "runner", answers)
    monkeypatch.setattr(sqs, "run_later", lambda act, *args: act(*args))
    yield answers


def send(aws: Aws, **detail: Any) -> None:
    entry = {
        "Source": "aws.autoscaling",
        "DetailType": "something",
        "Detail": json.dumps({"AutoScalingGroupName": "t-core", **detail}),
    }
    aws.client("events").put_events(Entries=[entry])


def depth(aws: Aws, queue: str) -> int:
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def test_a_lifecycle_action_reaches_the_function_in_awss_own_format(aws: Aws, runner: Answers) -> None:
    aws.create("healing", template())
    aws.create("t", group_template(LAUNCH, MinSize="1", MaxSize="1"))
    aws.pass_time()
    (body,) = (each for each in runner.bodies if each["detail-type"].endswith("Lifecycle Action"))
    assert set(body) == {
        "version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail",
    }  # fmt: skip
    assert body["detail"]["AutoScalingGroupName"] == GROUP
    assert body["resources"] == [aws.group(GROUP)["AutoScalingGroupARN"]]
    assert body["time"].endswith("Z")
    assert depth(aws, "events") == 0
    register_all(aws)
    aws.pass_time()
    assert runner.bodies[-1]["detail-type"] == "EC2 Instance Launch Successful"


def test_a_rule_takes_only_what_its_pattern_names(aws: Aws, runner: Answers) -> None:
    aws.create("healing", template())
    send(aws, AutoScalingGroupName="other-core")
    send(aws)
    aws.pass_time()
    assert [each["detail"]["AutoScalingGroupName"] for each in runner.bodies] == ["t-core"]


def test_messages_come_in_batches(aws: Aws, runner: Answers) -> None:
    aws.create("healing", template())
    for number in range(12):
        send(aws, number=number)
    aws.pass_time()
    assert [len(event["Records"]) for event in runner.events] == [10, 2]
    assert {each["attributes"]["ApproximateReceiveCount"] for each in runner.records} == {"1"}


def test_what_a_batch_leaves_comes_again_after_the_visibility_time_out(aws: Aws, runner: Answers) -> None:
    aws.create("healing", template())
    send(aws, number=1)
    send(aws, number=2)
    runner.answer = lambda event: {
        "batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]
    }
    aws.pass_time()
    assert depth(aws, "events") == 1
    runner.answer = lambda event: None
    aws.pass_time(59)
    assert len(runner.events) == 1
    aws.pass_time(2)
    assert [each["detail"]["number"] for each in runner.bodies] == [1, 2, 1]
    assert runner.records[-1]["attributes"]["ApproximateReceiveCount"] == "2"
    assert depth(aws, "events") == 0


def test_an_error_leaves_the_whole_batch(aws: Aws, runner: Answers) -> None:
    aws.create("healing", template())
    send(aws)
    send(aws)
    runner.error = "Unhandled"
    aws.pass_time()
    assert depth(aws, "events") == 2


def test_after_its_last_try_a_message_is_a_dead_letter(aws: Aws, runner: Answers) -> None:
    aws.create("healing", template())
    send(aws)
    runner.answer = fail_all
    for _ in range(5):
        aws.pass_time(61)
    assert len(runner.events) == 3
    assert (depth(aws, "events"), depth(aws, "dead")) == (0, 1)


def test_a_function_may_have_its_message_wait_longer(aws: Aws, runner: Answers) -> None:
    aws.create("healing", template())
    send(aws)

    def wait(event: Any) -> Any:
        sqs = aws.client("sqs")
        url = sqs.get_queue_url(QueueName="events")["QueueUrl"]
        handle = event["Records"][0]["receiptHandle"]
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=5)
        return fail_all(event)

    runner.answer = wait
    aws.pass_time()
    aws.pass_time(6)
    assert len(runner.events) == 2


@pytest.mark.parametrize(
    ("payload", "left"),
    [
        (None, set()),
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "a"}]}, {"a"}),
        ({"batchItemFailures": [{"itemIdentifier": "unknown"}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, {"a", "b"}),
        ({"batchItemFailures": [{"wrong": "a"}]}, {"a", "b"}),
        ("words", {"a", "b"}),
    ],
)
def test_a_malformed_answer_leaves_everything(payload: Any, left: set[str]) -> None:
    assert sqs.failures(json.dumps(payload), {"a", "b"}, ["ReportBatchItemFailures"]) == left
    assert sqs.failures(json.dumps(payload), {"a", "b"}, []) == set()


def test_a_schedule_fires_at_its_rate_and_matches_no_event(aws: Aws, runner: Answers) -> None:
    aws.create("healing", template(rule={"ScheduleExpression": "rate(1 minute)"}))
    aws.pass_time()
    send(aws)
    aws.pass_time(59)
    assert runner.events == []
    aws.pass_time(2)
    aws.pass_time(60)
    assert [each["detail-type"] for each in runner.bodies] == ["Scheduled Event"] * 2
    assert runner.bodies[0]["source"] == "aws.events"
    assert ":rule/" in runner.bodies[0]["resources"][0]


def test_a_disabled_rule_takes_nothing(aws: Aws, runner: Answers) -> None:
    aws.create("healing", template())
    aws.client("events").disable_rule(Name=aws.resource("healing", "Rule"))
    send(aws)
    aws.pass_time()
    assert runner.events == []


def test_a_target_may_have_an_input_of_its_own(aws: Aws, runner: Answers) -> None:
    aws.create(
        "healing", template(rule={"ScheduleExpression": "rate(1 minute)", "Target": {"Input": '{"a": 1}'}})
    )
    aws.pass_time()
    aws.pass_time(61)
    assert runner.bodies == [{"a": 1}]


def test_the_function_gets_what_its_template_says(aws: Aws, runner: Answers) -> None:
    aws.create(
        "healing",
        template(
            function={
                "Timeout": 30,
                "MemorySize": 256,
                "Architectures": ["arm64"],
                "Environment": {"Variables": {"CLUSTER": "t"}},
                "ReservedConcurrentExecutions": 4,
                "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
            }
        ),
    )
    send(aws)
    aws.pass_time()
    (function,) = runner.functions
    assert (function.timeout_s, function.memory_mb, function.concurrency) == (30, 256, 4)
    assert function.environment == {"CLUSTER": "t"}
    assert function.subnets == ("subnet-1",)
    assert function.handler == "index.handle"
    configuration = aws.client("lambda").get_function_configuration(FunctionName="function")
    assert configuration["Architectures"] == ["arm64"]


def test_a_deploy_changes_the_function_and_its_revision(aws: Aws, runner: Answers) -> None:
    aws.create("healing", template(function={"Environment": {"Variables": {"A": "1"}}, "Timeout": 30}))
    aws.update("healing", template(function={"Environment": {"Variables": {"B": "2"}}}))
    for _ in range(2):
        aws.client("lambda").invoke(FunctionName="function", Payload=b"{}")
    first, second = runner.functions
    assert first.environment == {"B": "2"}
    assert first.timeout_s == 3
    assert first.revision == second.revision


def test_an_invocation_by_the_api_answers_what_the_function_does(aws: Aws, runner: Answers) -> None:
    aws.create("healing", template())
    runner.answer = lambda event: {"said": event}
    answer = aws.client("lambda").invoke(FunctionName="function", Payload=b'{"a": 1}')
    assert json.loads(answer["Payload"].read()) == {"said": {"a": 1}}
    runner.error = "Unhandled"
    assert aws.client("lambda").invoke(FunctionName="function")["FunctionError"] == "Unhandled"


def test_lambda_polls_only_what_the_function_s_role_may_read(aws: Aws, runner: Answers) -> None:
    poor = template()
    del poor["Resources"]["Role"]["Properties"]["Policies"]
    aws.create("healing", poor)
    send(aws)
    aws.pass_time()
    assert runner.events == []
    assert "does not poll" in journal.entries()[-1]["detail"]["error"]


def test_what_a_function_writes_is_in_its_log_group_and_its_metrics_in_cloudwatch(
    aws: Aws, runner: Answers
) -> None:
    aws.create("healing", template())
    metric = {
        "_aws": {
            "CloudWatchMetrics": [
                {"Namespace": "Swarmer", "Dimensions": [["cluster"]], "Metrics": [{"Name": "Failures"}]}
            ]
        },
        "cluster": "t",
        "Failures": [2.0],
    }
    runner.lines = ("words", json.dumps(metric))
    aws.client("lambda").invoke(FunctionName="function")
    found = aws.client("logs").filter_log_events(logGroupName="/aws/lambda/function")["events"]
    assert [each["message"] for each in found] == list(runner.lines)
    (listed,) = aws.client("cloudwatch").list_metrics(Namespace="Swarmer")["Metrics"]
    assert listed["MetricName"] == "Failures"
    assert listed["Dimensions"] == [{"Name": "cluster", "Value": "t"}]
