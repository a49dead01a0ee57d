"""Debian packages pinned by file name and SHA-256, from a mirror's pool or Debian's archive of snapshots.

A mirror drops a package when a newer one appears. The archive keeps every package under the same path, below
a moment at which Debian had it (https://snapshot.debian.org).
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from swarmer.adapters import process

SNAPSHOTS: Final = "http://snapshot.debian.org/archive/debian"
APT_HELPER: Final = "/usr/lib/apt/apt-helper"
"""Path of apt's program to fetch one file. It uses the proxies and transports of this machine."""
FETCH_TIMEOUT_S: Final = 300
"""Timeout for one file from one source, in seconds."""


@dataclass(frozen=True, kw_only=True)
class PinnedPackage:
    """Package in one version."""

    path: str
    """Path below a mirror's root: `pool/main/t/tini/tini-static_0.19.0-6+b2_amd64.deb`."""
    sha256: str
    moment: str
    """Moment at which Debian had it, in the format of the archive of snapshots: 20261130T000000Z."""

    @property
    def file(self) -> str:
        """Name of the file, including the version."""
        return PurePosixPath(self.path).name

    def urls(self, mirror: str, snapshots: str = SNAPSHOTS) -> tuple[str, ...]:
        """URLs to try, in this order."""
        return (f"{mirror.rstrip('/')}/{self.path}", f"{snapshots}/{self.moment}/{self.path}")


def ensure_packages(
    packages: Sequence[PinnedPackage], folder: Path, mirror: str, *, snapshots: str = SNAPSHOTS
) -> list[Path]:
    """Ensure the packages' files in `folder`. Raises process.Failed with one line."""
    return [_ensure(package, folder, package.urls(mirror, snapshots)) for package in packages]


def _ensure(package: PinnedPackage, folder: Path, urls: Sequence[str]) -> Path:
    # Files are stored under their digests, so that another pin of the same version fetches its own file.
    kept = folder / package.sha256[:12] / package.file
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as held:
            fetch_first(urls, package.sha256, Path(held)).replace(kept)
    return kept


def fetch_first(urls: Iterable[str], sha256: str, folder: Path) -> Path:
    """Fetch the first file with the digest into `folder`. Raises process.Failed with a reason for each."""
    name, reasons = "it", []
    for number, url in enumerate(urls, 1):
        name, path = PurePosixPath(url).name, folder / f"{number}.deb"
        reason = _reason_against(url, path, sha256)
        if not reason:
            return path
        reasons.append(f"({number}) {reason}")
    raise process.Failed(f"no source has {name}: {'; '.join(reasons)}")


def _reason_against(url: str, path: Path, sha256: str) -> str:
    """Fetch one file; return the reason against it, empty if it is the right one."""
    options = ("APT::Sandbox::User=root", "Acquire::Retries=0", "Acquire::http::Timeout=20")
    flags = [word for option in options for word in ("-o", option)]
    try:
        process.run([APT_HELPER, *flags, "download-file", url, str(path)], timeout_s=FETCH_TIMEOUT_S)
    except process.Failed as exc:
        found = re.search(r"Failed to fetch .*", str(exc))
        return found[0] if found else f"{url}: {' '.join(str(exc).split())}"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return "" if digest == sha256 else f"{url}: its SHA-256 is {digest}, not the pinned {sha256}"
