"""Progress of CloudFormation's stacks from their events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

STACK: Final = "AWS::CloudFormation::Stack"
"""Type of the events about a stack as a whole."""
BEGINNINGS: Final = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
"""Status of a stack at the beginning of an operation."""
DONE: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "DELETE_SKIPPED")
"""Status of a finished resource."""
SETTLED: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "IMPORT_COMPLETE")
"""Status of a stack whose operation succeeded."""
CANCELLED: Final = "cancelled"
"""Word in the reason of a resource that failed only because another one failed."""


@dataclass(frozen=True, kw_only=True)
class StackEvent:
    """Event: a resource of a stack, or the stack itself, has a status."""

    id: str
    logical_id: str
    kind: str
    status: str
    reason: str = ""

    @property
    def is_about_stack(self) -> bool:
        """Whether the event is about the stack as a whole. A nested stack would have another logical ID."""
        return self.kind == STACK


@dataclass(frozen=True, kw_only=True)
class StackProgress:
    """State of one stack from its events since some moment."""

    name: str
    status: str = ""
    """Status of the stack; empty without an event about it."""
    done: int = 0
    """Number of finished resources."""
    at_work: tuple[str, ...] = ()
    """Resources at work, oldest first."""
    failure: str = ""
    """First resource that failed, with its reason: one line."""

    @property
    def is_settled(self) -> bool:
        """Whether its operation succeeded."""
        return self.status in SETTLED

    @property
    def phase(self) -> str:
        """Words for the stack's state, for the operator."""
        if self.failure:
            return f"failed: {self.failure}"
        if not self.status:
            return "waits for the others"
        if self.is_settled:
            return "done"
        work = f", at work on {self.at_work[0]}" if self.at_work else ""
        more = f" and {len(self.at_work) - 1} more" if len(self.at_work) > 1 else ""
        return f"{self.done} resources done{work}{more}"


def progress(name: str, events: Iterable[StackEvent]) -> StackProgress:
    """Progress of a stack from its events, oldest first. A new operation starts it again."""
    status, failure = "", ""
    done, at_work = set[str](), dict[str, str]()
    for event in events:
        if event.is_about_stack:
            if event.status in BEGINNINGS:
                done, at_work, failure = set(), {}, ""
            status = event.status
        elif event.status.endswith("_FAILED"):
            at_work.pop(event.logical_id, None)
            if CANCELLED not in event.reason.lower():
                failure = failure or _failed(event)
        elif event.status in DONE:
            done.add(event.logical_id)
            at_work.pop(event.logical_id, None)
        elif event.status.endswith("_IN_PROGRESS"):
            at_work.setdefault(event.logical_id, f"{event.kind.removeprefix('AWS::')} {event.logical_id}")
    return StackProgress(
        name=name, status=status, done=len(done), at_work=tuple(at_work.values()), failure=failure
    )


def _failed(event: StackEvent) -> str:
    return f"{event.logical_id} ({event.kind}): {' '.join(event.reason.split())}"


def failure(found: Sequence[StackProgress]) -> str:
    """First failure of the stacks, with the stack's name; empty without one."""
    return next((f"{each.name}: {each.failure}" for each in found if each.failure), "")
