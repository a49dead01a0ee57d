"""README and docs keep their word: commands are run, what is named exists, links lead somewhere."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import click
import pytest

from swarmer.cli.main import main
from tests.docs import pages, typed
from tests.docs.pages import ROOT, Block

ALL = [block for page in pages.pages() for block in pages.blocks(page)]
FAST = [block for block in ALL if block.how == "fast"]
SOURCES = ("swarmer", "node", "stacks", "lambdas")
TROUBLES = ROOT / "docs/guides/troubleshooting.md"


def test_there_are_blocks_of_each_kind() -> None:
    assert {block.how for block in ALL} >= {pages.CLUSTER, *pages.MARKS}


@pytest.mark.parametrize("block", FAST, ids=lambda block: block.place)
def test_commands_that_need_no_cluster_do_what_they_say(block: Block, tmp_path: Path) -> None:
    env = {**os.environ, "PATH": f"{ROOT}/.venv/bin{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    script = f"set -eo pipefail; cd {tmp_path}; ln -s {ROOT}/.venv {ROOT}/servers.yml .\n{block.text}"
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{block.place}\n{done.stdout}{done.stderr}"


def test_a_test_that_is_said_to_run_a_block_exists() -> None:
    for block in ALL:
        if block.how.startswith(pages.RUN_BY):
            for name in block.how.removeprefix(pages.RUN_BY).split(", "):
                assert (ROOT / name).exists(), f"{block.place}: {name}"


def test_a_test_that_is_said_to_run_a_block_has_the_words_of_each_command() -> None:
    run = [block for block in ALL if block.how.startswith(pages.RUN_BY)]
    assert {block.place: typed.untyped(block) for block in run if typed.untyped(block)} == {}


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", pages.pages(), ids=pages.name_of)
def test_every_command_and_make_target_that_is_named_exists(page: Path) -> None:
    lines = [line for block in pages.blocks(page) for line in block.text.splitlines()]
    for line in [*lines, *(each.text for each in pages.inline(page))]:
        words = line.split("#")[0].split()
        if words[:1] == ["make"] and len(words) > 1 and re.fullmatch("[a-z-]+", words[1]):
            assert words[1] in targets(), line
        if words[:1] in (["swarmer"], [".venv/bin/swarmer"]) and len(words) > 1:
            check_options(line, words[1:])


def check_options(line: str, words: list[str]) -> None:
    name = words[0]
    if name == "COMMAND" or name.startswith("-"):
        return
    command: click.Command = main
    while words and isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        assert found, line
        command, words = found, words[1:]
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    for word in words:
        if word == "--" or name in ("registrator", "exec"):
            return
        flag = word.strip("[]").partition("=")[0]
        if flag.startswith("-"):
            assert flag in {*known, "-h", "--help"}, line


@pytest.mark.parametrize("page", pages.every_page(), ids=pages.name_of)
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        path = (page.parent / name) if name else page
        assert path.exists(), target
        if anchor:
            assert anchor in {slug(line) for line in path.read_text().splitlines() if line.startswith("#")}, (
                target
            )


def slug(heading: str) -> str:
    text = re.sub(r"[^\w\- ]", "", heading.lstrip("#").strip().lower())
    return text.replace(" ", "-")


# -- troubleshooting ----------------------------------------------------------------------------------------


@cache
def literals() -> list[str]:
    """Every text in the code, and every line of setup.sh; … stands where a value is put in."""
    script = (ROOT / "setup.sh").read_text().replace("\\\n", "")
    found = re.sub(r"\$(\{[^}]*\}|\w+)", "…", script).splitlines()
    for source in SOURCES:
        for path in (ROOT / source).rglob("*.py"):
            for each in ast.walk(ast.parse(path.read_text())):
                if isinstance(each, ast.JoinedStr):
                    found.append("".join(map(_part, each.values)))
                elif isinstance(each, ast.Constant) and isinstance(each.value, str):
                    found.append(re.sub(r"\{\w*\}", "…", each.value))
    return found


def _part(value: ast.expr) -> str:
    return str(value.value) if isinstance(value, ast.Constant) else "…"


def quoted() -> list[str]:
    """The messages that the page has as headings."""
    return re.findall(r"^### `(.+)`$", TROUBLES.read_text(), re.MULTILINE)


def test_the_page_of_troubles_has_messages() -> None:
    assert len(quoted()) >= 20


@pytest.mark.parametrize("message", quoted())
def test_every_message_that_is_quoted_is_one_of_the_code(message: str) -> None:
    parts = [re.escape(part) for part in message.split("…") if part.strip()]
    pattern = re.compile(".*?".join(parts), re.DOTALL)
    assert any(pattern.search(each) for each in literals()), message


def test_words_of_a_shell_are_well_formed() -> None:
    for block in ALL:
        if block.how != "shown":
            shlex.split(block.text, comments=True)
