"""Parameters of the command document that runs a command on a node, and the command among them. Pure.

Standard library only: it runs on nodes.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Final

ID: Final = "Id"
COMMAND: Final = "Command"
SECONDS: Final = "Seconds"
"""Names of the parameters."""
# The agent compiles each pattern with Go, and Go's expressions allow 1,000 repetitions at most.
PATTERNS: Final = {ID: "^[0-9a-f]{32}$", COMMAND: "^[A-Za-z0-9+/=]+$", SECONDS: "^[0-9]{1,5}$"}
"""Patterns of the parameters' values. All of them exclude a shell's special characters."""
LONGEST_COMMAND: Final = 32_768
"""Maximum number of characters of the parameter with the command."""
DEFAULT_SECONDS: Final = 3600
"""Default timeout after which the agent ends a command, in seconds."""
MARGIN_S: Final = 5
"""Time by which the command ends before the agent's timeout, in seconds, so that its end is reported."""


class Unusable(Exception):
    """A command cannot be sent or run; the text has the reason."""


def encode(argv: Sequence[str]) -> str:
    """Write the words of a command as the parameter's value. Raises Unusable."""
    text = base64.b64encode(json.dumps(list(argv)).encode()).decode()
    if len(text) > LONGEST_COMMAND:
        raise Unusable(
            f"the command is too long: {len(text):,} characters once encoded, at most {LONGEST_COMMAND:,}"
        )
    _check(argv)
    return text


def decode(text: str) -> list[str]:
    """Read the words of a command. Raises Unusable."""
    try:
        found = json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as exc:
        raise Unusable(f"the command is no list of words: {exc}") from exc
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise Unusable("the command is no list of words")
    _check(found)
    return found


def _check(argv: Sequence[str]) -> None:
    if not argv or not argv[0]:
        raise Unusable("the command has no words")
    if any("\0" in word for word in argv):
        raise Unusable("a word of the command holds a null character")
