"""Targets of `make` beside tests and rehearsals, in a folder like a checkout."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from swarmer.cli import reference
from tests import prerequisites
from tests.docs.pages import ROOT
from tests.make import run

PAGES = tuple(str(page.relative_to(ROOT)) for page in reference.PAGES)
"""Pages of the reference that are generated."""
STAMPS = (".python", ".deploy", ".test")
"""Stamps of a complete virtualenv."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Folder with the files that make reads; its virtualenv has the command of this one."""
    for name in ("Makefile", "requirements.txt", "constraints.txt", "pyproject.toml", "servers.yml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in (
        "requirements-dev.txt",
        "lambdas/requirements.txt",
        "node/requirements.txt",
        *PAGES,
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/swarmer").symlink_to(ROOT / ".venv/bin/swarmer")
    for stamp in STAMPS:
        (tmp_path / ".venv" / stamp).touch()
    return tmp_path


def make(folder: Path, target: str) -> str:
    """Output of a `make` that succeeds."""
    done = run(folder, target)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def stand_in(folder: Path, name: str, script: str) -> None:
    """A command of the virtualenv that does this instead."""
    command = folder / ".venv/bin" / name
    command.unlink(missing_ok=True)
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)


def test_make_help_lists_every_target(checkout: Path) -> None:
    shown = make(checkout, "help")
    for target in re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE):
        assert re.search(rf"^{target} ", shown, re.MULTILINE), target
    assert re.search("^setup-dev +make the virtualenv with the test tools$", shown, re.MULTILINE)


@pytest.mark.parametrize(("status", "shown"), [(0, ""), (1, "a contract is BROKEN\n")])
def test_make_lint_shows_the_report_on_imports_only_when_a_contract_is_broken(
    checkout: Path, status: int, shown: str
) -> None:
    for name in ("ruff", "mypy", "python"):
        stand_in(checkout, name, "exit 0")
    stand_in(checkout, "lint-imports", f"echo a contract is BROKEN; exit {status}")
    done = run(checkout, "lint")
    errors = [line for line in done.stderr.splitlines(keepends=True) if not line.startswith("make: ***")]
    assert (bool(done.returncode), done.stdout + "".join(errors)) == (bool(status), shown)


def test_make_setup_dev_leaves_a_virtualenv_alone_that_is_up_to_date(checkout: Path) -> None:
    assert "Nothing to be done" in make(checkout, "setup-dev")


def test_one_file_of_tests_is_run_by_its_name() -> None:
    command = [str(ROOT / ".venv/bin/pytest"), "tests/core/test_health.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_target_that_runs_tests_or_measures_has_its_prerequisites() -> None:
    """`make fuzz` alone has none: its tests need nothing but Python."""
    targets = re.findall(r"^((?:test|bench)[a-z-]*|faults):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert sorted(targets) == sorted(prerequisites.STEPS)


def test_make_docs_writes_what_is_there_already(checkout: Path) -> None:
    make(checkout, "docs")
    for name in (*PAGES, "docs/cluster.svg"):
        assert (checkout / name).read_text() == (ROOT / name).read_text()


def test_make_clean_leaves_what_is_in_git_and_ends_rehearsals(checkout: Path) -> None:
    kept = {path.name for path in checkout.iterdir()} - {".venv"}
    for name in ("node_modules/aws-cdk", ".swarmer/cache", "cdk.out"):
        (checkout / name).mkdir(parents=True)
    stand_in(checkout, "swarmer", 'echo "swarmer $*"')
    assert make(checkout, "clean") == "swarmer down\n"
    assert {path.name for path in checkout.iterdir()} == kept


def in_makefile(path: str) -> bool:
    """Whether a target names the file, its folder or a pattern that it matches."""
    named = re.findall(r"(?<![\w/])tests/[\w/.*]+", (ROOT / "Makefile").read_text())
    return any(fnmatch.fnmatch(path, each) or path.startswith(f"{each}/") for each in named)


def test_a_target_runs_each_file_of_tests() -> None:
    """A folder that nobody names is never run: tests/operations was such a folder."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    files = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    units = {path for path in files for each in options["testpaths"] if f"{path}/".startswith(f"{each}/")}
    clusters = {
        path
        for path, text in files.items()
        if re.search(r"^pytestmark = .*cluster|^@.*mark\.cluster", text, re.M)
    }
    assert clusters
    assert [path for path in sorted({*files} - units | clusters) if not in_makefile(path)] == []
