"""Files with a wanted state."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Run the block in one process at a time, while others wait. The lock ends with its process."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def ensure_file(path: Path, content: str, *, mode: int = 0o644) -> bool:
    """Give `path` this content atomically. Returns whether anything changed."""
    if path.is_file() and path.read_bytes() == content.encode() and path.stat().st_mode & 0o777 == mode:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(content)
    fresh.chmod(mode)
    fresh.replace(path)
    return True
