"""Help, completion, pictures, colours: what a person meets before there is a cluster."""

from __future__ import annotations

import io
import shlex
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import click
import pytest
from rich.console import Console

from swarmer.cli.main import COMMANDS_OF, main
from swarmer.cli.progress import PROGRESS_DELAY_S
from swarmer.local import environment
from swarmer.local.progress import Display
from tests.rehearsal.conftest import SWARMER, swarmer

COMMANDS = main.all_commands(click.Context(main))


def test_each_module_holds_the_commands_for_which_it_is_imported() -> None:
    for module, names in COMMANDS_OF.items():
        assert [command.name for command in import_module(f"swarmer.cli.{module}").COMMANDS] == list(names)


def test_no_module_with_commands_is_left_out() -> None:
    folder = environment.ROOT / "swarmer/cli"
    assert {path.stem for path in folder.glob("*.py") if "\nCOMMANDS = " in path.read_text()} == set(
        COMMANDS_OF
    )


def test_one_command_imports_no_other_command() -> None:
    """A shell that completes a word, and each of a script's calls, would wait for all of them."""
    script = (
        "import sys; from swarmer.cli.main import main;"
        "main(['validate'], standalone_mode=False); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "swarmer.cli.describe" in imported
    assert not imported & {"boto3", "requests", "rich", "swarmer.cli.status", "swarmer.cli.machines"}


def test_the_version_is_that_of_the_package() -> None:
    assert swarmer("--version").stdout == f"swarmer {version('swarmer')}\n"


def test_help_has_every_command_in_a_section_and_the_exit_statuses() -> None:
    shown = swarmer("--help").stdout
    for name in COMMANDS:
        assert f"  {name}" in shown
    for heading in ("Description:", "Rehearsal on this machine:", "Cluster:", "One node:"):
        assert heading in shown
    assert "Others:" not in shown
    assert "act on AWS or on the rehearsal of this machine" in " ".join(shown.split())
    for status in ("0 ", "1 ", "2 ", "130"):
        assert f"\n  {status}" in shown[shown.index("Exit status:") :]


def test_off_a_terminal_what_a_node_says_while_it_boots_is_one_line() -> None:
    """The line was broken at the eightieth letter in a log, or behind a pipe."""
    heard = io.StringIO()
    phase = "configured as core-i-0123456789abcdef0, 10.42.64.4, consul-server swarm-manager swarm-worker"
    consoles = {"core-i-0123456789abcdef0": SimpleNamespace(phase=phase, is_ready=False)}
    display = Display(Console(file=heard, highlight=False, width=80))
    with display.booting([], cast(Any, consoles)) as draw:
        draw("0 of 1 nodes ready")
    first, second = heard.getvalue().splitlines()
    assert first.endswith(f"core-i-0123456789abcdef0: {phase}")
    assert second.endswith("0 of 1 nodes ready")


def test_off_a_terminal_nothing_is_said_twice_in_a_row() -> None:
    heard = io.StringIO()
    with Display(Console(file=heard, highlight=False)).step("wait", "is validated") as detail:
        for word in ("no leader", "no leader", "check 1"):
            detail(word)
    assert [line.strip() for line in heard.getvalue().splitlines()][:2] == [
        "is validated: no leader …",
        "is validated: check 1 …",
    ]


def test_every_command_and_every_option_is_explained() -> None:
    for name, command in COMMANDS.items():
        assert command.help, name
        for option in command.params:
            if option.param_type_name == "option":
                assert getattr(option, "help", None), f"{name} {option.name}"


def complete(typed: list[str]) -> list[str]:
    """Bash's suggestions."""
    words = " ".join(f"'{word}'" for word in ["swarmer", *typed])
    script = f"""source <("{SWARMER}" completion bash)
        COMP_WORDS=({words}) COMP_CWORD={len(typed)}
        _swarmer_completion "{SWARMER}"; printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["sta"], ["status"]),
        (["status", "--w"], ["--watch"]),
        (["scale", "wor"], ["workers"]),
        (["cloud-init", "wor"], ["workers"]),
        (["completion", "f"], ["fish"]),
    ],
    ids=lambda words: words[-1],
)
def test_bash_completes_commands_options_and_groups(typed: list[str], offered: list[str]) -> None:
    assert complete(typed) == offered


SLOW = "import time; from swarmer.cli.progress import working\nwith working('looks'): time.sleep({})"


def test_slow_work_shows_its_progress_and_on_a_terminal_its_seconds() -> None:
    slow = [str(environment.ROOT / ".venv/bin/python"), "-c", SLOW.format(PROGRESS_DELAY_S + 1)]
    piped = subprocess.run(slow, capture_output=True, text=True, check=True, cwd=environment.ROOT)
    assert (piped.stdout, piped.stderr) == ("", "looks …\n")
    command = f"env -u NO_COLOR TERM=xterm {shlex.join(slow)}"
    seen = subprocess.run(
        ["script", "-qefc", command, "/dev/null"], capture_output=True, check=True, cwd=environment.ROOT
    )
    assert "looks … 2 s" in seen.stdout.decode()


def test_what_is_over_in_a_moment_says_nothing() -> None:
    quick = [str(environment.ROOT / ".venv/bin/python"), "-c", SLOW.format(0)]
    done = subprocess.run(quick, capture_output=True, text=True, check=True, cwd=environment.ROOT)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_shell_that_is_not_known_is_refused() -> None:
    done = swarmer("completion", "tcsh")
    assert done.returncode == 2
    assert "bash" in done.stderr


@pytest.mark.parametrize(("suffix", "begins"), [(".svg", b"<svg "), (".png", b"\x89PNG\r\n")])
def test_the_picture_is_written_as_what_its_name_says(tmp_path: Path, suffix: str, begins: bytes) -> None:
    path = tmp_path / f"cluster{suffix}"
    done = swarmer("diagram", "-o", str(path))
    assert done.returncode == 0, done.stderr
    assert path.read_bytes().startswith(begins)
    assert "core (3), workers (2)" in done.stdout


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [("cluster.gif", 2, "ends in .svg or .png"), ("none/cluster.svg", 1, "cannot be written")],
)
def test_a_picture_that_cannot_be_made_is_one_line(tmp_path: Path, name: str, status: int, said: str) -> None:
    done = swarmer("diagram", "-o", str(tmp_path / name))
    assert done.returncode == status
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("env", "is_coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    ids=["a terminal", "NO_COLOR", "a dumb terminal"],
)
def test_colours_are_for_terminals(env: dict[str, str], is_coloured: bool) -> None:
    words = " ".join(f"{key}={value}" for key, value in env.items())
    command = f"env -u NO_COLOR TERM=xterm {words} {SWARMER} doctor"
    done = subprocess.run(
        ["script", "-qefc", command, "/dev/null"], capture_output=True, check=False, cwd=environment.ROOT
    )
    assert (b"\x1b[32m" in done.stdout) == is_coloured
    assert "\x1b[" not in swarmer("doctor").stdout
