"""Commands and their invocations: their order and their statuses. Pure.

https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from swarmer.fakeaws.ssm.documents import Step

MAX_OUTPUT: Final = 24_000
"""Number of characters of a step's output in the answer of GetCommandInvocation."""
MAX_ERROR: Final = 8_000
"""Number of characters of its error output there."""
MAX_LISTED_OUTPUT: Final = 2_500
"""Number of characters of both together in the answer of ListCommandInvocations."""
ERROR_TITLE: Final = "\n----------ERROR-------\n"
"""Text between the output and the error output, in the agent's words."""
CUT: Final = "\n---Output truncated---"
"""End of a cut text, in the agent's words."""
NOT_STARTED: Final = -1
"""Response code of a step that has not begun."""


class Details(StrEnum):
    """Detailed status of an invocation."""

    PENDING = "Pending"
    DELAYED = "Delayed"
    IN_PROGRESS = "InProgress"
    CANCELLING = "Cancelling"
    SUCCESS = "Success"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    DELIVERY_TIMED_OUT = "DeliveryTimedOut"
    EXECUTION_TIMED_OUT = "ExecutionTimedOut"
    UNDELIVERABLE = "Undeliverable"
    TERMINATED = "Terminated"
    ACCESS_DENIED = "AccessDenied"


STATUS: Final[Mapping[Details, str]] = {
    **{each: each.value for each in Details},
    Details.DELIVERY_TIMED_OUT: "TimedOut",
    Details.EXECUTION_TIMED_OUT: "TimedOut",
    Details.UNDELIVERABLE: "Failed",
    Details.TERMINATED: "Cancelled",
    Details.ACCESS_DENIED: "Failed",
}
"""Status of each detailed status, because the API's enumeration has fewer words."""
UNSENT: Final = frozenset({Details.PENDING, Details.DELAYED})
SENT: Final = frozenset({Details.IN_PROGRESS, Details.CANCELLING})
ERRORS: Final = frozenset({Details.FAILED, Details.EXECUTION_TIMED_OUT})
"""Statuses that count against MaxErrors."""
UNREACHED: Final = frozenset({Details.UNDELIVERABLE, Details.ACCESS_DENIED})
"""Statuses with which the command is still a success if any other invocation is one."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """Result of one step, from the agent's report."""

    step: str
    code: int
    details: Details
    out: str
    err: str
    began_s: float
    ended_s: float


@dataclass
class Invocation:
    """Copy of a command for one node."""

    instance_id: str
    details: Details = Details.PENDING
    results: tuple[Result, ...] = ()

    @property
    def is_final(self) -> bool:
        return self.details not in UNSENT | SENT


@dataclass(kw_only=True)
class Command:
    """Command with its invocations by instance ID."""

    id: str
    document: str
    version: str
    comment: str
    parameters: Mapping[str, Sequence[str]]
    targets: Sequence[Mapping[str, Any]]
    instance_ids: tuple[str, ...]
    """Instances of the request; empty if it has targets."""
    timeout_s: int
    """Timeout for an agent to start the command."""
    max_concurrency: str
    max_errors: str
    requested_s: float
    steps: tuple[Step, ...]
    invocations: dict[str, Invocation] = field(default_factory=dict)
    is_cancelled: bool = False
    """Whether the whole command has been cancelled."""

    @property
    def expires_s(self) -> float:
        """End of the total timeout: of the delivery, and of the execution of every step."""
        return self.requested_s + self.timeout_s + sum(step.timeout_s for step in self.steps)

    def count(self, *details: Details) -> int:
        """Number of invocations with one of these statuses."""
        return sum(each.details in details for each in self.invocations.values())

    def limit(self, text: str) -> int:
        """Number for MaxConcurrency or MaxErrors, from a number or a percentage of the invocations."""
        if not text.endswith("%"):
            return int(text)
        return len(self.invocations) * int(text[:-1]) // 100

    @property
    def has_too_many_errors(self) -> bool:
        return self.count(*ERRORS) > self.limit(self.max_errors)


def next_to_send(command: Command, now_s: float) -> list[Invocation]:
    """Invocations of connected nodes to send now, within MaxConcurrency and MaxErrors."""
    if now_s >= command.requested_s + command.timeout_s or command.has_too_many_errors:
        return []
    room = max(command.limit(command.max_concurrency), 1) - command.count(*SENT)
    return [each for each in command.invocations.values() if each.details == Details.PENDING][: max(room, 0)]


def settle(command: Command, now_s: float, connected: Container[str], existing: Container[str]) -> None:
    """Update the status of every invocation that needs no agent's report.

    `connected`, `existing`: IDs of instances. A sent invocation stays InProgress after the loss of its agent,
    until the command expires.
    """
    has_too_many_errors = command.has_too_many_errors
    for each in command.invocations.values():
        if each.is_final:
            continue
        if now_s >= command.expires_s:
            ended = each.details == Details.CANCELLING
            each.details = Details.CANCELLED if ended else Details.DELIVERY_TIMED_OUT
        elif each.details in UNSENT:
            if each.instance_id not in existing:
                each.details = Details.UNDELIVERABLE
            elif has_too_many_errors:
                each.details = Details.TERMINATED
            else:
                each.details = Details.PENDING if each.instance_id in connected else Details.DELAYED


def cancel(command: Command, instance_ids: Sequence[str]) -> None:
    """Cancel the invocations of these instances, or of all. A sent invocation waits for its agent."""
    command.is_cancelled = command.is_cancelled or not instance_ids
    for each in command.invocations.values():
        if instance_ids and each.instance_id not in instance_ids:
            continue
        if each.details in UNSENT:
            each.details = Details.CANCELLED
        elif each.details == Details.IN_PROGRESS:
            each.details = Details.CANCELLING


def finish(invocation: Invocation, results: tuple[Result, ...]) -> None:
    """Store the agent's results. A result after the invocation's end is ignored."""
    if invocation.is_final:
        return
    invocation.results = results
    worst = [each.details for each in results if each.details != Details.SUCCESS]
    invocation.details = worst[0] if worst else Details.SUCCESS


def overall(command: Command) -> tuple[str, str]:
    """Status and detailed status of the whole command."""
    every = list(command.invocations.values())
    if not every:
        return "Failed", "NoInstancesInTag"
    if any(not each.is_final for each in every):
        if command.is_cancelled:
            return "Cancelling", "Cancelling"
        word = "Pending" if all(each.details in UNSENT for each in every) else "InProgress"
        return word, word
    return _ended(command, {each.details for each in every})


def _ended(command: Command, found: set[Details]) -> tuple[str, str]:
    """Status and detailed status of a command without a running invocation."""
    if command.is_cancelled and Details.CANCELLED in found:
        return "Cancelled", "Cancelled"
    if command.has_too_many_errors:
        word = Details.EXECUTION_TIMED_OUT if Details.FAILED not in found else Details.FAILED
        return STATUS[word], word.value
    if found <= UNREACHED:
        return "Failed", "AccessDenied" if found == {Details.ACCESS_DENIED} else "Failed"
    if found - UNREACHED == {Details.SUCCESS}:
        return "Success", "Success"
    if command.count(Details.DELIVERY_TIMED_OUT) > command.limit(command.max_errors):
        return "TimedOut", "DeliveryTimedOut"
    return "Failed", "Incomplete"


def listed_output(out: str, err: str) -> str:
    """Output and error output in one text of at most MAX_LISTED_OUTPUT characters."""
    text = f"{out}{ERROR_TITLE}{err}" if err else out
    return text if len(text) <= MAX_LISTED_OUTPUT else text[: MAX_LISTED_OUTPUT - len(CUT)] + CUT
