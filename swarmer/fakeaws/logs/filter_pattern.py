"""Filter patterns of CloudWatch Logs: terms, and properties of events that are JSON. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

TERM: Final = re.compile(r'([?-]?)("(?:[^"\\]|\\.)*"|%[^%]*%|\S+)')
"""Pattern of a term: optional with `?`, excluded with `-`; a quoted phrase or a regular expression in `%`."""
TOKEN: Final = re.compile(r'\s*(\(|\)|&&|\|\||!=|<=|>=|=|<|>|"(?:[^"\\]|\\.)*"|%[^%]*%|[^\s()=<>!&|]+)')
"""Pattern of a token of a JSON pattern."""
NAME: Final = re.compile(r"[\w-]+|\[\d+\]")
"""Pattern of a part of a selector such as `$.detail.items[0]`."""
MISSING: Final = object()

Test = Callable[[str], bool]
JsonTest = Callable[[Any], bool]


class InvalidPattern(ValueError):
    """Filter pattern that CloudWatch Logs refuses."""


def matcher(pattern: str) -> Test:
    """Test whether a message matches the pattern. Raises InvalidPattern."""
    text = pattern.strip()
    if text.startswith("{"):
        return _json_matcher(text)
    return _terms_matcher(text)


def _terms_matcher(text: str) -> Test:
    terms = TERM.findall(text)
    optional = [_term(term) for mark, term in terms if mark == "?"]
    required = [_term(term) for mark, term in terms if not mark]
    excluded = [_term(term) for mark, term in terms if mark == "-"]

    def matches(message: str) -> bool:
        if any(term(message) for term in excluded) or not all(term(message) for term in required):
            return False
        # AWS ignores optional terms beside required ones.
        return bool(required) or not optional or any(term(message) for term in optional)

    return matches


def _term(text: str) -> Test:
    if text.startswith("%") and text.endswith("%") and len(text) > 1:
        expression = _expression(text[1:-1])
        return lambda message: expression.search(message) is not None
    wanted = _unquoted(text)
    return lambda message: wanted in message


def _expression(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as exc:
        raise InvalidPattern(f"Invalid filter pattern: {exc}") from exc


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


# -- JSON -------------------------------------------------------------------------------


def _json_matcher(text: str) -> Test:
    if not text.endswith("}"):
        raise InvalidPattern("Invalid filter pattern: no closing brace")
    parser = _Parser(_tokens(text[1:-1]))
    test = parser.alternatives()
    if parser.tokens:
        raise InvalidPattern(f"Invalid filter pattern at {parser.tokens[0]}")

    def matches(message: str) -> bool:
        try:
            return test(json.loads(message))
        except ValueError:
            return False

    return matches


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    position, text = 0, text.rstrip()
    while position < len(text):
        token = TOKEN.match(text, position)
        if token is None:
            raise InvalidPattern(f"Invalid filter pattern at {text[position:]}")
        found.append(token[1])
        position = token.end()
    return found


@dataclass
class _Parser:
    """Parser that takes tokens from the front."""

    tokens: list[str] = field(default_factory=list)

    def _take(self, *expected: str) -> str:
        if not self.tokens or (expected and self.tokens[0].upper() not in expected):
            raise InvalidPattern(f"Invalid filter pattern: {' or '.join(expected) or 'a value'} is missing")
        return self.tokens.pop(0)

    def _is_next(self, *words: str) -> bool:
        return bool(self.tokens) and self.tokens[0].upper() in words

    def alternatives(self) -> JsonTest:
        """Parse expressions joined by `||`."""
        tests = [self._conjunction()]
        while self._is_next("||"):
            self._take()
            tests.append(self._conjunction())
        return lambda value: any(test(value) for test in tests)

    def _conjunction(self) -> JsonTest:
        tests = [self._unit()]
        while self._is_next("&&"):
            self._take()
            tests.append(self._unit())
        return lambda value: all(test(value) for test in tests)

    def _unit(self) -> JsonTest:
        if not self._is_next("("):
            return self._comparison()
        self._take()
        test = self.alternatives()
        self._take(")")
        return test

    def _comparison(self) -> JsonTest:
        selector = self._take()
        if not selector.startswith("$"):
            raise InvalidPattern(f"Invalid filter pattern: {selector} is no selector")
        path = NAME.findall(selector[1:])
        if self._is_next("IS"):
            self._take()
            wanted = {"NULL": None, "TRUE": True, "FALSE": False}[self._take("NULL", "TRUE", "FALSE").upper()]
            return lambda value: _at(value, path) is wanted
        if self._is_next("NOT"):
            self._take()
            self._take("EXISTS")
            return lambda value: _at(value, path) is MISSING
        operator, text = self._take("=", "!=", "<", "<=", ">", ">="), self._take()
        return lambda value: _compares(_at(value, path), operator, text)


def _at(value: Any, path: list[str]) -> Any:
    """Value at the path, or MISSING."""
    for name in path:
        if name.startswith("["):
            index = int(name[1:-1])
            value = value[index] if isinstance(value, list) and index < len(value) else MISSING
        else:
            value = value.get(name, MISSING) if isinstance(value, dict) else MISSING
    return value


def _compares(actual: Any, operator: str, text: str) -> bool:
    if actual is MISSING or isinstance(actual, dict | list):
        return False
    if operator in ("=", "!="):
        return _is_equal(actual, text) == (operator == "=")
    try:
        wanted = float(text)
    except ValueError:
        return False
    if isinstance(actual, bool) or not isinstance(actual, int | float):
        return False
    return {
        "<": actual < wanted,
        "<=": actual <= wanted,
        ">": actual > wanted,
        ">=": actual >= wanted,
    }[operator]


def _is_equal(actual: Any, text: str) -> bool:
    if text.startswith("%"):
        return _expression(text.strip("%")).search(str(actual)) is not None
    if isinstance(actual, int | float) and not isinstance(actual, bool):
        try:
            return actual == float(text)
        except ValueError:
            return False
    words = [re.escape(word) for word in _unquoted(text).split("*")]
    return re.fullmatch(".*".join(words), str(actual), re.DOTALL) is not None
