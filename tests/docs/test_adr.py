"""Decision records are short, have three parts, and stand in the index in the order of their numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

FOLDER = ROOT / "docs/adr"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
WORDS = range(120, 251)


def test_the_index_lists_every_record_once_in_order() -> None:
    rows = re.findall(r"^\| \[(\d+)\]\(([^)]+)\) \|", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert [name for _, name in rows] == [record.name for record in RECORDS]
    assert [int(number) for number, _ in rows] == list(range(1, len(RECORDS) + 1))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_record_has_its_number_three_parts_and_few_words(record: Path) -> None:
    text = record.read_text()
    assert text.startswith(f"# {int(record.name[:4])}. ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert len(text.split()) in WORDS
