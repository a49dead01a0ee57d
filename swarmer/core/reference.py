"""Tables of docs/reference/servers.md, generated from the models.

A table is between `<!-- generated: network -->` and `<!-- end -->`. The other text is written by hand.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from functools import partial
from typing import Final

from pydantic.fields import FieldInfo

from swarmer.core import network_plan
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
BLOCK: Final = re.compile(r"(<!-- generated: (?P<name>\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
NO_ROW: Final = {("group", "name")}
"""Fields without a row: the group's name is its key, not a key below it."""


@dataclass(frozen=True)
class Row:
    """One key in a table: its columns."""

    key: str
    meaning: str
    default: str
    rule: str


def fill(text: str) -> str:
    """The page with regenerated tables between its markers. Raises KeyError for an unknown marker."""
    tables = {name: table(rows(name)) for name in SECTIONS} | {"room": room(), "sources": sources()}
    return BLOCK.sub(lambda found: f"{found[1]}{tables[found['name']]}{found[3]}", text)


def rows(section: str) -> list[Row]:
    """Rows of a section's keys, in the model's order. Raises ValueError for a key without a docstring."""
    model = SECTIONS[section]
    return [_row(model, key) for key in model.model_fields if (section, key) not in NO_ROW]


def table(found: list[Row]) -> str:
    """Markdown table of the rows."""
    lines = ["| key | meaning | default | rule |", "|---|---|---|---|"]
    lines += [f"| `{row.key}` | {row.meaning} | {row.default} | {row.rule} |" for row in found]
    return "".join(f"{line}\n" for line in lines)


def room() -> str:
    """Table of the smallest `cidr` for three nodes in each zone."""
    zones = range(1, network_plan.MOST_ZONES + 1)
    head = "".join(f" {number} zone{'' if number == 1 else 's'} |" for number in zones)
    values = "".join(f" /{network_plan.smallest_cidr_prefix(number, 3)} |" for number in zones)
    return f"| smallest `cidr` for |{head}\n|---|{'---|' * len(zones)}\n| 3 nodes in each zone |{values}\n"


def source(model: type[Model]) -> str:
    """The file that defines the model's keys, relative to the repository: `swarmer/core/sections.py`."""
    return f"{model.__module__.replace('.', '/')}.py"


def sources() -> str:
    """A table of the sections and the file that defines each."""
    lines = ["| section | defined in |", "|---|---|"]
    lines += [
        f"| {HEADINGS.get(name, f'`{name}`')} | `{source(model)}` |" for name, model in SECTIONS.items()
    ]
    return "".join(f"{line}\n" for line in lines)


def _row(model: type[Model], key: str) -> Row:
    """Raises ValueError for a key without a docstring."""
    field = model.model_fields[key]
    if not field.description:
        raise ValueError(f"{key} has no docstring in {source(model)}: describe what it means")
    docstring = inspect.cleandoc(field.description)
    meaning, default, rule = (_joined(part) for part in _parts(docstring))
    return Row(key, meaning, default or _default(field), rule or _rule(field))


def _parts(docstring: str) -> tuple[str, str, str]:
    """Texts of the meaning, of `Default:` and of `Rule:`; "" for each missing text."""
    meaning, *others = re.split(r"^(Default|Rule): ", docstring, flags=re.MULTILINE)
    found = dict(zip(others[::2], others[1::2], strict=True))
    return meaning, found.get("Default", ""), found.get("Rule", "")


def _joined(text: str) -> str:
    return " ".join(text.split())


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
