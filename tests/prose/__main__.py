"""`make prose`: figures of each page beside their goals. `--check`, for `make lint`: findings in all text."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.docs.pages import ROOT, every_page, name_of
from tests.prose import figures, glossary, rules, sentences
from tests.prose.rules import Finding

FOLDERS: Final = ("swarmer", "node", "stacks", "lambdas", "benchmarks", "chaos", "examples", "tests")
"""Folders whose Python modules are checked."""
EXAMPLES_OF_FINDINGS: Final = ROOT / "tests/prose"
"""Folder whose texts break the rules on purpose."""


def findings() -> Iterator[Finding]:
    """Findings in all pages and modules, in the order of their paths."""
    retired = glossary.retired_words()
    for page in every_page():
        words = {} if page == glossary.PAGE else retired
        for each in sentences.of_page(page):
            yield from rules.of_sentence(each, f"{name_of(page)}:{each.line}", words)
    for folder in FOLDERS:
        for module in sorted((ROOT / folder).rglob("*.py")):
            if EXAMPLES_OF_FINDINGS not in module.parents:
                yield from of_module(module, retired)


def of_module(module: Path, retired: Mapping[str, str]) -> Iterator[Finding]:
    """Findings in docstrings, comments and messages of a module."""
    for each in sentences.of_module(module):
        yield from rules.of_sentence(each, f"{name_of(module)}:{each.line}", retired)
    for docstring in sentences.docstrings(module, ast.parse(module.read_text())):
        yield from rules.of_docstring(docstring, f"{name_of(module)}:{docstring.line}")


def table() -> tuple[Table, bool]:
    """Figures of each page, and whether all reach their goals."""
    made = Table(title="Sentences of each page; code and headings are left out", caption_justify="left")
    for heading in ("page", "sentences", "median", "p90", "longest", "relatives", "negations"):
        made.add_column(heading, justify="left" if heading == "page" else "right")
    goals = (f"≤ {figures.LONGEST}", f"≤ {rules.LONGEST}", f"≤ {figures.RELATIVES:.2f}")
    made.add_row("goal", "", "", *goals, f"≤ {figures.NEGATIONS:.2f}", end_section=True)
    is_reached = True
    for page in every_page():
        of = figures.of(sentences.of_page(page))
        is_reached = is_reached and not of.misses
        relatives, negations = (
            f"[red]{getattr(of, name):.2f}[/red]" if name in of.misses else f"{getattr(of, name):.2f}"
            for name in ("relatives", "negations")
        )
        p90 = f"[red]{of.p90}[/red]" if "p90" in of.misses else str(of.p90)
        made.add_row(
            name_of(page), str(of.sentences), str(of.median), p90, str(of.longest), relatives, negations
        )
    return made, is_reached


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        found = list(findings())
        for each in found:
            print(each, file=sys.stderr)  # noqa: T201 - this is a command
        return 1 if found else 0
    made, is_reached = table()
    Console(width=None if sys.stdout.isatty() else 120).print(made)
    return 0 if is_reached else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
