"""A recording has the real output of a command, with its colours and its times."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests import prerequisites
from tests.docs.pages import ROOT
from tests.recording import __main__ as command
from tests.recording import animation, screens
from tests.recording.screens import Run, Screen

SVG = "{http://www.w3.org/2000/svg}"
SCRIPT = r"""
import sys, time
print("\033[32m✓\033[0m network", flush=True)
print("core-1 boots", flush=True)
input()
print("\033[A\033[2K\033[1mcore-1 is ready\033[0m", flush=True)
print(sys.stdout.isatty())
"""


def texts(screen: Screen) -> list[str]:
    return ["".join(run.text for run in line) for line in screen.lines if line]


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Screen]:
    """Screens of SCRIPT; Enter is typed as soon as the first ones are taken."""
    taken = screens.lines_of
    (tmp_path / "script.py").write_text(SCRIPT)
    fifo = tmp_path / "enter"
    fifo.touch()
    monkeypatch.setattr(screens, "lines_of", lambda terminal: (fifo.write_text("\n"), taken(terminal))[1])
    waits = f"until [ -s {fifo} ]; do sleep 0.05; done; cat {fifo}"
    return screens.recorded(
        ["bash", "-c", f"({waits}) | {sys.executable} {tmp_path}/script.py"], cwd=tmp_path
    )


def test_a_recording_has_each_screen_in_the_order_of_time(recording: list[Screen]) -> None:
    assert texts(recording[0])[-1] == "core-1 boots"
    assert texts(recording[-1]) == ["✓ network", "core-1 is ready", "True"]
    assert [each.at_s for each in recording] == sorted(each.at_s for each in recording)


def test_a_run_has_the_colour_of_the_terminal(recording: list[Screen]) -> None:
    assert recording[-1].lines[0] == (Run(0, "✓", "green", False), Run(1, " network", "default", False))
    assert recording[-1].lines[1][0].is_bold


def test_a_command_that_fails_is_an_error_with_its_last_screen(tmp_path: Path) -> None:
    with pytest.raises(screens.Failed, match="no Docker"):
        screens.recorded(["bash", "-c", "echo no Docker; exit 1"], cwd=tmp_path)


SCREENS = [
    Screen(0.2, ((Run(0, "$ make up", "default", True),), (), ())),
    Screen(1.0, ((Run(0, "$ make up", "default", True),), (Run(0, "a < b & c", "green", False),), ())),
    Screen(2.0, ((Run(0, "$ make up", "default", True),), (Run(0, "ready", "default", False),), ())),
]


def test_the_animation_has_each_line_once_and_each_screen_in_its_time() -> None:
    made = animation.svg(SCREENS, "A title")
    tree = ElementTree.fromstring(made)  # noqa: S314 - our own
    assert [text.text for text in tree.iter(f"{SVG}text")] == ["$ make up", "a < b & c", "ready"]
    assert [len(group) for group in tree.findall(f"{SVG}g")] == [1, 2, 2]
    assert tree.findtext(f"{SVG}title") == "A title"
    # The last screen stays for LAST_S after 2 s.
    starts = re.findall(r"([\d.]+)%\{visibility:visible\}", made)
    assert [float(each) for each in starts] == [0.0, 12.5, 25.0]


def test_the_animation_is_no_higher_than_its_lines() -> None:
    [box] = re.findall(r'viewBox="0 0 \d+ (\d+)"', animation.svg(SCREENS, ""))
    assert int(box) == 2 * animation.HEIGHT + 2 * animation.MARGIN


def test_a_make_up_that_fails_leaves_the_recording_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prerequisites, "ensure_or_exit", lambda target: None)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    (tmp_path / "Makefile").write_text("up down:\n\t@echo Docker does not answer >&2; [ $@ = down ]\n")
    (tmp_path / "up.svg").write_text("before")
    assert command.main([str(tmp_path / "up.svg")]) == 1
    assert "make up failed" in capsys.readouterr().err
    assert (tmp_path / "up.svg").read_text() == "before"


def test_make_up_is_recorded_with_the_prompt_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prerequisites, "ensure_or_exit", lambda target: None)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    (tmp_path / "Makefile").write_text("up down:\n\t@echo $@ >> log; echo this is $@\n")
    (tmp_path / "docs").mkdir()
    assert command.main([]) == 0
    tree = ElementTree.parse(tmp_path / "docs/up.svg")  # noqa: S314 - our own
    assert [each.text for each in tree.iter(f"{SVG}text")] == ["$", "make up", "this is up"]
    assert (tmp_path / "log").read_text().split() == ["down", "up", "down", "up", "down"]
    assert str(ROOT) not in capsys.readouterr().out
