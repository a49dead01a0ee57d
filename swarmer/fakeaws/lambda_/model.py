"""Values of a Lambda function and the protocol of its runner. The module imports no moto."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, kw_only=True)
class Archive:
    """Zip file of code or a layer, as uploaded."""

    sha256: str
    """Digest in base64, like Lambda's CodeSha256."""
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Function:
    """Function, with all data for its execution environments."""

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
    """IDs of the subnets; empty outside a VPC."""
    security_groups: tuple[str, ...]
    concurrency: int | None
    """Reserved concurrency, or None."""
    log_group: str
    revision: str
    """Digest of all other fields."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Result of an invocation."""

    payload: str
    """JSON of the result or the error."""
    error: str = ""
    """Kind of the error: `Unhandled` for an exception, a timeout or an ended process; empty for a result."""
    lines: tuple[str, ...] = ()
    """Lines of the log."""


class Runner(Protocol):
    """Runner of functions."""

    def invoke(self, function: Function, request_id: str, event: Any) -> Outcome:
        """Run the function to its end. It raises no error."""
