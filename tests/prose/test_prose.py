"""Sentences, their figures, and the rules that they break."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.docs import pages
from tests.docs.pages import ROOT, every_page, name_of
from tests.prose import __main__ as command
from tests.prose import figures, glossary, rules, sentences
from tests.prose.figures import Figures
from tests.prose.sentences import Sentence

PAGE = """\
# A heading that nobody counts

The node joins. It asks `who is there` e.g. by tag, and
waits.

| column | what |
| --- | --- |
| one cell | another. With two |

- An item
- A second item: it has
  two lines

```sh
make up  # what a machine reads
```

    swarmer status
"""


def of_page(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "page.md"
    path.write_text(text)
    return [each.text for each in sentences.of_page(path)]


def test_headings_and_code_are_left_out_and_cells_and_items_are_sentences(tmp_path: Path) -> None:
    assert of_page(tmp_path, PAGE) == [
        "The node joins.",
        "It asks `x` e.g. by tag, and waits.",
        *("column", "what", "one cell", "another.", "With two"),
        *("An item", "A second item: it has two lines"),
    ]


def test_words_of_somebody_else_are_one_word(tmp_path: Path) -> None:
    assert of_page(tmp_path, 'AWS says "nobody knows what this is" there.') == ["AWS says `x` there."]


def test_text_of_a_link_counts_and_its_address_does_not(tmp_path: Path) -> None:
    assert of_page(tmp_path, "See [the page](who/which/what.md).") == ["See the page."]


MODULE = '''\
"""Module of a test. `x.y` is code."""

TIMEOUT_S = 3
"""Timeout for an answer, in seconds."""


class Node:
    name: str
    """Name of the node."""

    def join(self) -> None:
        """Join the cluster.

            an example that is left out
        """
        # Two lines of a comment
        # are one text.
        raise ValueError(f"{self.name}: the node has no peers; start one")
'''


def test_a_module_has_docstrings_comments_and_messages(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(MODULE)
    assert {(each.kind, each.text) for each in sentences.of_module(path)} == {
        ("docstring", "Module of a test."),
        ("docstring", "`x` is code."),
        ("docstring", "Timeout for an answer, in seconds."),
        ("docstring", "Name of the node."),
        ("docstring", "Join the cluster."),
        ("comment", "Two lines of a comment are one text."),
        ("message", "`x`: the node has no peers; start one"),
    }


HELP = '''\
def join() -> None:
    """Join the cluster:

    - by the address of a peer
    - by the tag of the cluster

    \\b
    these are commands
      swarmer up

    The end.
    """
'''


def test_items_of_a_list_are_sentences_and_a_preformatted_paragraph_is_none(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(HELP)
    assert [each.text for each in sentences.of_module(path)] == [
        "Join the cluster:",
        "- by the address of a peer",
        "- by the tag of the cluster",
        "The end.",
    ]


def test_a_docstring_knows_what_it_describes(tmp_path: Path) -> None:
    found = sentences.docstrings(tmp_path, ast.parse(MODULE))
    assert {each.owner: each.line for each in found} == {"module": 1, "TIMEOUT_S": 4, "name": 9, "join": 12}


@pytest.mark.parametrize("text", ["select a from b where c = d", "a;b c d e", "x", "AWS::EC2::Instance"])
def test_data_is_no_message(text: str) -> None:
    assert not sentences.is_prose(text)


def sentence(text: str) -> Sentence:
    return Sentence(Path("page.md"), 1, text, "page")


def test_figures_count_per_sentence() -> None:
    two = [
        sentence("The node which has no name waits so that it lives."),
        sentence("It does not, what is there."),
    ]
    assert figures.of(two) == Figures(2, 11, 11, 11, relatives=1.0, negations=1.0)
    assert figures.of(two).misses == ("relatives", "negations")
    assert figures.of([sentence("word " * 29)]).misses == ("p90",)
    assert figures.of([sentence("The node joins its peers.")]).misses == ()


def found(text: str) -> list[str]:
    return [
        each.rule for each in rules.of_sentence(sentence(text), "page.md:1", {r"mend(?:s|ed|ing)?": "fix"})
    ]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("word " * 31, "31 words; make two sentences of it"),
        ("What is lost comes back.", "begins with a relative clause; name the subject"),
        ("Whoever has the lock decides.", "begins with a relative clause; name the subject"),
        ("The sweep mends it.", '"mends" is retired; write fix'),
        ("Mended nodes go on.", '"Mended" is retired; write fix'),
    ],
)
def test_a_sentence_that_breaks_a_rule_is_found(text: str, rule: str) -> None:
    assert found(text) == [rule]


@pytest.mark.parametrize(
    "text",
    ["word " * 30, "What does it cost?", "The recommendation commends this.", "Nodes join by themselves."],
)
def test_a_sentence_that_breaks_none_is_not_found(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("Of the node.", True),
        ("So long it waits.", True),
        ("Longer than that nobody waits.", True),
        ("What a node is told.", True),
        ("Timeout for an answer.", False),
        ("All nodes of the cluster.", False),
        ("Whether the node runs.", False),
        ("Join the cluster.", False),
    ],
)
def test_a_docstring_begins_with_a_noun_or_a_verb(text: str, is_found: bool) -> None:
    docstring = sentences.Docstring(Path("module.py"), 1, "NAME", text)
    assert bool(rules.of_docstring(docstring, "module.py:1")) is is_found


def test_retired_words_come_from_the_glossary_and_those_with_other_uses_are_left_to_people() -> None:
    words = glossary.retired_words()
    assert words["mend(?:s|ed|ing)?"] == "fix"
    assert not any("look" in each for each in words)


def test_each_page_has_sentences_and_each_folder_has_modules() -> None:
    assert len(pages.every_page()) > 20
    assert all(sentences.of_page(page) for page in pages.every_page())
    assert all(list((ROOT / folder).rglob("*.py")) for folder in command.FOLDERS)


@pytest.mark.parametrize("page", every_page(), ids=name_of)
def test_each_page_reaches_the_goals(page: Path) -> None:
    assert figures.of(sentences.of_page(page)).misses == ()
