"""Files that several processes make."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from swarmer.adapters import files

PROGRAM = """
import pathlib, sys
from swarmer.adapters import files
with files.alone(pathlib.Path(sys.argv[1])):
    print("in", flush=True)
"""


def test_a_second_process_waits_until_the_first_is_done(tmp_path: Path) -> None:
    lock = tmp_path / "not/there/yet.lock"
    with files.alone(lock):
        other = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(lock)], stdout=subprocess.PIPE, text=True
        )
        try:
            other.wait(1)
        except subprocess.TimeoutExpired:
            waited = True
        else:
            waited = False
    said, _ = other.communicate(timeout=10)
    assert waited
    assert said == "in\n"
