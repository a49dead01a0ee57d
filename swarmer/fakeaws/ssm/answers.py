"""Answers about commands and their invocations in the form of Systems Manager's API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from swarmer.fakeaws.base import clock
from swarmer.fakeaws.ssm.commands import (
    ERRORS,
    NOT_STARTED,
    STATUS,
    Command,
    Details,
    Invocation,
    Result,
    listed_output,
    overall,
)
from swarmer.fakeaws.ssm.documents import Step

UNFINISHED: Final = frozenset({Details.DELAYED, Details.CANCELLING})
"""Statuses that do not exist for a plugin; its status is in progress or pending meanwhile."""


def command(found: Command) -> dict[str, Any]:
    """`Command` of SendCommand and ListCommands."""
    status, details = overall(found)
    return {
        "CommandId": found.id,
        "DocumentName": found.document,
        "DocumentVersion": found.version,
        "Comment": found.comment,
        "ExpiresAfter": _moment(found.expires_s),
        "Parameters": found.parameters,
        "InstanceIds": list(found.instance_ids),
        "Targets": found.targets,
        "RequestedDateTime": _moment(found.requested_s),
        "Status": status,
        "StatusDetails": details,
        "MaxConcurrency": found.max_concurrency,
        "MaxErrors": found.max_errors,
        "TargetCount": len(found.invocations),
        "CompletedCount": sum(each.is_final for each in found.invocations.values()),
        "ErrorCount": found.count(*ERRORS),
        "DeliveryTimedOutCount": found.count(Details.DELIVERY_TIMED_OUT),
        "TimeoutSeconds": found.timeout_s,
    }


def invocation(found: Command, each: Invocation, *, with_details: bool) -> dict[str, Any]:
    """`CommandInvocation` of ListCommandInvocations."""
    return {
        "CommandId": found.id,
        "InstanceId": each.instance_id,
        "InstanceName": "",
        "Comment": found.comment,
        "DocumentName": found.document,
        "DocumentVersion": found.version,
        "RequestedDateTime": _moment(found.requested_s),
        "Status": STATUS[each.details],
        "StatusDetails": each.details.value,
        "StandardOutputUrl": "",
        "StandardErrorUrl": "",
        "CommandPlugins": [_plugin(step, each) for step in found.steps] if with_details else [],
    }


def _plugin(step: Step, each: Invocation) -> dict[str, Any]:
    done = result(each, step.name)
    if done is None:
        waiting = Details.IN_PROGRESS if each.details in UNFINISHED else each.details
        return {
            "Name": step.name,
            "Status": STATUS[waiting],
            "StatusDetails": waiting.value,
            "ResponseCode": NOT_STARTED,
            "Output": "",
        }
    return {
        "Name": step.name,
        "Status": STATUS[done.details],
        "StatusDetails": done.details.value,
        "ResponseCode": done.code,
        "ResponseStartDateTime": _moment(done.began_s),
        "ResponseFinishDateTime": _moment(done.ended_s),
        "Output": listed_output(done.out, done.err),
    }


def step_invocation(found: Command, each: Invocation, step: str) -> dict[str, Any]:
    """Answer of GetCommandInvocation. The output is empty until the step has ended."""
    done = result(each, step)
    ended: Mapping[str, Any] = {
        "ResponseCode": done.code if done else NOT_STARTED,
        "ExecutionStartDateTime": clock.iso(done.began_s) if done else "",
        "ExecutionElapsedTime": f"PT{max(done.ended_s - done.began_s, 0):.3f}S" if done else "",
        "ExecutionEndDateTime": clock.iso(done.ended_s) if done else "",
        "StandardOutputContent": done.out if done else "",
        "StandardErrorContent": done.err if done else "",
    }
    details = done.details if done else each.details
    return {
        "CommandId": found.id,
        "InstanceId": each.instance_id,
        "Comment": found.comment,
        "DocumentName": found.document,
        "DocumentVersion": found.version,
        "PluginName": step,
        "Status": STATUS[details],
        "StatusDetails": details.value,
        "StandardOutputUrl": "",
        "StandardErrorUrl": "",
        **ended,
    }


def result(each: Invocation, step: str) -> Result | None:
    """Result of a step; None while there is none."""
    return next((done for done in each.results if done.step == step), None)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
