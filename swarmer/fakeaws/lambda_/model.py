"""Values of a Lambda function and the protocol of its runner. Imports no moto."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A zip file, as it was uploaded."""

    sha256: str
    """Base64, as Lambda's CodeSha256."""
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Function:
    """All that an execution environment is made of. `revision` changes with any of it."""

    name: str
    arn: str
    handler: str
    runtime: str
    timeout_s: int
    memory_mb: int
    environment: dict[str, str]
    code: Archive
    layers: tuple[Archive, ...]
    role_arn: str
    region: str
    subnets: tuple[str, ...]
    """Empty outside of every VPC."""
    security_groups: tuple[str, ...]
    concurrency: int | None
    """Reserved, where it is."""
    log_group: str
    revision: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an invocation came to."""

    payload: str
    """JSON: the result, or the error."""
    error: str = ""
    """`Unhandled` for an exception, a time-out, a process that ended; empty for a result."""
    lines: tuple[str, ...] = ()


class Runner(Protocol):
    """Whoever can run a function."""

    def invoke(self, function: Function, request_id: str, event: Any) -> Outcome:
        """Returns when it is done; raises nothing."""
