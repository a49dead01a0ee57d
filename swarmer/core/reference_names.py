"""Tables of docs/reference/keys-and-tags.md, generated from `core.names`: values and docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from swarmer.core import constants, generated, names
from swarmer.core.constants import Constant

SOURCE: Final = "swarmer/core/names.py"
COMPOSED: Final = "composed"
"""Heading of the module's functions, which compose names."""
COLUMNS: Final[Mapping[str, str]] = {
    "tags": "tag",
    "outputs": "output",
    "hooks": "hook",
    "ports": "port",
    "services": "service",
    "keys": "key",
    "headers": "header",
    "paths": "path",
    "units": "unit",
    COMPOSED: "name",
}
"""First column of each table, by the table's name: the heading of its constants in the module."""
NOT_NAMES: Final = frozenset(
    (
        "VPN_GROUP_DESCRIPTION",
        "DOCKER_API",
        "OWN_SERVICES",
        "KV_SWARM",
        "LEAVING_STAY_OUT",
        "LEAVING_STOP",
        "IMPORT_PROBE",
    )
)
"""Constants without a row: lists of others, values of keys, a description, a version, a command."""
NOT_COMPOSED: Final = frozenset(("stack_names", "group_prefix", "instance_id"))
"""Functions without a row: lists, prefixes and parts of names."""
EXAMPLES: Final[Mapping[str, Mapping[str, str]]] = {
    "function_log_group": {"purpose": "<function>"},
    "node_name": {"instance_id": "<instance id>"},
}
"""Placeholders that differ from the parameter's name, by function."""


def parts(root: Path) -> dict[str, str]:
    """Generated parts of the page, by their names. Raises ValueError for a constant without a docstring."""
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in COLUMNS}
    for constant in constants.constants(root, SOURCE):
        if constant.name not in NOT_NAMES:
            found[constant.heading].append(_row(constant))
    found[COMPOSED] = list(_composed(root))
    return {name: generated.table((COLUMNS[name], "meaning"), rows) for name, rows in found.items()}


def _row(constant: Constant) -> tuple[str, str]:
    if not constant.docstring:
        raise ValueError(f"{constant.name} has no docstring in {SOURCE}: describe what it means")
    shown = f"{getattr(names, constant.name)}"
    end = {"KV_LEAVING": "<node>", "KV_MISSING": "<node>", "KV_NODES": "<node>"}.get(constant.name, "")
    return f"`{shown}{end}`", constant.docstring


def _composed(root: Path) -> Iterable[tuple[str, str]]:
    """Row of each function: its value for placeholders, and its docstring as a noun phrase."""
    for name, docstring, _ in constants.functions(root, SOURCE):
        if name in NOT_COMPOSED:
            continue
        function = getattr(names, name)
        words = {each: f"<{each}>" for each in inspect.signature(function).parameters}
        shown = function(**{**words, **EXAMPLES.get(name, {})})
        meaning = docstring.removeprefix("Return the ")
        yield f"`{shown}`", f"{meaning[0].upper()}{meaning[1:]}"
