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
    """State of a missing part that the rehearsal does not need; other commands need it."""
    NOTE = "worth a look"
    """State of a part that exists, with a limit that a later change can reach."""
    UNKNOWN = "not checked"
    """State of a part whose source did not answer."""


@dataclass(frozen=True)
class Finding:
    what: str
    state: State
    found: str
    """Description of the part that was found."""
    advice: str = ""
    """Remedy for the missing part; empty if nothing is missing."""

    @property
    def is_bad(self) -> bool:
        return self.state is State.MISSING

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
