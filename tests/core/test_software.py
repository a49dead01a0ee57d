"""The listed files of the node software and of the functions are exactly those that their programs import."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import pytest

from swarmer.core import software
from tests.core.imports import loaded_by

NODE_PROGRAMS = sorted(f"node.{path.stem}" for path in (software.ROOT / "node").glob("[!_]*.py"))
DESCRIPTION = ("cluster", "description", "naming_rules", "sections", "user_data")


def modules_of(paths: Iterable[Path]) -> set[Path]:
    return {path for path in paths if path.suffix == ".py"}


def test_nodes_carry_the_modules_that_a_node_program_imports_and_no_others() -> None:
    assert modules_of(software.files()) == loaded_by(NODE_PROGRAMS)


def test_every_exclusion_names_what_exists_and_is_outside_the_other_exclusions() -> None:
    for name in software.NOT_ON_NODES:
        assert (software.ROOT / name).exists(), name
        others = [other for other in software.NOT_ON_NODES if other != name]
        assert not [other for other in others if Path(name).is_relative_to(other)], name


@pytest.mark.parametrize("module", DESCRIPTION)
def test_a_new_key_of_the_description_leaves_the_node_software_alone(tmp_path: Path, module: str) -> None:
    """A key that only CloudFormation sees must not give every group a new launch template."""
    copy_of(software.files(), tmp_path)
    for path in software.ROOT.glob("swarmer/core/*.py"):
        shutil.copy(path, tmp_path / "swarmer/core")
    before = software.digest(tmp_path)
    assert before == software.digest()
    with (tmp_path / f"swarmer/core/{module}.py").open("a") as stream:
        stream.write("NEW_KEY = 1\n")
    assert software.digest(tmp_path) == before


def test_functions_carry_the_modules_that_a_handler_imports_and_no_others() -> None:
    carried = {path for function in software.FUNCTIONS for path in software.function_files(function)}
    assert modules_of(carried) == loaded_by(f"lambdas.{function}.handler" for function in software.FUNCTIONS)


@pytest.mark.parametrize("function", software.FUNCTIONS)
def test_a_handler_finds_in_its_own_files_whatever_it_imports(tmp_path: Path, function: str) -> None:
    handler = f"lambdas.{function}.handler"
    assert loaded_by([handler]) <= set(software.function_files(function))
    copy_of(software.function_files(function), tmp_path)
    import_in(tmp_path, [handler])


def test_node_programs_find_in_the_node_software_whatever_they_import(tmp_path: Path) -> None:
    copy_of(software.files(), tmp_path)
    import_in(tmp_path, NODE_PROGRAMS)


def copy_of(paths: Iterable[Path], target: Path) -> None:
    for path in paths:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(software.ROOT / path, target / path)


IMPORTING = """
import importlib, pathlib, sys
folder, packages, *programs = sys.argv[1:]
sys.path[:0] = [folder, packages]
for program in programs:
    importlib.import_module(program)
ours = [each for name, each in sys.modules.items() if name.split(".")[0] in ("lambdas", "node", "swarmer")]
assert ours and all(pathlib.Path(each.__file__).is_relative_to(folder) for each in ours), ours
"""


def import_in(folder: Path, programs: list[str]) -> None:
    """Import them in a process that sees this folder and installed packages, but no checkout.

    Without `site` (-S), so that an editable installation of this repository stays invisible.
    """
    argv = [sys.executable, "-I", "-S", "-B", "-c", IMPORTING, str(folder), sysconfig.get_path("purelib")]
    environment = {"AWS_DEFAULT_REGION": "us-east-1", "POWERTOOLS_SERVICE_NAME": "test"}
    done = subprocess.run(
        [*argv, *programs], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
