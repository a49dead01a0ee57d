"""docs/reference/facts.yml is read as it is meant; what says no fact is named. `swarmer facts` shows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from swarmer.cli.facts import load
from swarmer.cli.main import main
from swarmer.core import facts
from swarmer.core.errors import UserError
from swarmer.core.facts import CALL, PROPERTY, Fact, Malformed, Quote, Rehearsed, Row, Unrehearsed

PAGE = "https://docs.aws.amazon.com/a.html"
TEXT = f"""
properties:
  AWS::A::B:
    One, Two.Three: tests/rehearsal/test_x.py::test_that_it_works
    Four: >-
      "It says | this,
      in two lines." {PAGE} 2026-11-30
calls:
  node/a.py:
    ec2:DescribeInstances: "unrehearsed: look whether it answers"
"""
TEST = Rehearsed("tests/rehearsal/test_x.py", "test_that_it_works")
SAID = Quote("It says | this, in two lines.", PAGE, "2026-11-30")
FACTS = [
    Fact(Row(PROPERTY, "AWS::A::B", "One"), TEST),
    Fact(Row(PROPERTY, "AWS::A::B", "Two.Three"), TEST),
    Fact(Row(PROPERTY, "AWS::A::B", "Four"), SAID),
    Fact(Row(CALL, "node/a.py", "ec2:DescribeInstances"), Unrehearsed("look whether it answers")),
]


def test_a_line_is_a_fact_for_each_name_with_its_proof() -> None:
    assert facts.parse(TEXT) == FACTS


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("calls: {node/a.py: {ec2:A: it works}}", "node/a.py ec2:A: 'it works' is no proof; write `tests/"),
        ("calls: {node/a.py: {ec2:A: '\"No address.\" 2026-11-30'}}", "is no proof"),
        ("calls: {node/a.py: {ec2:A: 'unrehearsed:'}}", "is no proof"),
        ("calls: {node/a.py: ec2}", "node/a.py: write `NAME: PROOF` below it"),
        ("words: {}", "the sections are properties, permissions, calls"),
        ("calls: {a: {b: 'unrehearsed: x', b: 'unrehearsed: y'}}", "b: stands there twice"),
        ("calls: {a: {'b, c': 'unrehearsed: x', b: 'unrehearsed: y'}}", "a b: stands there twice"),
        ("calls: {a: [", "while parsing"),
    ],
)
def test_what_says_no_fact_is_named(text: str, problem: str) -> None:
    with pytest.raises(Malformed) as raised:
        facts.parse(text)
    assert problem in str(raised.value)


def test_a_page_has_the_tables_between_its_marks() -> None:
    page = "".join(
        f"<!-- generated: {name} -->\nold\n<!-- end -->\n"
        for name in ("properties", "unrehearsed", "summary")
    )
    filled = facts.fill(page, FACTS)
    assert (
        "| `AWS::A::B` | `One`, `Two.Three` | [`test_that_it_works`](../../tests/rehearsal/test_x.py) |"
        in filled
    )
    assert f"| `AWS::A::B` | `Four` | “It says \\| this, in two lines.” [AWS]({PAGE}), 2026-11-30 |" in filled
    assert "| look whether it answers | `node/a.py ec2:DescribeInstances` |" in filled
    assert "| properties | 2 | 1 | 0 |" in filled
    assert "old" not in filled


def shown(*arguments: str) -> str:
    done = CliRunner().invoke(main, ["facts", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_shows_the_rows_and_their_sum() -> None:
    output = shown("HttpTokens")
    assert "AWS::EC2::LaunchTemplate" in output
    assert "test_get_without_a_token_is_refused" in output
    assert output.endswith("1 fact: 1 by test, 0 by quote, 0 unrehearsed\n")


def test_rows_are_chosen_by_kind_and_proof() -> None:
    rows = json.loads(shown("--json", "--kind", "call", "--proof", "test"))
    assert rows
    assert {(row["kind"], row["proof"]) for row in rows} == {("call", "test")}
    assert set(rows[0]) == {"kind", "subject", "name", "proof", "file", "test"}


def test_no_such_row_is_one_line_and_status_1() -> None:
    done = CliRunner().invoke(main, ["facts", "no-such-thing"])
    assert (done.exit_code, done.output) == (
        1,
        "swarmer: no fact is like that; `swarmer facts` shows all of them\n",
    )


def test_a_malformed_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "facts.yml").write_text("calls: {a: {b: it works}}")
    with pytest.raises(UserError, match=r"facts\.yml: a b: 'it works' is no proof"):
        load(tmp_path / "facts.yml")
