"""`-tags`: the common part of Go's text/template, over the output of `docker inspect`. No HTTP.

Text and `{{ … }}`: fields (`.Config.Env`), calls, pipes, parentheses, strings, numbers; if, else, with,
range, end; `{{-` and `-}}` trim. The callable functions are in `functions`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from swarmer.core.registration.functions import FUNCTIONS, Failed, is_true, shown
from swarmer.core.validation import InvalidValue

__all__ = ["Failed", "Template"]

_ACTION: Final = re.compile(r"\{\{(-\s)?(.*?)(\s-)?\}\}", re.DOTALL)
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<string>"(?:\\.|[^"\\])*"|`[^`]*`)|(?P<number>-?\d+)|(?P<field>\.(?:\w+(?:\.\w+)*)?)"""
    r"""|(?P<root>\$(?:\.\w+)*)|(?P<word>\w+)|(?P<mark>[()|]))""",
    re.ASCII,
)
_BLOCKS: Final = ("if", "with", "range")
MOST_STEPS: Final = 100_000
"""Maximum number of steps of one rendering, as a limit for nested ranges."""


@dataclass(frozen=True)
class _Call:
    """One pipeline: commands, each a list of operands; the result of one is the last operand of the next."""

    commands: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class _Block:
    kind: str
    pipeline: _Call
    body: tuple[Any, ...]
    otherwise: tuple[Any, ...]


@dataclass(frozen=True)
class _Operand:
    kind: str
    """Kind: string, number, word, field (of the dot), root (of the whole)."""
    value: Any


class Template:
    """Parsed template. Raises InvalidValue if the text is no template."""

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._nodes, end = _Parser(text).block()
        except RecursionError:
            raise InvalidValue("the template is nested too deeply", "take a simpler template") from None
        if end:
            raise InvalidValue(f"{{{{{end}}}}} closes nothing", "take it out")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def render(self, data: Mapping[str, Any]) -> str:
        """Render the template for one inspected container. Raises Failed with the missing part of the
        container."""
        if "{{" not in self.text:
            return self.text
        try:
            return "".join(_Run(data).nodes(self._nodes, data))
        except RecursionError as exc:
            raise Failed("it is nested too deeply") from exc


class _Parser:
    def __init__(self, text: str) -> None:
        self._pieces = _pieces(text)

    def block(self) -> tuple[tuple[Any, ...], str]:
        """Return the nodes of the block, and its end: `end`, `else …` or the end of the text."""
        nodes: list[Any] = []
        for kind, text in self._pieces:
            first, _, rest = text.strip().partition(" ")
            if kind == "text":
                nodes.append(text)
            elif first.startswith("/*"):
                continue
            elif first in _BLOCKS:
                nodes.append(self._block(first, rest))
            elif first in ("end", "else"):
                return tuple(nodes), text.strip()
            else:
                nodes.append(_pipeline(text))
        return tuple(nodes), ""

    def _block(self, kind: str, condition: str) -> _Block:
        body, end = self.block()
        otherwise: tuple[Any, ...] = ()
        if end.startswith("else"):
            follow = end[4:].strip()
            if follow:
                inner, _, rest = follow.partition(" ")
                if inner not in _BLOCKS:
                    raise InvalidValue(f"{{{{{end}}}}} is no branch", "write {{else}} or {{else if …}}")
                return _Block(kind, _pipeline(condition), body, (self._block(inner, rest),))
            otherwise, end = self.block()
        if end != "end":
            raise InvalidValue(f"{{{{{kind}}}}} has no end", "write {{end}} after it")
        return _Block(kind, _pipeline(condition), body, otherwise)


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    at, trim = 0, False
    for action in _ACTION.finditer(text):
        before = text[at : action.start()]
        before = before.lstrip() if trim else before
        yield "text", before.rstrip() if action[1] else before
        yield "action", action[2]
        at, trim = action.end(), bool(action[3])
    rest = text[at:].lstrip() if trim else text[at:]
    if "{{" in rest:
        raise InvalidValue(f"{rest[rest.index('{{') :][:40]} is not closed", "write }} after it")
    yield "text", rest


def _pipeline(text: str) -> _Call:
    tokens = _tokens(text)
    found = _commands(tokens, text)
    if tokens:
        raise InvalidValue(f"{{{{{text}}}}} closes a parenthesis too many", "take it out")
    return found


def _tokens(text: str) -> list[tuple[str, str]]:
    at, found = 0, []
    while text[at:].strip():
        token = _TOKEN.match(text, at)
        if not token or not token.lastgroup:
            raise InvalidValue(
                f"-tags: {text[at:].strip()[:40]} is not understood",
                "see docs/reference/registrator.md, Tags",
            )
        found.append((token.lastgroup, token[token.lastgroup]))
        at = token.end()
    return found[::-1]


def _commands(tokens: list[tuple[str, str]], text: str) -> _Call:
    """Parse up to the closing parenthesis, which stays in `tokens`."""
    commands: list[list[Any]] = [[]]
    while tokens and tokens[-1][1] != ")":
        kind, value = tokens.pop()
        if value == "|" and kind == "mark":
            commands.append([])
        elif value == "(" and kind == "mark":
            commands[-1].append(_commands(tokens, text))
            if not tokens:
                raise InvalidValue(f"a parenthesis stays open in {{{{{text}}}}}", "close it")
            tokens.pop()
        else:
            commands[-1].append(_operand(kind, value))
    if not all(commands):
        raise InvalidValue(f"{{{{{text}}}}} says nothing", "write a field or a function")
    return _Call(tuple(map(tuple, commands)))


def _operand(kind: str, value: str) -> _Operand:
    if kind == "string":
        plain = value[1:-1] if value[0] == "`" else re.sub(r"\\(.)", _escaped, value[1:-1])
        return _Operand(kind, plain)
    if kind == "number":
        return _Operand(kind, int(value))
    if kind == "word" and value not in FUNCTIONS:
        raise InvalidValue(f"{value[:40]} is no function", f"take {', '.join(sorted(FUNCTIONS))}")
    return _Operand(kind, value)


def _escaped(found: re.Match[str]) -> str:
    return {"n": "\n", "t": "\t"}.get(found[1], found[1])


class _Run:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._steps = 0

    def nodes(self, nodes: tuple[Any, ...], dot: Any) -> Iterator[str]:
        for node in nodes:
            self._steps += 1
            if self._steps > MOST_STEPS:
                raise Failed("it never ends")
            if isinstance(node, str):
                yield node
            elif isinstance(node, _Call):
                yield shown(self._value(node, dot))
            else:
                yield from self._block(node, dot)

    def _block(self, block: _Block, dot: Any) -> Iterator[str]:
        value = self._value(block.pipeline, dot)
        if not is_true(value):
            yield from self.nodes(block.otherwise, dot)
        elif block.kind == "range":
            if not isinstance(value, list | Mapping):
                raise Failed(f"range over {type(value).__name__}")
            items = [value[key] for key in sorted(value)] if isinstance(value, Mapping) else value
            for item in items:
                yield from self.nodes(block.body, item)
        else:
            yield from self.nodes(block.body, value if block.kind == "with" else dot)

    def _value(self, call: _Call, dot: Any) -> Any:
        result: list[Any] = []
        for first, *rest in call.commands:
            operands = [self._operand(each, dot) for each in rest] + result
            if isinstance(first, _Operand) and first.kind == "word":
                result = [_called(first.value, operands)]
            elif operands:
                raise Failed("a value is no function")
            else:
                result = [self._operand(first, dot)]
        return result[0]

    def _operand(self, operand: Any, dot: Any) -> Any:
        if isinstance(operand, _Call):
            return self._value(operand, dot)
        if operand.kind == "word":
            return _called(operand.value, [])
        if operand.kind in ("field", "root"):
            names = filter(None, operand.value.lstrip("$").split("."))
            return _field(self._root if operand.kind == "root" else dot, names)
        return operand.value


def _called(name: str, operands: list[Any]) -> Any:
    try:
        return FUNCTIONS[name](*operands)
    except (TypeError, ValueError, LookupError, AttributeError, re.error) as exc:
        raise Failed(f"{name}: {exc}") from exc


def _field(value: Any, names: Iterator[str] | filter[str]) -> Any:
    for name in names:
        if not isinstance(value, Mapping):
            raise Failed(f"{name} is no field of {type(value).__name__}")
        if name not in value:
            # Some fields have other names in the original: .ID and .HostIP in Go are Id and HostIp in the
            # API's JSON.
            name = next((key for key in value if key.lower() == name.lower()), name)
        value = value.get(name)
    return value
