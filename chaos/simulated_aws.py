"""Calls to the simulated AWS: faults of calls and events, its own log, an operator's client."""

from __future__ import annotations

import json
import urllib.request
from typing import Any, Final

import boto3

from chaos.lab import AWS_PORT
from swarmer.local import environment

AWS: Final = f"http://127.0.0.1:{AWS_PORT}"


def disturb(**fault: Any) -> None:
    """Make calls or events fail: swarmer/fakeaws/base/faults.py."""
    request = urllib.request.Request(f"{AWS}/swarmer/faults", data=json.dumps(fault).encode(), method="POST")
    urllib.request.urlopen(request, timeout=10).close()


def leave_in_peace(_: object = None) -> None:
    """End all failures of calls and events."""
    request = urllib.request.Request(f"{AWS}/swarmer/faults", method="DELETE")
    urllib.request.urlopen(request, timeout=10).close()


def person(service: str) -> Any:
    """Client of the simulated AWS with an operator's permissions."""
    keys = {"aws_access_key_id": "person", "aws_secret_access_key": "person"}
    return boto3.client(service, environment.REGION, endpoint_url=AWS, **keys)


def happened(after: int, *, wait_s: float = 0) -> list[dict[str, Any]]:
    """Entries of the rehearsal's own log with greater numbers; waits up to `wait_s` for one."""
    with urllib.request.urlopen(f"{AWS}/swarmer/events?after={after}&wait={wait_s}", timeout=30) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found


def last_number() -> int:
    """Number of that log's newest entry."""
    return max((each["number"] for each in happened(0)), default=0)


def said(message: str, about: str = "", *, after: int = 0) -> bool:
    """Whether a function has logged this message, in a line with `about`.

    `after`: number of an entry. Without it, `about` must identify one instance, because the log also has
    lines of earlier faults.
    """
    lines = [each["what"] for each in happened(after) if each["kind"] == "log"]
    return any(f'"{message}"' in line and about in line for line in lines)
