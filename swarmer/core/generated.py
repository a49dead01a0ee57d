"""Generated parts of a page: between `<!-- generated: NAME -->` and `<!-- end -->`.

The other text of a page is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

BLOCK: Final = re.compile(r"(<!-- generated: (?P<name>\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(text: str, parts: Mapping[str, str]) -> str:
    """The page with its parts generated again. Raises KeyError for a marker with an unknown name."""
    return BLOCK.sub(lambda found: f"{found[1]}{parts[found['name']]}{found[3]}", text)


def markers(text: str) -> list[str]:
    """Names of the page's generated parts, in order."""
    return [found["name"] for found in BLOCK.finditer(text)]


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Markdown table of cells, whose `|` is escaped unless it already is."""
    named = list(headings)
    lines = [named, ["---"] * len(named), *([escaped(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def escaped(cell: str) -> str:
    """Text of a table's cell."""
    return re.sub(r"(?<!\\)\|", r"\\|", cell)


def joined(text: str) -> str:
    """The text on one line."""
    return " ".join(text.split())
