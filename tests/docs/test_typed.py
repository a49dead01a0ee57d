"""Every command in a sentence or a table is typed by a test, or marked with what keeps it from that."""

from __future__ import annotations

import pytest

from tests.docs import typed
from tests.docs.pages import Inline

ALL = typed.everywhere()


@pytest.mark.parametrize("command", ALL, ids=lambda each: f"{each.place} {each.text}")
def test_a_command_is_typed_by_a_test_or_marked(command: Inline) -> None:
    assert typed.how(command.text), f"{command.place}: nobody types `{command.text}`: tests/docs/typed.py"


@pytest.mark.parametrize("command", typed.TYPED)
def test_the_test_that_types_a_command_has_its_words(command: str) -> None:
    path, words = typed.TYPED[command]
    assert words in typed.source(path)


@pytest.mark.parametrize("command", [*typed.WITH_CLUSTER, *typed.TYPED, *typed.MARKED])
def test_what_is_listed_stands_in_a_page(command: str) -> None:
    assert any(typed.begins(typed.words_of(command), typed.words_of(each.text)) for each in ALL)


def test_there_are_commands_to_check() -> None:
    assert len(ALL) > 100
