"""Files, folders and Python names that the pages name in backquotes, and whether the checkout has them.

    `swarmer/core/names.py`, `tests/core/`   from the checkout's root, or from the page's own folder
    `core.joining.decide`, `node.agent`      from the root or from `swarmer/`: a module, and what it defines
    `swarmer.target`                         a systemd unit: `node/systemd/` has it
    `healing.grace`                          a key of servers.yml: the model has it
    `swarmer/swarm/lock`                     a key of Consul's KV: `swarmer/core/names.py` has it
    `READY_TIMEOUT_S`                        a constant of the code

A word with other characters than those of a path is an address, a command or a placeholder: it is left out.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

from swarmer.core import facts, names, reference
from tests.docs import pages
from tests.docs.pages import ROOT, Inline

SOURCES: Final = ("swarmer", "node", "stacks", "lambdas", "benchmarks", "chaos")
"""Folders of the project's Python code, tests left out."""
NOT_OURS: Final = frozenset(
    (
        *("docker.io", "amazonaws.com", "swarmer.internal", "a.b", "debian/trixie64", "swarmer/probe"),
        *("consul.service", "containerd.service", "docker.service"),
        *("family.size", "m7g.large", "t3.small", "t4g.small"),
        *("engine.labels.swarmer.group", "engine.labels.swarmer.zone", "com.docker.network.driver.mtu"),
    )
)
"""Words that only look like ours: packages, domains, images, Docker's own words, values of servers.yml."""
MADE_LATER: Final = frozenset(("core-1/seed.iso", "core-1/user-data", "images/", "software.zip"))
"""Files that a command of the same page makes, or that its reader writes."""
_PATH: Final = re.compile(r"[\w-][\w.-]*(/[\w.-]+)*(/|/[\w-]+|\.(json|md|py|sh|svg|toml|txt|ya?ml))")
_UNIT: Final = re.compile(r"[\w@-]+\.(service|target)")
_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_CONSTANT: Final = re.compile(r"[A-Z][A-Z0-9_]*_S")


def named(page: Path) -> list[Inline]:
    """Words in backquotes that name something of the checkout, in the page's order."""
    words = [
        Inline(page, each.line, word)
        for each in pages.inline(page)
        for part in each.text.split()
        if (word := re.sub(r"<\w+>$", "", part.removeprefix("./")))
    ]
    return [each for each in words if is_ours(each.text)]


def is_ours(word: str) -> bool:
    """Whether the checkout has to have it. Figures, DNS names and what runs leave behind are not ours."""
    if word in NOT_OURS or word in MADE_LATER or ".service." in word or re.match(r"\d", word):
        return False
    if word in of_aws():
        return False
    kinds = (_PATH, _UNIT, _DOTTED, _CONSTANT)
    return any(kind.fullmatch(word) for kind in kinds)


@cache
def of_aws() -> frozenset[str]:
    """Names of AWS's properties, actions and calls; tests/stacks/test_facts.py compares them."""
    rows = (fact.row for fact in facts.parse((ROOT / "docs/reference/facts.yml").read_text()))
    return frozenset(word for row in rows if row.kind != facts.CALL for word in str(row).split())


def exists(word: Inline) -> bool:
    """Whether the checkout has what the word names."""
    text = word.text
    if _CONSTANT.fullmatch(text):
        return text in constants()
    if _UNIT.fullmatch(text):
        return (ROOT / "node/systemd" / text).is_file()
    if _PATH.fullmatch(text):
        return any((folder / text).exists() for folder in (ROOT, word.page.parent)) or is_kv_key(text)
    return is_key_of_description(text) or any(has_python(folder, text) for folder in (ROOT, ROOT / "swarmer"))


def is_kv_key(text: str) -> bool:
    """Whether Consul's KV has the key, or keys below it."""
    known = [
        value for name, value in vars(names).items() if name.startswith("KV_") and isinstance(value, str)
    ]
    return any(key == text or (text.endswith("/") and key.startswith(text)) for key in known)


def is_key_of_description(text: str) -> bool:
    section, _, key = text.partition(".")
    model = reference.SECTIONS.get(section)
    return model is not None and key in model.model_fields


def has_python(folder: Path, text: str) -> bool:
    """Whether a module below the folder has that name, or defines what the name's end says."""
    parts = text.split(".")
    for length in range(len(parts), 0, -1):
        path = folder.joinpath(*parts[:length])
        if path.is_dir() and length == len(parts):
            return (path / "__init__.py").is_file()
        if (module := path.with_suffix(".py")).is_file():
            return ".".join(parts[length:]) in {"", *defined(module)}
    return False


@cache
def defined(module: Path) -> frozenset[str]:
    """Names that a module defines itself, and `Class.method` of its classes."""
    found = set[str]()
    for node in ast.parse(module.read_text()).body:
        found |= _names(node)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{name}" for each in node.body for name in _names(each)}
    return frozenset(found)


def _names(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {each.id for each in targets if isinstance(each, ast.Name)}


@cache
def constants() -> frozenset[str]:
    """Every name that a module of the project defines."""
    modules = [path for source in SOURCES for path in (ROOT / source).rglob("*.py")]
    return frozenset(name for module in modules for name in defined(module))
