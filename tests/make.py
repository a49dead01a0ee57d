"""`make` as a person types it, also within the `make test` that runs the tests."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

from tests.docs.pages import ROOT


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """End of `make ARGUMENTS` in a folder, with both outputs as text."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=own, capture_output=True, text=True, check=False
    )


def ensure_virtualenv(name: str) -> None:
    """Have `.venv/NAME` made if it is missing or out of date. Several test processes may ask at once."""
    with (ROOT / "Makefile").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = run(ROOT, f".venv/.{name}")
    assert done.returncode == 0, done.stdout + done.stderr
