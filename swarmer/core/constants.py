"""Constants of a module, read from its source: names, values and docstrings. No module is imported for it."""

from __future__ import annotations

import ast
import inspect
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

_HEADING: Final = re.compile(r"^# -- (?P<text>.+?) -*$")
_OPERATORS: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
}


@dataclass(frozen=True)
class Constant:
    """Constant of a module."""

    path: str
    """Path of the module, relative to the repository."""
    name: str
    docstring: str
    """Text below the constant, on one line; empty if there is none."""
    heading: str
    """Text of the last comment `# -- TEXT ----` above it; empty if there is none."""
    expression: ast.expr


class NotConstant(Exception):
    """Reason why an expression has no value without running its module."""


def constants(root: Path, path: str) -> list[Constant]:
    """Public constants of the module at `path` below `root`, in their order."""
    body = _parsed(root / path).body
    headings = _headings(root / path)
    found = []
    for statement, following in zip(body, [*body[1:], None], strict=True):
        name, expression = _assigned(statement)
        if name and expression and re.fullmatch("[A-Z][A-Z0-9_]*", name):
            above = [text for line, text in headings if line < statement.lineno]
            found.append(Constant(path, name, _docstring(following), above[-1] if above else "", expression))
    return found


def functions(root: Path, path: str) -> list[tuple[str, str, str]]:
    """Public functions of the module: name, docstring on one line, heading."""
    headings = _headings(root / path)
    return [
        (
            each.name,
            " ".join((ast.get_docstring(each) or "").split()),
            next((text for line, text in reversed(headings) if line < each.lineno), ""),
        )
        for each in _parsed(root / path).body
        if isinstance(each, ast.FunctionDef) and not each.name.startswith("_")
    ]


def value(root: Path, constant: Constant) -> Any:
    """Value of a constant that consists of literals, arithmetic and other constants. Raises NotConstant."""
    return _value(root, constant.path, constant.expression)


def _value(root: Path, path: str, node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=literal):
            return literal
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(root, path, left), _value(root, path, right))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(root, path, operand)
        case ast.Call(func=ast.Name(id="len"), args=[text]):
            return len(_value(root, path, text))
        case ast.Name(id=name):
            return _named(root, path, name)
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            if other := _imported(root, path).get(module):
                return _named(root, other, name)
    raise NotConstant(f"{path}: {ast.unparse(node)}")


def _named(root: Path, path: str, name: str) -> Any:
    """Value of a constant that the module defines or imports by its name."""
    for each in constants(root, path):
        if each.name == name:
            return value(root, each)
    if other := _imported(root, path).get(name):
        return _named(root, other, name)
    raise NotConstant(f"{path}: {name}")


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _headings(path: Path) -> list[tuple[int, str]]:
    lines = enumerate(path.read_text().splitlines(), 1)
    return [(number, found["text"]) for number, line in lines if (found := _HEADING.match(line))]


def _imported(root: Path, path: str) -> dict[str, str]:
    """Paths of modules by the names under which the module has them, or has something of them."""
    found = {}
    for each in _parsed(root / path).body:
        if isinstance(each, ast.ImportFrom) and each.module:
            package = each.module.replace(".", "/")
            for alias in each.names:
                module = f"{package}/{alias.name}.py"
                known = module if (root / module).exists() else f"{package}.py"
                if (root / known).exists():
                    found[alias.asname or alias.name] = known
    return found


def _assigned(statement: ast.stmt) -> tuple[str, ast.expr | None]:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), value=expression):
            return name, expression
        case ast.Assign(targets=[ast.Name(id=name)], value=expression):
            return name, expression
    return "", None


def _docstring(statement: ast.stmt | None) -> str:
    match statement:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return " ".join(inspect.cleandoc(text).split())
    return ""
