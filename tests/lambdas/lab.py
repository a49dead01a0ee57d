"""A cluster of three and two for the functions: AWS in moto, a Consul and a Swarm that stand in."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto.autoscaling.models import autoscaling_backends
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends

from swarmer.adapters import aws
from swarmer.core import names
from tests.lambdas.fake_consul import FakeConsul
from tests.lambdas.swarm_api import SWARM_ID, SwarmApi

REGION = "eu-central-1"
CLUSTER = "lab"
ROLES = {"core": "consul-server swarm-manager swarm-worker", "workers": "swarm-worker"}
Handler = Callable[[dict[str, Any], Any], Any]


class Context:
    """Lambda's argument for a handler."""

    function_name = "lab-function"
    memory_limit_in_mb = 256
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:lab-function"
    aws_request_id = "request"
    left_ms = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


@dataclass
class Lab:
    """AWS, Consul and Swarm of one cluster, and the one queue that feeds the function under test."""

    monkeypatch: pytest.MonkeyPatch
    consul: FakeConsul
    swarm: SwarmApi
    log: io.StringIO
    hooks: list[tuple[str, str, str]] = field(default_factory=list)
    """(call, instance id, result) of every hook that was answered or held."""
    context: Context = field(default_factory=Context)
    delays: list[int] = field(default_factory=list)
    """Delays after which messages were to be received again, in seconds."""
    queue_url: str = ""
    dead_letters_url: str = ""
    _left: list[str] = field(default_factory=list)

    # -- making ---------------------------------------------------------------------------------

    def build(self, cluster: str = CLUSTER) -> None:
        sqs = aws.client("sqs")
        self.queue_url = sqs.create_queue(QueueName="queue")["QueueUrl"]
        self.dead_letters_url = sqs.create_queue(QueueName="dead")["QueueUrl"]
        self.make_group(cluster, "core", 3)
        self.make_group(cluster, "workers", 2)
        aws.client("ssm").put_parameter(Name=names.identity_parameter(cluster), Value=SWARM_ID, Type="String")
        for group, is_core in (("core", True), ("workers", False)):
            for instance_id in self.ids(group):
                name = names.node_name(group, instance_id)
                self.consul.add(name, server=is_core)
                self.swarm.add(name, manager=is_core)

    def make_group(self, cluster: str, group: str, size: int) -> None:
        ec2, scaling = aws.client("ec2"), aws.client("autoscaling")
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        template = f"{cluster}-{group}"
        ec2.create_launch_template(
            LaunchTemplateName=template,
            LaunchTemplateData={"ImageId": "ami-12c6146b", "InstanceType": "t3.small"},
        )
        scaling.create_auto_scaling_group(
            AutoScalingGroupName=names.group_asg_name(cluster, group),
            MinSize=size,
            MaxSize=size + 1,
            DesiredCapacity=size,
            VPCZoneIdentifier=subnet,
            LaunchTemplate={"LaunchTemplateName": template},
            Tags=[
                {"Key": key, "Value": value, "PropagateAtLaunch": True}
                for key, value in (
                    (names.TAG_CLUSTER, cluster),
                    (names.TAG_GROUP, group),
                    (names.TAG_ROLES, ROLES[group]),
                )
            ],
        )

    # -- state ----------------------------------------------------------------------------------

    def ids(self, group: str) -> list[str]:
        return [state.instance_id for state in self.states(group)]

    def states(self, group: str) -> list[Any]:
        states: list[Any] = self.asg(group).instance_states
        return states

    def asg(self, group: str) -> Any:
        return autoscaling_backends[DEFAULT_ACCOUNT_ID][REGION].autoscaling_groups[f"{CLUSTER}-{group}"]

    def forget_group(self, group: str) -> None:
        """Auto Scaling does not list it."""
        own = self.asg(group)
        own.tags = [tag for tag in own.tags if tag["Key"] != names.TAG_CLUSTER]

    def name(self, group: str, at: int = 0) -> str:
        return names.node_name(group, self.ids(group)[at])

    def set_lifecycle(self, group: str, at: int, lifecycle: str) -> str:
        """Also returns the instance's id."""
        state = self.states(group)[at]
        state.lifecycle_state = lifecycle
        return str(state.instance_id)

    def lifecycle(self, instance_id: str) -> str:
        for group in ROLES:
            for state in self.states(group):
                if state.instance_id == instance_id:
                    return str(state.lifecycle_state)
        return ""

    def proceed(self, instance_id: str) -> None:
        """Its hook was answered."""
        for state in (each for group in ROLES for each in self.states(group)):
            if state.instance_id == instance_id:
                state.lifecycle_state = state.lifecycle_state.replace("Wait", "Proceed")

    def terminate(self, instance_id: str) -> None:
        """Terminate like the console; Auto Scaling has not noticed yet."""
        ec2_backends[DEFAULT_ACCOUNT_ID][REGION].get_instance(instance_id)._state.name = "terminated"

    def set_ec2_state(self, instance_id: str, state: str) -> None:
        ec2_backends[DEFAULT_ACCOUNT_ID][REGION].get_instance(instance_id)._state.name = state

    def launched(self, instance_id: str, seconds_ago: float) -> None:
        instance = ec2_backends[DEFAULT_ACCOUNT_ID][REGION].get_instance(instance_id)
        instance.launch_time = datetime.fromtimestamp(time.time() - seconds_ago, UTC).strftime(
            "%Y-%m-%dT%H:%M:%S.000Z"
        )

    def die(self, group: str, at: int = 0) -> str:
        """A machine that is terminated and dead for all; returns its id."""
        instance_id, name = self.ids(group)[at], self.name(group, at)
        self.terminate(instance_id)
        self.consul.states[name] = "failed"
        self.swarm.die(name)
        return instance_id

    def rejoin(self, group: str, at: int) -> None:
        """A node that left is in service again, as if it were another one."""
        name = self.name(group, at)
        self.set_lifecycle(group, at, "InService")
        self.consul.keys.pop(f"{names.KV_LEAVING}{name}", None)
        self.consul.add(name, server=group == "core")
        self.swarm.add(name, manager=group == "core")

    # -- events ---------------------------------------------------------------------------------

    def lifecycle_event(
        self, kind: str, instance_id: str, *, asg: str = "lab-workers", seconds_ago: float = 0
    ) -> str:
        hook = names.HOOK_LAUNCH if kind == "launch" else names.HOOK_TERMINATE
        direction = "LAUNCHING" if kind == "launch" else "TERMINATING"
        detail = {
            "LifecycleActionToken": "87654321-4321-4321-4321-210987654321",
            "AutoScalingGroupName": asg,
            "LifecycleHookName": hook,
            "EC2InstanceId": instance_id,
            "LifecycleTransition": f"autoscaling:EC2_INSTANCE_{direction}",
        }
        return event(
            "aws.autoscaling", f"EC2 Instance-{kind} Lifecycle Action", detail, seconds_ago=seconds_ago
        )

    # -- running --------------------------------------------------------------------------------

    def invoke(self, handler: Handler, *bodies: str) -> list[str]:
        """Hand messages with these bodies to a handler; the bodies of those that stay in the queue."""
        sqs = aws.client("sqs")
        while self._left:  # of an earlier call; on a slow machine they may be visible again
            sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=self._left.pop())
        for body in bodies:
            sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)
        return self.deliver(handler)

    def deliver(self, handler: Handler) -> list[str]:
        """Deliver the visible messages of the queue."""
        sqs = aws.client("sqs")
        held = sqs.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10, AttributeNames=["ApproximateReceiveCount"]
        ).get("Messages", [])
        if not held:
            return []  # nobody wakes a function for nothing
        answer = handler({"Records": [record(message) for message in held]}, self.context)
        failed = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
        for message in held:
            if message["MessageId"] in failed:
                self._left.append(message["ReceiptHandle"])
            else:
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in held if message["MessageId"] in failed]

    def dead_letters(self) -> list[dict[str, Any]]:
        sqs = aws.client("sqs")
        return list(
            sqs.receive_message(
                QueueUrl=self.dead_letters_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            ).get("Messages", [])
        )

    def said(self, message: str = "") -> list[dict[str, Any]]:
        """Lines of the log, those with this message."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines() if line.startswith("{")]
        return [line for line in lines if message in ("", line.get("message"))]

    @contextmanager
    def failing(self, operation: str, error: str | Exception = "Throttling") -> Iterator[list[str]]:
        """Every call of one operation of AWS fails, with a code that AWS answers or for want of an answer;
        yields the operations that were called."""
        real, called = BaseClient._make_api_call, []

        def call(client: Any, name: str, arguments: Any) -> Any:
            called.append(name)
            if name == operation and isinstance(error, Exception):
                raise error
            if name == operation:
                raise ClientError({"Error": {"Code": error, "Message": "Rate exceeded"}}, name)
            return real(client, name, arguments)

        with self.monkeypatch.context() as patch:
            patch.setattr(BaseClient, "_make_api_call", call)
            yield called


def record(message: dict[str, Any]) -> dict[str, Any]:
    """Record in the format of the event source mapping."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {
            "ApproximateReceiveCount": message["Attributes"]["ApproximateReceiveCount"],
            "SentTimestamp": "0",
            "SenderId": "x",
            "ApproximateFirstReceiveTimestamp": "0",
        },
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:queue",
        "awsRegion": REGION,
    }


def event(source: str, kind: str, detail: dict[str, Any], *, seconds_ago: float = 0) -> str:
    at = datetime.fromtimestamp(time.time() - seconds_ago, UTC)
    return json.dumps(
        {
            "version": "0",
            "id": "12345678-1234-1234-1234-123456789012",
            "detail-type": kind,
            "source": source,
            "account": "123456789012",
            "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": [],
            "detail": detail,
        }
    )


def remains(lab: Lab, name: str) -> list[str]:
    """Where something of a node is left."""
    left = {
        "Swarm": name in lab.swarm.names(),
        "raft": name in lab.consul.voters,
        "members": lab.consul.states.get(name) not in (None, "left"),
        "catalogue": name in lab.consul.catalogue,
        "notes": any(key.endswith(name) for key in lab.consul.keys),
    }
    return [where for where, is_left in left.items() if is_left]


def tick() -> str:
    return event("aws.events", "Scheduled Event", {})


def state_change(instance_id: str, state: str = "terminated", *, seconds_ago: float = 0) -> str:
    detail = {"instance-id": instance_id, "state": state}
    return event("aws.ec2", "EC2 Instance State-change Notification", detail, seconds_ago=seconds_ago)
