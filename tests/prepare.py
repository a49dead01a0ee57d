"""Prepares this machine before tests run side by side, which would all wait for the same engine and image."""

from __future__ import annotations

import sys
from pathlib import Path

from swarmer.adapters import process
from swarmer.cli.common import DEFAULT, load
from swarmer.core.errors import UserError
from swarmer.local.progress import Display
from swarmer.providers.rehearsal.up import Up

if __name__ == "__main__":
    try:
        Up(env=load(str(Path(DEFAULT))), display=Display()).prepare_machine()
    except (UserError, process.Failed) as exc:
        sys.exit(f"test: {exc}")
