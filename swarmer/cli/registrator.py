"""Start of `swarmer registrator`, the program on nodes. It imports little, so that it starts fast."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

ROOT: Final = Path(__file__).parents[2]
"""Folder of the checkout. It contains the node software as an asset, because the package does not."""
PROGRAM: Final = "node.registrator_command"


def replace_process(arguments: Sequence[str]) -> NoReturn:
    """Replace this process by `python -m node.registrator_command ARGUMENTS`."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    sys.stdout.flush()
    argv = [sys.executable, "-m", PROGRAM, *arguments]
    os.execve(sys.executable, argv, {**os.environ, "PYTHONPATH": path})  # noqa: S606 - no shell is wanted
