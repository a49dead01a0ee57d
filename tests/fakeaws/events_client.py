"""A template of a rule, a queue with dead letters and a function; a runner whose answers a test sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from swarmer.fakeaws.lambda_.model import Function, Outcome
from tests.fakeaws.template import att, ref

GROUPS = {"source": ["aws.autoscaling"], "detail": {"AutoScalingGroupName": [{"prefix": "t-"}]}}
RIGHTS = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["sqs:*"], "Resource": "arn:aws:sqs:*:*:events"},
        {"Effect": "Allow", "Action": ["logs:*"], "Resource": "*"},
    ],
}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def template(
    *, rule: dict[str, Any] | None = None, function: dict[str, Any] | None = None, mapping: Any = None
) -> dict[str, Any]:
    """The template. `rule`, `function`, `mapping`: properties in addition to the usual ones."""
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Resource": att("Queue", "Arn"),
    }
    return {
        "Resources": {
            "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "dead"}},
            "Queue": {
                "Type": "AWS::SQS::Queue",
                "Properties": {
                    "QueueName": "events",
                    "VisibilityTimeout": 60,
                    "SqsManagedSseEnabled": True,
                    "RedrivePolicy": {"deadLetterTargetArn": att("Dead", "Arn"), "maxReceiveCount": 3},
                },
            },
            "QueuePolicy": {
                "Type": "AWS::SQS::QueuePolicy",
                "Properties": {
                    "Queues": [ref("Queue")],
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [{**allow, "Action": "sqs:SendMessage"}],
                    },
                },
            },
            "Rule": {
                "Type": "AWS::Events::Rule",
                "Properties": {
                    "Name": "rule",
                    **(rule or {"EventPattern": GROUPS}),
                    "Targets": [
                        {"Id": "queue", "Arn": att("Queue", "Arn"), **(rule or {}).get("Target", {})}
                    ],
                },
            },
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": TRUST,
                    "Policies": [{"PolicyName": "p", "PolicyDocument": RIGHTS}],
                },
            },
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "FunctionName": "function",
                    "Runtime": "python3.13",
                    "Handler": "index.handle",
                    "Role": att("Role", "Arn"),
                    "Code": {"ZipFile": "def handle(event, context):\n    return event\n"},
                    **(function or {}),
                },
            },
            "Mapping": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {
                    "FunctionName": ref("Function"),
                    "EventSourceArn": att("Queue", "Arn"),
                    "BatchSize": 10,
                    "FunctionResponseTypes": ["ReportBatchItemFailures"],
                    **(mapping or {}),
                },
            },
        }
    }


@dataclass
class Answers:
    """Runner that records every event and returns the answer of the test."""

    answer: Callable[[Any], Any] = lambda event: None
    events: list[Any] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    error: str = ""
    lines: tuple[str, ...] = ()

    def invoke(self, function: Function, request_id: str, event: Any) -> Outcome:
        self.events.append(event)
        self.functions.append(function)
        return Outcome(payload=json.dumps(self.answer(event)), error=self.error, lines=self.lines)

    @property
    def records(self) -> list[dict[str, Any]]:
        return [record for event in self.events for record in event["Records"]]

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(record["body"]) for record in self.records]


def fail_all(event: Any) -> Any:
    return {"batchItemFailures": [{"itemIdentifier": each["messageId"]} for each in event["Records"]]}
