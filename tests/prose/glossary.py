"""Retired words of the glossary."""

from __future__ import annotations

import re
from typing import Final

from tests.docs.pages import ROOT

PAGE: Final = ROOT / "docs/reference/glossary.md"
_ROW: Final = re.compile(r"^\| ([^|]+?) \| ([^|]+?) \|$", re.MULTILINE)


def retired_words() -> dict[str, str]:
    """Patterns of retired words that have one meaning only, each with what to use instead.

    A row with a condition in parentheses, like "look (of a program)", has other uses: people check those.
    """
    rows = _ROW.findall(PAGE.read_text().split("## Retired words")[1])[2:]
    return {
        re.escape(word) + r"(?:s|ed|ing)?": instead
        for cell, instead in rows
        if "(" not in cell
        for word in cell.split(", ")
    }
