"""Which files are the node software, and their digest: the same for an image and for an asset."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
TREES: Final = ("node", "swarmer/core", "swarmer/adapters")
FILES: Final = ("swarmer/__init__.py",)


def files(root: Path = ROOT) -> Iterator[Path]:
    """Every file of the node software, relative to `root`, sorted."""
    found = [Path(name) for name in FILES]
    for tree in TREES:
        found += [path.relative_to(root) for path in (root / tree).rglob("*") if path.is_file()]
    return iter(sorted(path for path in found if not _is_excluded(path)))


def digest(root: Path = ROOT) -> str:
    """SHA-256 over names, modes and contents; independent of mtime and place."""
    whole = hashlib.sha256()
    for path in files(root):
        content = (root / path).read_bytes()
        executable = (root / path).stat().st_mode & 0o100
        whole.update(f"{path.as_posix()}\0{bool(executable)}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()


def _is_excluded(path: Path) -> bool:
    return any(part == "__pycache__" for part in path.parts) or path.suffix == ".pyc"
