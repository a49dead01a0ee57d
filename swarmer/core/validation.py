"""Checks of an operator's values: the error for an invalid value, and its form in messages.

Standard library only, because nodes check the registrator's options with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

LONGEST_QUOTE: Final = 60
"""Largest number of characters that a message shows of a value."""


class InvalidValue(ValueError):
    """Value that breaks a rule. `message`: the problem; `advice`: the remedy, in imperative mood."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message}; {advice}")
        self.message = message
        self.advice = advice


def shown(value: object) -> str:
    """The value for a message: at most LONGEST_QUOTE characters, text in quotes, numbers without."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple | set | frozenset):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)
    text = text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 3]}..."
    return f'"{text}"' if isinstance(value, str) else text


def listed(words: Sequence[str], most: int = 6) -> str:
    """The words as in "a, b and c". After the first `most` words comes the number of the others."""
    first = [*words[:most], *([f"{len(words) - most} more"] if len(words) > most else [])]
    return " and ".join(filter(None, (", ".join(first[:-1]), *first[-1:])))


def text(value: object) -> str:
    """The value, if it is text. Raises InvalidValue."""
    if not isinstance(value, str):
        raise InvalidValue(f"{shown(value)} is not text", "write text, in quotes if need be")
    return value


def truth(value: object) -> bool:
    """The value, if it is true or false. Raises InvalidValue."""
    if not isinstance(value, bool):
        raise InvalidValue(f"{shown(value)} is neither true nor false", "write true or false, without quotes")
    return value


def whole_number(value: object, *, low: int, high: int) -> int:
    """The value, if it is a whole number from `low` to `high`. Raises InvalidValue."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValue(f"{shown(value)} is not a whole number", f"write {low} to {high}, without quotes")
    if not low <= value <= high:
        size = "small" if value < low else "large"
        raise InvalidValue(f"{shown(value)} is too {size}", f"take {low} to {high}")
    return value
