"""Findings of an examination: one line for each part of a machine or an account."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    OK = "ok"
    INSTALLED_BY_UP = "make up installs it"
    MADE_BY_DEPLOY = "swarmer deploy makes it"
    MISSING = "missing"
    OPTIONAL = "not needed"
    """State of a part that the rehearsal does without; other commands need it."""
    NOTE = "worth a look"
    """State of a part that is there, with a limit that a later change can meet."""
    UNKNOWN = "not checked"
    """State of a part about which nobody could be asked."""


@dataclass(frozen=True)
class Finding:
    what: str
    state: State
    found: str
    """Description of the part that is there."""
    advice: str = ""
    """Advice how to get the missing part; empty if none is missing."""

    @property
    def is_bad(self) -> bool:
        return self.state is State.MISSING

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
