"""CloudFormation's stacks for an operator's commands. Every failure is `aws.Unavailable`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from swarmer.adapters import aws
from swarmer.adapters.account import Account
from swarmer.core.stack_progress import StackEvent

RETAIN: Final = ("Retain", "RetainExceptOnCreate")
"""Deletion policies of resources that outlive their stack."""


@dataclass(frozen=True, kw_only=True)
class StackState:
    """Existing stack."""

    name: str
    id: str
    status: str
    resolved: Mapping[str, str] = field(default_factory=dict)
    """Values of SSM parameters at the stack's last deploy, by their names."""

    @property
    def is_busy(self) -> bool:
        """Whether CloudFormation is at work on it. Work on a stack with only a change set has not begun."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    @property
    def has_resources(self) -> bool:
        """Whether it has resources. The CDK deletes a stack whose creation failed, and makes it again."""
        return self.status not in ("ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS")


@dataclass(frozen=True, kw_only=True)
class StackResource:
    """Resource of a stack."""

    stack: str
    logical_id: str
    kind: str
    id: str
    """Physical ID: the name or ARN in its service."""
    status: str
    is_retained: bool
    """Whether it outlives its stack."""


class Stacks:
    """Queries about stacks in the region of an account."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def described(self, wanted: Collection[str]) -> dict[str, StackState]:
        """Existing stacks among the wanted ones, by name."""
        client = self._account.client("cloudformation")
        with aws.translated():
            pages = client.get_paginator("describe_stacks").paginate()
            found = [each for page in pages for each in page["Stacks"]]
        return {each["StackName"]: _state(each) for each in found if each["StackName"] in wanted}

    def events(self, stack_id: str, after: str = "") -> list[StackEvent]:
        """Events of a stack, oldest first: all, or those after the event with the ID `after`."""
        client = self._account.client("cloudformation")
        with aws.translated():
            pages = client.get_paginator("describe_stack_events").paginate(StackName=stack_id)
            listed = (each for page in pages for each in page["StackEvents"])
            newer = list(itertools.takewhile(lambda each: each["EventId"] != after, listed))
        return [_event(each) for each in reversed(newer)]

    def last_event(self, stack_id: str) -> str:
        """ID of the newest event of a stack."""
        client = self._account.client("cloudformation")
        with aws.translated():
            found = client.describe_stack_events(StackName=stack_id)["StackEvents"]
        return str(found[0]["EventId"]) if found else ""

    def resources(self, stack: StackState) -> list[StackResource]:
        """Resources of a stack. AWS lists the resources of a deleted stack for 90 days."""
        client = self._account.client("cloudformation")
        with aws.translated():
            pages = client.get_paginator("list_stack_resources").paginate(StackName=stack.id)
            listed = [each for page in pages for each in page["StackResourceSummaries"]]
            template = client.get_template(StackName=stack.id)["TemplateBody"]
        retained = set(_retained(template if isinstance(template, Mapping) else json.loads(template)))
        return [
            StackResource(
                stack=stack.name,
                logical_id=each["LogicalResourceId"],
                kind=each["ResourceType"],
                id=each.get("PhysicalResourceId", ""),
                status=each["ResourceStatus"],
                is_retained=each["LogicalResourceId"] in retained,
            )
            for each in listed
        ]


def _state(raw: Mapping[str, Any]) -> StackState:
    given = raw.get("Parameters", ())
    return StackState(
        name=raw["StackName"],
        id=raw["StackId"],
        status=raw["StackStatus"],
        resolved={each["ParameterValue"]: each["ResolvedValue"] for each in given if "ResolvedValue" in each},
    )


def _retained(template: Mapping[str, Any]) -> Iterator[str]:
    return (name for name, each in template["Resources"].items() if each.get("DeletionPolicy") in RETAIN)


def _event(raw: Mapping[str, Any]) -> StackEvent:
    return StackEvent(
        id=raw["EventId"],
        logical_id=raw["LogicalResourceId"],
        kind=raw.get("ResourceType", ""),
        status=raw.get("ResourceStatus", ""),
        reason=raw.get("ResourceStatusReason", ""),
    )
