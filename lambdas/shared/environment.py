"""Environment of a function as a typed value, read once per invocation. An incomplete one is an error."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar, get_type_hints

Kind = TypeVar("Kind", bound="Environment")


class InvalidEnvironment(Exception):
    """Environment variables are missing or invalid; the text names all of them."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Variables that the template gives every function."""

    cluster: str
    queue_url: str
    """URL of the queue from which the function's messages come."""
    dead_letters_url: str
    """URL of the queue for malformed messages."""


def read(kind: type[Kind], variables: Mapping[str, str] = os.environ) -> Kind:
    """Return `kind` from the variables named like its fields, in capitals. Raises InvalidEnvironment."""
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
        raise InvalidEnvironment("; ".join(wrong))
    return kind(**values)


def _value(kind: Any, text: str) -> Any:
    if not text:
        raise ValueError("it is empty")
    return kind(text)
