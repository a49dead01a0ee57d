"""Output of `swarmer completion`, read by the shells themselves."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from swarmer.local import host
from tests.daily.conftest import Lab
from tests.rehearsal.conftest import SWARMER

ZSH = """autoload -Uz compinit && compinit -u -d {home}/dump
source <(swarmer completion zsh)
# Completion for real: a terminal of its own, in which a word is typed and Tab pressed.
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; autoload -Uz compinit && compinit -u -d {home}/dump"
zpty -w shell "source <(swarmer completion zsh); echo rea''dy"
zpty -r shell line '*ready*'
zpty -w -n shell $'swarmer handov\\t\\t'
repeat 120; do
    zpty -r -t shell chunk && line+=$chunk
    [[ $line == *handover* ]] && break
    sleep 0.5
done
print -r -- $line
"""


@pytest.fixture(scope="session")
def shells() -> None:
    host.ensure_packages(("zsh", "zsh"), ("fish", "fish"))


def run(home: Path, *argv: str) -> str:
    env = {**os.environ, "HOME": str(home), "PATH": f"{Path(SWARMER).parent}:{os.environ['PATH']}"}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_fish_completes(shells: None, tmp_path: Path) -> None:
    said = run(tmp_path, "fish", "-c", "swarmer completion fish | source; complete -C 'swarmer handov'")
    assert said.split()[0] == "handover"


def test_fish_completes_the_names_of_nodes(shells: None, lab: Lab, tmp_path: Path) -> None:
    name = lab.status()["nodes"][0]["name"]
    said = run(
        tmp_path, "fish", "-c", f"swarmer completion fish | source; complete -C 'swarmer logs {name[:-3]}'"
    )
    assert said.split()[0] == name


def test_zsh_completes(shells: None, tmp_path: Path) -> None:
    assert "handover" in run(tmp_path, "zsh", "-f", "-c", ZSH.format(home=tmp_path))
