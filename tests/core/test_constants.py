"""Constants are read from a module's source, with their values and docstrings."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmer.core import constants, generated
from swarmer.core.constants import NotConstant

MODULE = '''
from pack.other import BASE_S
from pack import other as far

# -- times ------------
PAUSE_S = 2
"""Pause between
two tries."""
LONG_S: int = PAUSE_S * 3 + BASE_S
FAR_S = far.BASE_S / 2
_HIDDEN_S = 1

# -- sizes ------------
LENGTH = 63 - len("-i-")
MADE = max(1, 2)


def compose(name: str) -> str:
    """Return the name."""
    return name
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/module.py").write_text(MODULE)
    (tmp_path / "pack/other.py").write_text("BASE_S = 10\n")
    return tmp_path


def test_a_constant_has_its_docstring_on_one_line_and_its_heading(root: Path) -> None:
    found = {each.name: each for each in constants.constants(root, "pack/module.py")}
    assert list(found) == ["PAUSE_S", "LONG_S", "FAR_S", "LENGTH", "MADE"]
    assert (found["PAUSE_S"].docstring, found["PAUSE_S"].heading) == ("Pause between two tries.", "times")
    assert (found["LENGTH"].docstring, found["LENGTH"].heading) == ("", "sizes")


def test_a_value_follows_arithmetic_and_imports(root: Path) -> None:
    found = {each.name: each for each in constants.constants(root, "pack/module.py")}
    values = {name: constants.value(root, found[name]) for name in ("PAUSE_S", "LONG_S", "FAR_S", "LENGTH")}
    assert values == {"PAUSE_S": 2, "LONG_S": 16, "FAR_S": 5, "LENGTH": 60}


def test_a_value_that_only_a_run_gives_is_refused(root: Path) -> None:
    (made,) = (each for each in constants.constants(root, "pack/module.py") if each.name == "MADE")
    with pytest.raises(NotConstant, match=r"pack/module\.py: max\(1, 2\)"):
        constants.value(root, made)


def test_functions_have_their_docstrings(root: Path) -> None:
    assert constants.functions(root, "pack/module.py") == [("compose", "Return the name.", "sizes")]


def test_only_the_text_between_the_markers_is_generated() -> None:
    page = "by hand\n<!-- generated: one -->\nold\n<!-- end -->\nby hand\n"
    assert generated.fill(page, {"one": "new\n"}) == page.replace("old", "new")
    with pytest.raises(KeyError, match="one"):
        generated.fill(page, {})


def test_a_cell_keeps_its_bar() -> None:
    assert generated.table(("a", "b"), [("x|y", r"u\|v")]) == "| a | b |\n| --- | --- |\n| x\\|y | u\\|v |\n"
