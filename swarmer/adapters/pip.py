"""pip: Python packages for another machine than this one. Every failure is one `process.Failed`.

Only pure wheels are taken (`--platform any`). Thus they are the same for every processor, and contain no
compiled code.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from swarmer.adapters import files, process

TIMEOUT_S: Final = 600
"""Timeout for one call."""


def wheels_digest(requirements: Path, constraints: Path, *, python: str) -> str:
    """SHA-256 (hexadecimal) of all that decides which wheels `ensure_wheels` gets."""
    made = (requirements.read_bytes(), constraints.read_bytes(), python.encode())
    return hashlib.sha256(b"\0".join(made)).hexdigest()


def ensure_wheels(
    requirements: Path,
    constraints: Path,
    cache: Path,
    *,
    python: str,
    on_fetch: Callable[[], object] = lambda: None,
) -> Path:
    """Return a folder with the wheels of `requirements`, and of all that they need.

    `constraints` has the versions. The folder lies in `cache` and is made once for each list; `on_fetch` is
    called before that.
    """
    folder = cache / f"wheels-{wheels_digest(requirements, constraints, python=python)[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with files.alone(cache / "wheels.lock"):
        if folder.exists():
            return folder
        on_fetch()
        fresh = folder.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        process.run(
            [
                *_pip("download", python),
                f"--constraint={constraints}",
                f"--dest={fresh}",
                f"-r{requirements}",
            ],
            timeout_s=TIMEOUT_S,
        )
        fresh.rename(folder)
    return folder


def install(requirements: Path, target: Path, *, python: str) -> None:
    """Install exactly `requirements` below `target`; nothing is resolved and nothing compiled."""
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
