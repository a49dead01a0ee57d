"""Tables of docs/reference/servers.md, generated from the models."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from functools import partial
from typing import Final

from pydantic.fields import FieldInfo

from swarmer.core import generated, network_plan
from swarmer.core.cluster import MOST_NODES, Cluster, Group
from swarmer.core.sections import Healing, Image, Model, Network, Registrator, Registry

SECTIONS: Final[dict[str, type[Model]]] = {
    "cluster": Cluster,
    "network": Network,
    "image": Image,
    "registry": Registry,
    "registrator": Registrator,
    "healing": Healing,
    "group": Group,
}
HEADINGS: Final = {"cluster": "the cluster", "group": "`groups.<name>`"}
"""Names of the sections in the page that differ from their keys."""
NO_ROW: Final = {("group", "name")}
"""Fields without a row: the group's name is its key, not a key below it."""


@dataclass(frozen=True)
class Row:
    """One key in a table: its columns."""

    key: str
    meaning: str
    default: str
    rule: str


def parts() -> dict[str, str]:
    """Generated parts of the page, by their names."""
    return {name: table(rows(name)) for name in SECTIONS} | {"room": room(), "sources": sources()}


def rows(section: str) -> list[Row]:
    """Rows of a section's keys, in the model's order. Raises ValueError for a key without a docstring."""
    model = SECTIONS[section]
    return [_row(model, key) for key in model.model_fields if (section, key) not in NO_ROW]


def table(found: list[Row]) -> str:
    """Markdown table of the rows."""
    headings = ("key", "meaning", "default", "rule")
    return generated.table(headings, [(f"`{row.key}`", row.meaning, row.default, row.rule) for row in found])


def room() -> str:
    """Table of the smallest `cidr` for three nodes in each zone."""
    zones = range(1, network_plan.MOST_ZONES + 1)
    headings = ["smallest `cidr` for", *(f"{number} zone{'' if number == 1 else 's'}" for number in zones)]
    sizes = [f"/{network_plan.smallest_cidr_prefix(number, 3)}" for number in zones]
    return generated.table(headings, [["3 nodes in each zone", *sizes]])


def source(model: type[Model]) -> str:
    """The file that defines the model's keys, relative to the repository: `swarmer/core/sections.py`."""
    return f"{model.__module__.replace('.', '/')}.py"


def sources() -> str:
    """A table of the sections and the file that defines each."""
    rows = [(HEADINGS.get(name, f"`{name}`"), f"`{source(model)}`") for name, model in SECTIONS.items()]
    return generated.table(("section", "defined in"), rows)


def _row(model: type[Model], key: str) -> Row:
    """Raises ValueError for a key without a docstring."""
    field = model.model_fields[key]
    if not field.description:
        raise ValueError(f"{key} has no docstring in {source(model)}: describe what it means")
    docstring = inspect.cleandoc(field.description)
    meaning, default, rule = (generated.joined(part) for part in _parts(docstring))
    return Row(key, meaning, default or _default(field), rule or _rule(field))


def _parts(docstring: str) -> tuple[str, str, str]:
    """Texts of the meaning, of `Default:` and of `Rule:`; "" for each missing text."""
    meaning, *others = re.split(r"^(Default|Rule): ", docstring, flags=re.MULTILINE)
    found = dict(zip(others[::2], others[1::2], strict=True))
    return meaning, found.get("Default", ""), found.get("Rule", "")


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.is_required() or value is None:
        return "–"
    if isinstance(value, Model):
        return "all defaults"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value != "" else '`""`'


def _rule(field: FieldInfo) -> str:
    """Bounds of a number from its validator; "" for other fields."""
    for each in field.metadata:
        check = getattr(each, "func", None)
        if isinstance(check, partial) and "low" in check.keywords:
            return f"{check.keywords['low']} to {check.keywords.get('high', MOST_NODES)}."
    return ""
