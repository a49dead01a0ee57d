"""Each alarm looks at a metric that its function really writes: name, namespace, dimensions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lambdas.deregister_node.handler import handler as deregister
from lambdas.heal_registry.handler import handler as heal
from lambdas.reconcile_cluster.handler import handler as reconcile
from lambdas.register_node.handler import handler as register
from lambdas.shared import telemetry
from swarmer.adapters import consul
from swarmer.core import description
from swarmer.core.healing.metrics import NAMESPACE
from swarmer.fakeaws.lambda_.logs import metrics
from tests.lambdas.lab import CLUSTER, Lab, tick
from tests.stacks.assembly import Assembly, synthesise

SERVERS = f"""
name: {CLUSTER}
network: {{zones: 1}}
groups:
  core: {{roles: [consul-server, swarm-manager, swarm-worker], size: 3}}
"""
HANDLERS = {
    "register-node": register,
    "deregister-node": deregister,
    "heal-registry": heal,
    "reconcile-cluster": reconcile,
}
Series = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name, dimensions."""


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    return synthesise(tmp_path_factory.mktemp("alarms"), description.parse(SERVERS))


def watched(assembly: Assembly) -> set[Series]:
    """Metrics of the functions that alarms watch."""
    alarms = assembly.of_type("AWS::CloudWatch::Alarm").values()
    return {each for alarm in alarms for each in series(alarm) if each[0] == NAMESPACE}


def series(alarm: dict[str, Any]) -> Iterator[Series]:
    metric_stats = [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", ()) if "MetricStat" in each]
    for metric in metric_stats or [alarm]:
        if "Namespace" in metric:
            sizes = frozenset((each["Name"], str(each["Value"])) for each in metric.get("Dimensions", ()))
            yield metric["Namespace"], metric["MetricName"], sizes


def away(_: str) -> None:
    raise consul.Unavailable("Consul is away")


def test_each_metric_that_an_alarm_looks_at_is_written(
    lab: Lab, assembly: Assembly, capsys: pytest.CaptureFixture[str]
) -> None:
    written: set[Series] = set()
    for service, handler in HANDLERS.items():
        lab.monkeypatch.setattr(telemetry.metrics.provider, "service", service)
        capsys.readouterr()
        # The function runs in a quiet hour, with its own fault, and when it has to wait.
        lab.invoke(handler, tick())
        with lab.monkeypatch.context() as patch:
            patch.setattr("swarmer.core.healing.events.parse", lambda _: 1 / 0)
            lab.invoke(handler, tick())
        with lab.monkeypatch.context() as patch:
            patch.setattr("swarmer.core.healing.events.parse", away)
            lab.invoke(handler, tick())
        for namespace, data in metrics(capsys.readouterr().out.splitlines()):
            for each in data:
                sizes = frozenset((size["Name"], size["Value"]) for size in each["Dimensions"])
                written.add((namespace, each["MetricName"], sizes))
    assert watched(assembly) <= written
    assert {name for _, name, _ in watched(assembly)} == {
        "Failures",
        "Waited",
        "QuorumAtRisk",
        "NoRegistry",
        "BreakerOpen",
    }


def test_a_function_is_told_the_name_under_which_its_alarms_look(assembly: Assembly) -> None:
    functions = assembly.of_type("AWS::Lambda::Function").values()
    told = {each["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] for each in functions}
    sizes = {value for _, _, of in watched(assembly) for name, value in of if name == "service"}
    assert sizes == told == set(HANDLERS)
    assert {each["Environment"]["Variables"]["CLUSTER"] for each in functions} == {CLUSTER}


def test_alarms_about_queues_and_functions_name_some_that_exist(assembly: Assembly) -> None:
    ids = {name for template in assembly.templates.values() for name in template["Resources"]}
    for alarm in assembly.of_type("AWS::CloudWatch::Alarm").values():
        text = json.dumps(alarm)
        refs = [
            each.split('"')[0] for part in ('{"Ref": "', '{"Fn::GetAtt": ["') for each in text.split(part)[1:]
        ]
        assert {each for each in refs if not each.startswith("AWS::")} <= ids
