"""The code blocks of README, CONTRIBUTING and docs/: where they stand, and which test runs them.

A block is run with a running cluster (`make test-docs`), unless a comment before it says otherwise:

    <!-- fast -->                 needs no cluster: `make test` runs it
    <!-- after ./setup.sh -->     on a person's machine that ./setup.sh has prepared
    <!-- until Ctrl-C -->         ends by Ctrl-C only: it is given some seconds
    <!-- run by tests/PATH -->    that test does what it says, and has the words of each command
    <!-- needs AWS -->            an account: nobody runs it here
    <!-- shown -->                output, or a file: nothing to run
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
SHELL: Final = ("sh", "bash", "console", "")
"""Languages of fenced blocks that are commands; an indented block is one, too."""
CLUSTER: Final = "cluster"
MARKS: Final = ("fast", "after ./setup.sh", "until Ctrl-C", "needs AWS", "shown")
RUN_BY: Final = "run by "
_MARK: Final = re.compile(r"<!-- (?P<mark>.+) -->")
_ITEM: Final = re.compile(r" *([-*]|[0-9]+\.) ")


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    """Number of its first line, from 1."""
    text: str
    how: str
    """One of MARKS, `run by PATH`, or CLUSTER."""

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Pages whose commands and names hold for this release."""
    of_root = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md")
    return [*(ROOT / name for name in of_root), *sorted((ROOT / "docs").rglob("*.md"))]


def every_page() -> list[Path]:
    """The pages, those of the examples, and the changelog, whose commands hold for their release."""
    return [*pages(), *examples(), ROOT / "CHANGELOG.md"]


def name_of(page: Path) -> str:
    """Path of a page, from the root of the project."""
    return str(page.relative_to(ROOT))


def examples() -> list[Path]:
    """Their pages, whose blocks tests/examples types one by one."""
    return sorted((ROOT / "examples").glob("**/README.md"))


def blocks(page: Path) -> list[Block]:
    """Every block of commands, in order. Raises ValueError for a comment that means nothing."""
    return list(_blocks(page, page.read_text().splitlines()))


@dataclass(frozen=True)
class Inline:
    """Text in backquotes in a sentence or a table."""

    page: Path
    line: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def inline(page: Path) -> list[Inline]:
    """All of them, in order; headings are left out: those of troubles are messages."""
    return [each for at, text in _paragraphs(page) for each in _quoted(page, at, text)]


def _paragraphs(page: Path) -> Iterator[tuple[int, str]]:
    """The page's prose: number of the first line, lines until the next blank one."""
    lines, held, at, is_fenced = [*page.read_text().splitlines(), ""], list[str](), 1, False
    for number, line in enumerate(lines, 1):
        is_fenced ^= line.startswith("```")
        if is_fenced or line.startswith(("    ", "#", "```")) or not line.strip():
            if held:
                yield at, "\n".join(held)
            held, at = [], number + 1
        else:
            held.append(line)


def _quoted(page: Path, at: int, text: str) -> Iterator[Inline]:
    for found in re.finditer(r"`([^`]+)`", text):
        yield Inline(page, at + text.count("\n", 0, found.start()), " ".join(found[1].split()))


def _blocks(page: Path, lines: list[str]) -> Iterator[Block]:
    how, at, in_list = CLUSTER, 0, False
    while at < len(lines):
        line = lines[at]
        if found := _MARK.fullmatch(line.strip()):
            how = _meant(found["mark"], f"{page.name}:{at + 1}") or how
            at += 1
        elif line.startswith("```"):
            end = lines.index("```", at + 1)
            if line[3:].strip() in SHELL:
                yield Block(page, at + 2, "\n".join(lines[at + 1 : end]), how)
            how, at = CLUSTER, end + 1
        elif line.startswith("    ") and not in_list:
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            text = "\n".join(each[4:] for each in lines[at:end]).rstrip()
            yield Block(page, at + 1, text, how)
            how, at = CLUSTER, end
        else:
            if line.strip():
                how, in_list = CLUSTER, bool(_ITEM.match(line)) or (in_list and line.startswith("  "))
            at += 1


def _meant(mark: str, place: str) -> str | None:
    if mark in MARKS or mark.startswith(RUN_BY):
        return mark
    if mark.startswith("generated: ") or mark == "end":
        return None
    raise ValueError(f"{place}: <!-- {mark} --> says nothing about a block: take {', '.join(MARKS)}")
