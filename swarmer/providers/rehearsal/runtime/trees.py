"""File system of a function: its code, its layers, and Lambda's own boto3."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from swarmer.fakeaws.lambda_.model import Archive
from swarmer.local import engine, environment

RUNTIME_PACKAGES: Final = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "urllib3")
"""Packages of Lambda's Python runtime, taken from those of a node."""
KEPT_RUNTIMES: Final = 3
"""Number of older runtimes to keep, because functions on an earlier image still use theirs."""
PACKAGES: Final = "/opt/swarmer/lib/python3.13/site-packages"


_making: Final = threading.Lock()
"""Lock for making a tree, because several environments of a function may start at the same time."""


class DigestMismatch(Exception):
    """The tree differs from the uploaded archives."""


def ensure_tree(archives: Sequence[Archive], below: Path) -> Path:
    """Ensure a tree of the archives, in which later archives replace files of earlier ones, and compare it
    with them. Raises DigestMismatch."""
    for each in archives:
        if base64.b64encode(hashlib.sha256(each.content).digest()).decode() != each.sha256:
            raise DigestMismatch(f"the archive is not the one whose digest is {each.sha256}")
    contents = tuple(each.content for each in archives)
    wanted = digest_of_archives(contents)
    tree = below / wanted
    with _making:
        if not tree.exists():
            _unpack(contents, tree)
    if digest_of_tree(tree) != wanted:
        raise DigestMismatch(f"{tree} is not what its archive holds")
    return tree


def _unpack(contents: Sequence[bytes], tree: Path) -> None:
    tree.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=tree.parent))
    for content in contents:
        zipfile.ZipFile(io.BytesIO(content)).extractall(draft)
    draft.chmod(0o755)
    draft.rename(tree)


@lru_cache(maxsize=64)
def digest_of_archives(contents: tuple[bytes, ...]) -> str:
    """SHA-256 of names and contents of the future tree."""
    files: dict[str, bytes] = {}
    for content in contents:
        archive = zipfile.ZipFile(io.BytesIO(content))
        files |= {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    return _digest(iter(sorted(files.items())))


def digest_of_tree(tree: Path) -> str:
    """SHA-256 of a folder, in the same way."""
    paths = sorted((path.relative_to(tree).as_posix(), path) for path in tree.rglob("*") if path.is_file())
    return _digest((name, path.read_bytes()) for name, path in paths)


def _digest(files: Iterator[tuple[str, bytes]]) -> str:
    whole = hashlib.sha256()
    for name, content in files:
        whole.update(f"{name}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()


def ensure_runtime(image: str) -> Path:
    """Ensure Lambda's own packages, copied from the node image."""
    identity = engine.docker("image", "inspect", "-f", "{{.Id}}", image).rpartition(":")[2][:12]
    kept = environment.CACHE / f"lambda-runtime-{identity}"
    with _making:
        if not kept.exists():
            _copy_runtime(image, kept)
    return kept


def _copy_runtime(image: str, kept: Path) -> None:
    environment.CACHE.mkdir(parents=True, exist_ok=True)
    held = engine.docker("create", image)
    draft = Path(tempfile.mkdtemp(dir=environment.CACHE))
    try:
        for name in RUNTIME_PACKAGES:
            engine.docker("cp", "-q", f"{held}:{PACKAGES}/{name}", f"{draft}/{name}")
        draft.chmod(0o755)
        older = sorted(environment.CACHE.glob("lambda-runtime-*"), key=lambda path: path.stat().st_mtime)
        for unused in older[: -KEPT_RUNTIMES or None]:
            shutil.rmtree(unused, ignore_errors=True)
        draft.rename(kept)
    finally:
        engine.docker("rm", "-v", held)
        shutil.rmtree(draft, ignore_errors=True)
