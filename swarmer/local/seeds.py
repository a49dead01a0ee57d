"""Seed of a machine as files: input for cloud-init, and the node software for a stock image."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from swarmer.adapters import volume
from swarmer.adapters.files import ensure_file
from swarmer.core import software
from swarmer.core.machines import SEED_LABEL, SOFTWARE_FILE, Seed
from swarmer.core.user_data import CarriedSoftware, DownloadedSoftware

VOLUME: Final = "seed.iso"
EARLIEST_DATE: Final = (1980, 1, 1, 0, 0, 0)
"""Date of every archive entry, Zip's earliest: the same files give the same archive."""


def write_software(path: Path) -> str:
    """Write the node software as an archive, and return its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in software.files():
            entry = zipfile.ZipInfo(name.as_posix(), EARLIEST_DATE)
            entry.external_attr = (software.ROOT / name).stat().st_mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, (software.ROOT / name).read_bytes())
    return hashlib.sha256(path.read_bytes()).hexdigest()


def carried() -> CarriedSoftware:
    """Node software from the seed's own volume."""
    return CarriedSoftware(label=SEED_LABEL, file=SOFTWARE_FILE, digest=software.digest())


def downloaded(url: str, sha256: str) -> DownloadedSoftware:
    """Node software from the operator's URL."""
    return DownloadedSoftware(url=url, sha256=sha256, digest=software.digest())


def write(folder: Path, seed: Seed) -> None:
    """Write the three files, except those with the right content."""
    for name, text in seed.files.items():
        ensure_file(folder / name, text)


def write_volume(folder: Path, archive: Path) -> Path:
    """Write the seed in `folder` and the software as one volume beside them. Raises process.Failed."""
    image = folder / VOLUME
    with TemporaryDirectory() as held:
        for path in (folder / "user-data", folder / "meta-data", folder / "network-config"):
            shutil.copy(path, held)
        shutil.copy(archive, Path(held) / SOFTWARE_FILE)
        volume.write(Path(held), image, SEED_LABEL)
    return image
