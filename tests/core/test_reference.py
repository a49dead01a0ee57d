"""docs/reference/servers.md says what the model says: each key once, with its default and its rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmer.core import generated, reference
from swarmer.core.cluster import Cluster
from swarmer.core.sections import Model

PAGE = Path(__file__).parents[2] / "docs/reference/servers.md"


def test_the_page_is_what_the_model_says() -> None:
    assert generated.fill(PAGE.read_text(), reference.parts()) == PAGE.read_text(), "make docs"


def test_every_section_of_the_model_has_its_table_in_the_page() -> None:
    sections = {name for name, field in Cluster.model_fields.items() if isinstance(field.default, Model)} | {
        "cluster",
        "group",
    }
    assert set(reference.SECTIONS) == sections
    for name in sections:
        assert f"<!-- generated: {name} -->" in PAGE.read_text()


@pytest.mark.parametrize("section", reference.SECTIONS)
def test_every_key_is_explained(section: str) -> None:
    explained = {row.key for row in reference.rows(section)}
    assert explained == set(reference.SECTIONS[section].model_fields) - {"name" if section == "group" else ""}
    for row in reference.rows(section):
        assert row.meaning.endswith((".", "see below")), row
        assert "|" not in f"{row.meaning}{row.default}{row.rule}", row


def test_a_key_that_nobody_explained_is_named() -> None:
    class New(Model):
        colour: str = "red"

    with pytest.raises(ValueError, match=r"colour has no docstring in tests/core/test_reference\.py"):
        reference._row(New, "colour")


@pytest.mark.parametrize("section", reference.SECTIONS)
def test_the_page_names_the_file_that_defines_a_section(section: str) -> None:
    model = reference.SECTIONS[section]
    path = reference.source(model)
    assert f"class {model.__name__}(Model):" in (PAGE.parents[2] / path).read_text()
    heading = reference.HEADINGS.get(section, f"`{section}`")
    assert f"| {heading} | `{path}` |" in PAGE.read_text()


def test_bounds_of_numbers_come_from_their_validators() -> None:
    rows = {row.key: row for row in reference.rows("healing")}
    assert rows["grace"].rule == "30 to 86400."
    assert rows["grace"].default == "`300`"
