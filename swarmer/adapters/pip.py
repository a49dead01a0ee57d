"""pip: Python packages for another machine than this one. Every failure is one `process.Failed`.

It takes only pure wheels (`--platform any`). They are the same for every processor, and contain no compiled
code.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from swarmer.adapters import files, process
from swarmer.core import software

TIMEOUT_S: Final = 600
"""Timeout for one call."""


def node_wheels_digest() -> str:
    """SHA-256 (hexadecimal) of all input that determines the wheels of `ensure_node_wheels`."""
    lists = (software.REQUIREMENTS.read_bytes(), software.CONSTRAINTS.read_bytes())
    return hashlib.sha256(b"\0".join((*lists, software.PYTHON.encode()))).hexdigest()


def ensure_node_wheels(on_fetch: Callable[[], object] = lambda: None) -> Path:
    """Return a folder with the wheels of the nodes' requirements, and of their dependencies.

    The folder is made once for each list; `on_fetch` is called before that.
    """
    folder = software.CACHE / f"wheels-{node_wheels_digest()[:12]}"
    with files.alone(software.CACHE / "wheels.lock"):
        if folder.exists():
            return folder
        on_fetch()
        fresh = folder.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        lists = [f"--constraint={software.CONSTRAINTS}", f"-r{software.REQUIREMENTS}"]
        process.run([*_pip("download", software.PYTHON), *lists, f"--dest={fresh}"], timeout_s=TIMEOUT_S)
        fresh.rename(folder)
    return folder


def install(requirements: Path, target: Path, *, python: str) -> None:
    """Install exactly `requirements` below `target`, without resolving or compiling anything."""
    process.run(
        [*_pip("install", python), "--no-deps", "--no-compile", f"--target={target}", f"-r{requirements}"],
        timeout_s=TIMEOUT_S,
    )


def _pip(command: str, python: str) -> list[str]:
    return [
        sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", "--no-input",
        "--only-binary=:all:", "--platform=any", "--abi=none", "--implementation=py",
        f"--python-version={python}",
    ]  # fmt: skip
