"""Exit statuses of all commands, and of single commands that have more to report.

`--help` and docs/reference/exit-statuses.md show them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Statuses = tuple[tuple[str, str], ...]
"""Statuses with their meanings."""

EXIT_STATUSES: Final[Statuses] = (
    ("0", "success"),
    ("1", "the check failed, or the operation could not be completed; one line gives the reason"),
    ("2", "invalid input or an unsuitable machine; one line gives the problem and its place"),
    ("130", "interrupted by Ctrl-C"),
)
"""Exit statuses of every command."""
OF_COMMANDS: Final[Mapping[str, Statuses]] = {
    "validate": (
        ("0", "the description is valid"),
        ("2", "the description is invalid, or has a change that AWS refuses (--aws)"),
    ),
    "facts": (("1", "no fact matches"),),
    "doctor": (("0", "every part is there"), ("1", "a part is missing")),
    "up": (
        ("0", "the cluster is validated"),
        ("1", "the cluster failed to come up, or validation took too long"),
    ),
    "deploy": (
        ("0", "the cluster is deployed and validated"),
        ("1", "the deploy failed, validation took too long, or you declined the changes"),
        ("2", "the description is invalid, or the account lacks something"),
        ("130", "interrupted by Ctrl-C; one line gives the work that continues in AWS"),
    ),
    "destroy": (
        ("0", "every stack is gone"),
        ("1", "a resource is left, or the answer differed from the cluster's name"),
        ("130", "interrupted by Ctrl-C; one line gives the work that continues in AWS"),
    ),
    "status": (
        ("0", "every node is healthy, or Ctrl-C ended --watch"),
        ("1", "the cluster has a problem or is missing"),
    ),
    "events": (("0", "the events are listed, or Ctrl-C ended --follow"),),
    "logs": (("0", "the journal or the console is shown"), ("other", "exit status of journalctl")),
    "exec": (
        ("any", "exit status of the command on the node"),
        ("1", "the node is unreachable, or the command takes longer than --timeout"),
    ),
    "shell": (("any", "exit status of the shell on the node"),),
    "vagrant status": (
        ("0", "every machine is healthy"),
        ("1", "the cluster has a problem or is missing"),
    ),
}
"""Exit statuses that say more than EXIT_STATUSES, by command."""


def epilog(command: str) -> str:
    """Paragraph for the command's `--help`."""
    rows = "\n".join(f"  {status:<5}  {meaning}" for status, meaning in OF_COMMANDS[command])
    return f"\b\nExit status:\n{rows}"
