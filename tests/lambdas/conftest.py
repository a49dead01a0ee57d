"""One cluster for each test; AWS answers in this process."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import partialmethod
from typing import Any

import pytest
from moto import mock_aws
from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import EmptyResult

from lambdas.shared import aws_state, connections, telemetry, voting_lock
from swarmer.adapters import consul, queue
from swarmer.adapters.docker import Engine
from tests.lambdas.fake_consul import FakeConsul
from tests.lambdas.lab import CLUSTER, REGION, Lab
from tests.lambdas.swarm_api import SwarmApi, serving


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "POWERTOOLS_SERVICE_NAME": "test",
        "CLUSTER": CLUSTER,
        "BOOT_DEADLINE_S": "600",
        "FAILED_BOOTS": "3",
        "GRACE_S": "300",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    # Read at the import, as Lambda has it.
    monkeypatch.setattr(telemetry.metrics.provider, "service", "test")
    log = io.StringIO()
    telemetry.logger.registered_handler.setStream(log)  # type: ignore[attr-defined]
    with mock_aws(), serving(SwarmApi()) as swarm:
        forget()
        made = Lab(monkeypatch, FakeConsul(), swarm, log)
        made.build()
        monkeypatch.setenv("QUEUE_URL", made.queue_url)
        monkeypatch.setenv("DEAD_LETTERS_URL", made.dead_letters_url)
        stand_in(made)
        yield made
    forget()


def forget() -> None:
    """Parameters of an earlier test. Clients serve all tests: to make them takes longer than a test."""
    aws_state._ssm.cache_clear()


def stand_in(lab: Lab) -> None:
    """Replace a server, a manager, and the hooks that moto lacks."""

    def open_consul(_: str) -> Any:
        if not lab.consul.answers:
            raise consul.Unavailable("refused")
        return lab.consul

    def open_engine(_: str, timeout_s: float = 2) -> Engine:
        return Engine(f"tcp://127.0.0.1:{lab.swarm.port}", timeout_s=min(timeout_s, 2))

    delay = queue.delay

    def recorded(queue_url: str, receipt: str, seconds: int) -> None:
        lab.delays.append(seconds)
        delay(queue_url, receipt, seconds)

    lab.monkeypatch.setattr(connections, "open_consul", open_consul)
    lab.monkeypatch.setattr(connections, "open_engine", open_engine)
    lab.monkeypatch.setattr(voting_lock, "TRIES", 1)
    lab.monkeypatch.setattr(voting_lock, "END_TIMEOUT_S", 0.2)
    lab.monkeypatch.setattr(voting_lock, "END_PAUSE_S", 0.0)
    lab.monkeypatch.setattr(queue, "delay", recorded)
    for name, call in (
        ("complete_lifecycle_action", "complete"),
        ("record_lifecycle_action_heartbeat", "heartbeat"),
    ):
        answer = partialmethod(_answer_hook, lab=lab, call=call)
        lab.monkeypatch.setattr(AutoScalingResponse, name, answer, raising=False)


def _answer_hook(self: Any, *, lab: Lab, call: str) -> EmptyResult:
    """Answer a hook like Auto Scaling: only once."""
    instance_id = self._get_param("InstanceId")
    if not lab.lifecycle(instance_id).endswith(":Wait"):
        raise ValidationError(f"No active Lifecycle Action found with instance ID {instance_id}")
    lab.hooks.append((call, instance_id, self._get_param("LifecycleActionResult") or ""))
    if call == "complete":
        lab.proceed(instance_id)
    return EmptyResult()


@pytest.fixture
def metrics(capsys: pytest.CaptureFixture[str]) -> Any:
    """A function that gives the metrics that were written since it was asked last."""

    def read() -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for line in capsys.readouterr().out.splitlines():
            entry = json.loads(line)
            assert (entry["cluster"], entry["service"]) == (CLUSTER, "test")
            for metric in entry["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
                value = entry[metric["Name"]]
                found.setdefault(metric["Name"], []).extend(value if isinstance(value, list) else [value])
        return found

    return read
