"""Prepares this machine before tests run side by side, which would all wait for the same engine and image."""

from __future__ import annotations

from pathlib import Path

from swarmer.cli.common import DEFAULT, load
from swarmer.local.progress import Show
from swarmer.providers.rehearsal.up import Up

if __name__ == "__main__":
    Up(ground=load(str(Path(DEFAULT))), show=Show()).prepare_machine()
