"""Events of a cluster, as a person reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmer.core import cluster_events
from swarmer.core.cluster_events import ClusterEvent, of_bus, of_function


def bus(what: str, source: str = "aws.autoscaling", **detail: Any) -> ClusterEvent:
    return of_bus("1", 0, json.dumps({"source": source, "detail-type": what, "detail": detail, "id": "x"}))


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            bus(
                "EC2 Instance State-change Notification",
                "aws.ec2",
                **{"instance-id": "i-1", "state": "running"},
            ),
            "i-1                          EC2 Instance State-change Notification: running",
        ),
        (
            bus(
                "EC2 Instance-launch Lifecycle Action",
                EC2InstanceId="i-1",
                AutoScalingGroupName="t-core",
                LifecycleHookName="swarmer-launch",
            ),
            "i-1                          EC2 Instance-launch Lifecycle Action (t-core): swarmer-launch",
        ),
        (
            of_function("1", 0, "register", json.dumps({"level": "INFO", "message": "added", "node": "a"})),
            "register                     INFO added (node=a)",
        ),
        (of_function("1", 0, "register", "plain words\n"), "register                     plain words"),
        (of_bus("1", 0, "no event"), "events                       no event"),
    ],
    ids=["state change", "hook", "structured log", "plain log", "not an event"],
)
def test_an_event_is_a_line(event: ClusterEvent, said: str) -> None:
    assert cluster_events.row(event).endswith(f"  {said}")


@pytest.mark.parametrize(
    "line", ["START RequestId: 1", "REPORT RequestId: 1", '{"_aws": {"CloudWatchMetrics": []}}']
)
def test_what_the_runtime_writes_of_itself_is_left_out(line: str) -> None:
    assert not cluster_events.is_informative(of_function("1", 0, "register", line))
    assert cluster_events.is_informative(of_function("1", 0, "register", "words"))


@given(st.text(max_size=30), st.integers(0, 2**42))
def test_no_message_breaks_a_line(message: str, time_ms: int) -> None:
    for event in (of_bus("1", time_ms, message), of_function("1", time_ms, "f", message)):
        assert cluster_events.row(event)
        json.dumps(event.to_json())
