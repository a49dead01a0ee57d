"""Run Command of AWS Systems Manager: documents on instances. Every failure is `aws.Unavailable`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from swarmer.adapters import aws
from swarmer.adapters.operator import Account
from swarmer.core import names

ONLINE: Final = "Online"
FINAL: Final = frozenset({"Success", "Cancelled", "TimedOut", "Failed"})
"""Final statuses of an invocation."""
UNFETCHED: Final = frozenset({"Pending", "Delayed"})
"""Statuses of an invocation that no agent has fetched yet.
https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html"""
ERROR_TITLE: Final = "----------ERROR-------"
"""Line between the output of a step and its error output."""
PER_QUESTION: Final = 50
"""Largest number of instances in one call."""
DELIVERY_TIMEOUT_S: Final = 30
"""Timeout for an agent to fetch a command, in seconds: the shortest that SSM accepts."""
EVERYWHERE: Final = "100%"
"""Share of the instances that run a command at the same time, and that may fail before SSM stops it."""


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """Command on one instance."""

    instance_id: str
    is_final: bool
    status: str
    """Detailed status without spaces: `InProgress`, `Success`, `Failed`, `DeliveryTimedOut` …"""
    exit_status: int
    """Exit status of the document's step; -1 while it runs."""
    output: str
    """Beginning of the step's output: SSM returns at most 2,500 characters."""

    @property
    def is_fetched(self) -> bool:
        """Whether the instance's agent has the command."""
        return self.status not in UNFETCHED

    @property
    def first_line(self) -> str:
        """First line of the step's output; empty if there is none."""
        lines = (each.strip() for each in self.output.splitlines())
        return next((each for each in lines if each not in ("", ERROR_TITLE)), "")


def connected(account: Account, ids: Iterable[str]) -> frozenset[str]:
    """Instances, from those given, whose agents are connected to SSM."""
    asked, found = sorted(ids), set[str]()
    for begin in range(0, len(asked), PER_QUESTION):
        filters = [{"Key": "InstanceIds", "Values": asked[begin : begin + PER_QUESTION]}]
        with aws.translated():
            pages = account.client("ssm").get_paginator("describe_instance_information")
            for page in pages.paginate(Filters=filters, MaxResults=PER_QUESTION):
                found |= {
                    each["InstanceId"]
                    for each in page["InstanceInformationList"]
                    if each["PingStatus"] == ONLINE
                }
    return frozenset(found)


def send_to_cluster(account: Account, document: str, cluster: str) -> str:
    """Run a document without parameters on all instances of the cluster; return the command's ID."""
    targets = [{"Key": f"tag:{names.TAG_CLUSTER}", "Values": [cluster]}]
    # Without these two arguments SSM asks 50 instances at a time, and stops after the first failure.
    return _send(account, document, Targets=targets, MaxConcurrency=EVERYWHERE, MaxErrors=EVERYWHERE)


def send(account: Account, document: str, instance_id: str, parameters: Mapping[str, Sequence[str]]) -> str:
    """Run a document on one instance; return the command's ID."""
    given = {key: list(values) for key, values in parameters.items()}
    return _send(account, document, InstanceIds=[instance_id], Parameters=given)


def _send(account: Account, document: str, **more: Any) -> str:
    with aws.translated():
        sent = account.client("ssm").send_command(
            DocumentName=document, TimeoutSeconds=DELIVERY_TIMEOUT_S, **more
        )
        return str(sent["Command"]["CommandId"])


def invocations(account: Account, command_id: str) -> list[Invocation]:
    """Command on each instance to which SSM has sent it; empty at first."""
    with aws.translated():
        pages = account.client("ssm").get_paginator("list_command_invocations")
        found = pages.paginate(CommandId=command_id, Details=True, MaxResults=PER_QUESTION)
        return [_invocation(each) for page in found for each in page["CommandInvocations"]]


def cancel(account: Account, command_id: str) -> None:
    """Ask the agents to end the command. They need a moment, and the request does not reach an agent that is
    cut off."""
    with aws.translated():
        account.client("ssm").cancel_command(CommandId=command_id)


def _invocation(raw: Mapping[str, Any]) -> Invocation:
    steps = raw.get("CommandPlugins", ())
    step: Mapping[str, Any] = steps[0] if steps else {}
    return Invocation(
        instance_id=raw["InstanceId"],
        is_final=raw["Status"] in FINAL,
        status=str(raw.get("StatusDetails") or raw["Status"]).replace(" ", ""),
        exit_status=int(step.get("ResponseCode", -1)),
        output=str(step.get("Output", "")),
    )
