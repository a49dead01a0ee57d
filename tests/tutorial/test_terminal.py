"""The terminal of the tutorial's test: what it shows, and how questions are answered."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tutorial.terminal import Terminal, plain


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path, os.environ)
    yield made
    made.close()


def test_colours_spinners_and_lines_that_are_drawn_again_are_not_shown() -> None:
    assert plain(b"\x1b[32mok\x1b[0m\r\n") == "ok\n"
    assert plain(b"a ...\rb ...\r\x1b[2Kdone\r\n") == "done\n"
    assert plain(b"one: boots\r\ntwo: boots\r\x1b[2K\x1b[1A\x1b[2Kone: done\r\ntwo: done\r\n") == (
        "one: done\ntwo: done\n"
    )


def test_a_variable_stays_and_the_exit_status_is_that_of_the_last_command(terminal: Terminal) -> None:
    assert terminal.type("A=5") == ""
    assert terminal.type("echo $A; false") == "5\n"
    assert terminal.exit_status() == 1


def test_a_question_is_answered_and_one_that_nobody_asks_fails(terminal: Terminal) -> None:
    assert terminal.type("read -p 'Go on? [y/N]: ' x; echo $x", {"[y/N]:": "y"}).endswith("y\ny\n")
    with pytest.raises(AssertionError, match="nobody asked"):
        terminal.type("true", {"[y/N]:": "y"})
