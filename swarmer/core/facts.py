"""Facts about AWS that the project relies on, with a proof for each.

docs/reference/facts.yml holds one line for each fact, with its proof, by kind and subject.
docs/reference/facts.md has the same as tables. `tests/stacks/test_facts.py` compares them with the code.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from swarmer.core import generated

PROPERTY: Final = "property"
PERMISSION: Final = "permission"
CALL: Final = "call"
SECTIONS: Final = {"properties": PROPERTY, "permissions": PERMISSION, "calls": CALL}
"""Sections of the file, and the kind of their rows."""
TEST: Final = "test"
QUOTE: Final = "quote"
UNREHEARSED: Final = "unrehearsed"
_TEST: Final = re.compile(r"(?P<file>tests/\S+\.py)::(?P<test>test_\w+)")
_QUOTE: Final = re.compile(r'"(?P<says>.+)" (?P<page>https://\S+) (?P<read>\d{4}-\d\d-\d\d)', re.DOTALL)
_UNREHEARSED: Final = re.compile(r"unrehearsed: (?P<check>\S.*)", re.DOTALL)


@dataclass(frozen=True, order=True)
class Row:
    """Fact: a property of a type, an action of a statement, or a call of a file."""

    kind: str
    subject: str
    name: str

    def __str__(self) -> str:
        return f"{self.subject} {self.name}"


@dataclass(frozen=True)
class Rehearsed:
    """Proof by a test with the simulated AWS, real daemons, or a whole rehearsal."""

    file: str
    test: str
    kind = TEST


@dataclass(frozen=True)
class Quote:
    """Proof by a sentence of AWS's documentation. `read`: the day on which the page had it, as YYYY-MM-DD."""

    says: str
    page: str
    read: str
    kind = QUOTE


@dataclass(frozen=True)
class Unrehearsed:
    """No proof. `check`: what to verify on a real account."""

    check: str
    kind = UNREHEARSED


Proof = Rehearsed | Quote | Unrehearsed


@dataclass(frozen=True)
class Fact:
    """Row with its proof."""

    row: Row
    proof: Proof

    def to_json(self) -> dict[str, Any]:
        """Fields of row and proof, for programs."""
        return {**vars(self.row), "proof": self.proof.kind, **vars(self.proof)}


class Malformed(Exception):
    """A line of the file contains no fact; the message has its subject and name."""


def parse(text: str) -> list[Fact]:
    """Facts of docs/reference/facts.yml, in its order. Raises Malformed."""
    try:
        tree = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as exc:
        raise Malformed(" ".join(str(exc).split())) from exc
    if not isinstance(tree, dict) or set(tree) - set(SECTIONS):
        raise Malformed(f"the sections are {', '.join(SECTIONS)}")
    found = [fact for section, kind in SECTIONS.items() for fact in _section(kind, tree.get(section) or {})]
    twice = [str(row) for row, number in Counter(fact.row for fact in found).items() if number > 1]
    if twice:
        raise Malformed(f"{twice[0]}: stands there twice")
    return found


class _Loader(yaml.SafeLoader):
    """Loader that refuses a duplicate key, because YAML takes the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise Malformed(f"{key}: stands there twice")
        return super().construct_mapping(node, deep)


def _section(kind: str, subjects: Mapping[str, Any]) -> Iterator[Fact]:
    for subject, lines in subjects.items():
        if not isinstance(lines, dict):
            raise Malformed(f"{subject}: write `NAME: PROOF` below it")
        for names, proof in lines.items():
            for name in str(names).split(", "):
                yield Fact(Row(kind, subject, name), _proof(f"{subject} {name}", str(proof)))


def _proof(where: str, text: str) -> Proof:
    text = " ".join(text.split())
    if found := _TEST.fullmatch(text):
        return Rehearsed(**found.groupdict())
    if found := _QUOTE.fullmatch(text):
        return Quote(**found.groupdict())
    if found := _UNREHEARSED.fullmatch(text):
        return Unrehearsed(**found.groupdict())
    raise Malformed(
        f'{where}: {text!r} is no proof; write `tests/FILE.py::test_NAME`, `"SENTENCE" URL YYYY-MM-DD`, '
        "or `unrehearsed: WHAT TO VERIFY`"
    )


# -- pages -------------------------------------------------------------------------------------------


def fill(text: str, facts: Iterable[Fact]) -> str:
    """The page with regenerated tables between its markers. Raises KeyError for an unknown marker."""
    held = list(facts)
    tables = {
        "summary": summary(held),
        UNREHEARSED: unrehearsed(held),
        **{
            section: table(fact for fact in held if fact.row.kind == kind)
            for section, kind in SECTIONS.items()
        },
    }
    return generated.fill(text, tables)


def table(facts: Iterable[Fact]) -> str:
    """Markdown table of the facts; rows of a subject with one proof are one line."""
    lines = ["| of | fact | how we know it |", "| --- | --- | --- |"]
    for (subject, proof), names in grouped(facts).items():
        lines.append(f"| {_code(subject)} | {', '.join(map(_code, names))} | {_shown(proof)} |")
    return "".join(f"{line}\n" for line in lines)


def unrehearsed(facts: Iterable[Fact]) -> str:
    """Markdown table of the points to verify, with the rows that depend on each."""
    found: dict[str, list[str]] = {}
    for fact in facts:
        if isinstance(fact.proof, Unrehearsed):
            found.setdefault(fact.proof.check, []).append(_code(str(fact.row)))
    lines = ["| check | rows of facts.yml |", "| --- | --- |"]
    lines += [f"| {check} | {', '.join(rows)} |" for check, rows in found.items()]
    return "".join(f"{line}\n" for line in lines)


def summary(facts: Iterable[Fact]) -> str:
    """Markdown table of the numbers of rows, by kind and proof."""
    number = Counter((fact.row.kind, fact.proof.kind) for fact in facts)
    kinds = (TEST, QUOTE, UNREHEARSED)
    lines = [f"| rows | {' | '.join(kinds)} |", "| --- | --- | --- | --- |"]
    for section, kind in SECTIONS.items():
        lines.append(f"| {section} | {' | '.join(str(number[kind, proof]) for proof in kinds)} |")
    return "".join(f"{line}\n" for line in lines)


def grouped(facts: Iterable[Fact]) -> dict[tuple[str, Proof], list[str]]:
    """Names of the rows by subject and proof, in the order of the facts."""
    found: dict[tuple[str, Proof], list[str]] = {}
    for fact in facts:
        found.setdefault((fact.row.subject, fact.proof), []).append(fact.row.name)
    return found


def _shown(proof: Proof) -> str:
    match proof:
        case Rehearsed():
            return f"[`{proof.test}`](../../{proof.file})"
        case Quote():
            return f"“{_escaped(proof.says)}” [AWS]({proof.page}), {proof.read}"
        case Unrehearsed():
            return f"**unrehearsed**: {_escaped(proof.check)}"


def _code(text: str) -> str:
    return f"`{_escaped(text)}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
