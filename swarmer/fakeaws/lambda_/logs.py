"""Logs of functions in CloudWatch Logs, and their embedded metrics in CloudWatch.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Final

from moto.cloudwatch import cloudwatch_backends
from moto.logs import logs_backends
from moto.logs.models import LogGroup

from swarmer.fakeaws.base import clock, journal
from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.fakeaws.iam import authorization
from swarmer.fakeaws.lambda_.model import Function

log: Final = logging.getLogger("swarmer.fakeaws")

attribute_of_group: Final = LogGroup.get_cfn_attribute
_guard: Final = threading.Lock()


def extend() -> None:
    LogGroup.get_cfn_attribute = _attribute


def _attribute(self: Any, attribute_name: str) -> str:
    """CloudFormation ends the ARN of a log group with `:*` for its streams; bare moto does not always."""
    arn = str(attribute_of_group(self, attribute_name))
    return arn if arn.endswith(":*") else f"{arn}:*"


def store(function: Function, lines: Iterable[str]) -> None:
    """Store the lines of an invocation. It raises no error, because a function does not notice a lost log."""
    written = tuple(lines)
    stream = f"arn:aws:logs:{function.region}:{ACCOUNT}:log-group:{function.log_group}:log-stream:x"
    try:
        refused = authorization.first_refusal(function.role_arn, ("logs:PutLogEvents", stream))
        if refused:
            message = f"its log is lost {refused.because}"
            journal.record_call("lambda", "Failed", {"function": function.name, "error": message})
            return
        with _guard:
            _write(function, written)
            for namespace, data in metrics(written):
                cloudwatch_backends[ACCOUNT][function.region].put_metric_data(namespace, data)
    except Exception:
        log.exception("the log of %s is lost", function.name)


def _write(function: Function, lines: tuple[str, ...]) -> None:
    backend = logs_backends[ACCOUNT][function.region]
    group = function.log_group
    backend.ensure_log_group(group)
    stream = f"{clock.iso(clock.now_s())[:10].replace('-', '/')}/[$LATEST]rehearsal"
    backend.ensure_log_stream(group, stream)
    now_ms = int(clock.now_s() * 1000)
    backend.put_log_events(group, stream, [{"timestamp": now_ms, "message": line} for line in lines])


def metrics(lines: Iterable[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Namespace and MetricData for PutMetricData of every line in embedded metric format."""
    for line in lines:
        if '"CloudWatchMetrics"' not in line:
            continue
        try:
            text = json.loads(line)
            for directive in text["_aws"]["CloudWatchMetrics"]:
                yield directive["Namespace"], list(_data(text, directive))
        except (ValueError, KeyError, TypeError):
            log.warning("not in embedded metric format: %s", line)


def _data(text: dict[str, Any], directive: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for dimensions in directive.get("Dimensions") or [[]]:
        for metric in directive["Metrics"]:
            value = text[metric["Name"]]
            for each in value if isinstance(value, list) else [value]:
                yield {
                    "MetricName": metric["Name"],
                    "Dimensions": [{"Name": name, "Value": str(text[name])} for name in dimensions],
                    "Unit": metric.get("Unit", "None"),
                    "Value": float(each),
                }
