"""A function's environment as a typed value: read once per invocation, complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar, get_type_hints

Kind = TypeVar("Kind", bound="Environment")


class Unset(Exception):
    """A variable is missing or is not what it should be; the text names all of them."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What every function is told by its template."""

    cluster: str
    queue_url: str
    """Where its messages come from."""
    dead_letters_url: str
    """Where messages go that nobody can understand."""


def read(kind: type[Kind], variables: Mapping[str, str] = os.environ) -> Kind:
    """`kind` from the variables named like its fields, in capitals. Raises Unset."""
    hints, values, wrong = get_type_hints(kind), {}, []
    for field in fields(kind):
        name = field.name.upper()
        try:
            values[field.name] = _value(hints[field.name], variables[name])
        except KeyError:
            wrong.append(f"{name} is not set")
        except ValueError as exc:
            wrong.append(f"{name}: {exc}")
    if wrong:
        raise Unset("; ".join(wrong))
    return kind(**values)


def _value(kind: Any, text: str) -> Any:
    if not text:
        raise ValueError("it is empty")
    return kind(text)
