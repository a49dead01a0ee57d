"""The glossary has each term once, in the order of the alphabet, and no retired word as a term."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT

TEXT = (ROOT / "docs/reference/glossary.md").read_text()


def terms(heading: str) -> list[str]:
    """First cells of the table below a heading, without the table's own head."""
    section = re.split(r"^#+ ", TEXT, flags=re.MULTILINE)
    [table] = [part for part in section if part.startswith(heading)]
    return re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)[2:]


def test_both_tables_are_alphabetical_and_name_each_term_once() -> None:
    for heading in ("Glossary", "Retired words"):
        found = [term.casefold().replace("-", " ") for term in terms(heading)]
        assert found == sorted(set(found))
        assert len(found) > 20


def test_no_term_is_a_retired_word() -> None:
    retired = {word for cell in terms("Retired words") for word in cell.split(", ")}
    assert retired.isdisjoint(terms("Glossary"))
