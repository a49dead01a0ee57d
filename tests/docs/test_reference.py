"""The generated pages of docs/reference/ say what the code says, and have a part for each thing."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import click
import pytest

from swarmer.cli import exit_statuses, manual, reference
from swarmer.cli.main import main
from swarmer.core import alarms, constants, generated, names, reference_limits, reference_names
from tests.docs.pages import ROOT, name_of

PARTS = reference.parts_of(main)
COMMANDS = dict(manual.shown(main, main.list_commands(click.Context(main))))


@pytest.mark.parametrize("page", reference.PAGES, ids=name_of)
def test_the_page_is_what_the_code_says(page: Path) -> None:
    assert generated.fill(page.read_text(), PARTS) == page.read_text(), "make docs"


def test_every_part_is_in_one_page() -> None:
    number = Counter(name for page in reference.PAGES for name in generated.markers(page.read_text()))
    assert number == dict.fromkeys(PARTS, 1)


def test_a_page_that_differs_from_the_code_is_noticed() -> None:
    page = reference.FOLDER / "limits.md"
    changed = page.read_text().replace("0.75 s", "0.8 s")
    assert changed != page.read_text()
    assert generated.fill(changed, PARTS) == page.read_text()


# -- commands ----------------------------------------------------------------------------------------


def test_every_command_has_a_section() -> None:
    headings = re.findall(r"^### swarmer (.+)$", (reference.FOLDER / "cli.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(COMMANDS)


def test_every_command_names_its_providers() -> None:
    with_option = {name for name, each in COMMANDS.items() if any(it.name == "on" for it in each.params)}
    assert {*COMMANDS} - with_option == {*manual.PLACES}


def test_exit_statuses_belong_to_commands_whose_help_shows_them() -> None:
    assert {name for name, each in COMMANDS.items() if each.epilog} == {*exit_statuses.OF_COMMANDS}
    for name, found in exit_statuses.OF_COMMANDS.items():
        assert all(meaning in (COMMANDS[name].epilog or "") for _, meaning in found)


def test_an_option_is_a_row_with_its_default() -> None:
    option = click.Option(["-n", "--lines"], type=int, default=7, show_default=True, help="Number of lines.")
    assert manual._option(option) == ("`-n`, `--lines` `INTEGER`", "Number of lines.", "7")
    flag = click.Option(["--all"], is_flag=True, help="Take all nodes [one].")
    assert manual._option(flag) == ("`--all`", "Take all nodes.", "one")


# -- names -------------------------------------------------------------------------------------------


def test_constants_and_functions_without_a_row_exist() -> None:
    known = {each.name for each in constants.constants(ROOT, reference_names.SOURCE)}
    assert known >= reference_names.NOT_NAMES
    functions = {name for name, _, _ in constants.functions(ROOT, reference_names.SOURCE)}
    assert functions >= reference_names.NOT_COMPOSED


def test_every_key_of_consul_and_every_tag_has_a_row() -> None:
    page = (reference.FOLDER / "keys-and-tags.md").read_text()
    for each in constants.constants(ROOT, reference_names.SOURCE):
        if each.name not in reference_names.NOT_NAMES:
            assert f"| `{getattr(names, each.name)}" in page, each.name


# -- limits ------------------------------------------------------------------------------------------


def test_every_time_is_in_a_table_or_is_internal() -> None:
    topics = [reference_limits.place(each) for topic in reference_limits.TOPICS for each in chosen(topic)]
    assert [name for name, number in Counter(topics).items() if number > 1] == []
    times = {reference_limits.place(each) for each in reference_limits.times(ROOT)}
    assert times - {*topics} == reference_limits.INTERNAL
    assert not reference_limits.INTERNAL & {*topics}


def chosen(topic: str) -> list[constants.Constant]:
    return reference_limits.chosen(ROOT, topic)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("FENCE_S", 0.75, "0.75 s"),
        ("PAUSE_S", 60, "60 s"),
        ("GRACE_S", 300, "300 s (5 min)"),
        ("QUORUM_TIMEOUT_S", 3600.0, "3,600 s (1 h)"),
        ("KEPT_S", 604_800, "604,800 s (7 d)"),
        ("RESERVE_MS", 20_000, "20,000 ms"),
        ("UPLOAD_DAYS", 7, "7 d"),
        ("MOST_NODES", 100, "100"),
    ],
)
def test_a_value_has_its_unit(name: str, value: float, shown: str) -> None:
    assert reference_limits.shown(name, value) == shown


# -- alarms ------------------------------------------------------------------------------------------


def test_every_alarm_has_a_section_with_its_four_parts() -> None:
    text = (reference.FOLDER / "alarms.md").read_text()
    assert re.findall(r"^### `(\w+)`$", text, re.MULTILINE) == [alarm.name for alarm in alarms.ALARMS]
    for alarm in alarms.ALARMS:
        section = text.split(f"### `{alarm.name}`")[1].partition("\n#")[0]
        rows = re.findall(r"^\| \*\*(\w+)\*\* \|", section, re.MULTILINE)
        assert rows == ["meaning", "impact", "check", "fix", "raised", "functions"]


def test_a_command_without_a_place_is_named_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"swarmer new has no option --on: describe its place in PLACES"):
        manual._place("new", has_on=False)
