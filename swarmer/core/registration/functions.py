"""Functions of `-tags` templates: those of the original except httpGet, and Go's common ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final


class Failed(Exception):
    """A template cannot be rendered for this container; the message has the reason."""


def shown(value: Any) -> str:
    """Return the value as Go prints it: `[a b]`, `map[k:v]`, `true`; a missing value is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{' '.join(map(shown, value))}]"
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{shown(value[key])}' for key in sorted(value))}]"
    return str(value)


def is_true(value: Any) -> bool:
    """Whether the value counts as true: it is not empty, zero or missing."""
    return bool(value)


def _str_slice(text: str, *bounds: int) -> str:
    """Return a part of the text, as `strSlice s start end`. With an end before the start, return the rest."""
    start, end = (*bounds, -1)[:2] if bounds else (0, -1)
    start = max(0, start)
    return text[start:] if end < start else text[start:end]


def _at(index: int, items: list[Any]) -> Any:
    """Return an item. Indexes are clamped; negative indexes count from the end."""
    if not items:
        return ""
    return items[max(0, len(items) + index) if index < 0 else min(index, len(items) - 1)]


def _string_at(index: int, items: list[Any] | None) -> Any:
    return _at(index, items or [])


def _value_of(key: str, values: Mapping[str, Any] | None) -> Any:
    return (values or {}).get(key, "")


def _replace(count: int, old: str, new: str, text: str) -> str:
    return text.replace(old, new, count)


def _joined(separator: str, items: list[Any] | None) -> str:
    return separator.join(map(shown, items or []))


def _split(separator: str, text: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _matches(pattern: str, items: list[Any] | None) -> list[str]:
    found = re.compile(pattern)
    return [str(item) for item in items or [] if found.search(str(item))]


def _json_at(text: str, path: str) -> str:
    """Return the value at a path, as `jsonParse TEXT a::b::c`."""
    value = json.loads(text)
    for key in path.split("::"):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return shown(value)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else value[key]
    return value


def _printf(pattern: str, *values: Any) -> str:
    left = list(values)

    def one(found: re.Match[str]) -> str:
        if found[1] == "%":
            return "%"
        value = left.pop(0)
        return json.dumps(shown(value)) if found[1] == "q" else shown(value)

    return re.sub(r"%([sdvq%])", one, pattern)


def _or(*values: Any) -> Any:
    return next((value for value in values if is_true(value)), values[-1])


def _and(*values: Any) -> Any:
    return next((value for value in values if not is_true(value)), values[-1])


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "strSlice": _str_slice,
    "sIndex": _string_at,
    "mIndex": _value_of,
    "toUpper": lambda text: text.upper(),
    "toLower": lambda text: text.lower(),
    "replace": _replace,
    "join": _joined,
    "split": _split,
    "splitIndex": lambda index, separator, text: _at(index, _split(separator, text)),
    "matchFirstElement": lambda pattern, items: _at(0, _matches(pattern, items)[:1]),
    "matchAllElements": _matches,
    "jsonParse": _json_at,
    "index": _index,
    "len": len,
    "print": lambda *values: "".join(map(shown, values)),
    "printf": _printf,
    "eq": lambda first, *others: any(first == other for other in others),
    "ne": lambda first, second: first != second,
    "not": lambda value: not is_true(value),
    "and": _and,
    "or": _or,
}
"""Functions by their name in templates."""
