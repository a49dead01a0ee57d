"""A folder as an ISO 9660 image, by whichever tool this machine has."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from swarmer.adapters import process

TOOLS: Final = {
    "genisoimage": ("-quiet", "-J", "-r", "-V"),
    "mkisofs": ("-quiet", "-J", "-r", "-V"),
    "xorriso": ("-as", "mkisofs", "-quiet", "-J", "-r", "-V"),
    # macOS brings it along.
    "hdiutil": ("makehybrid", "-quiet", "-ov", "-iso", "-joliet", "-default-volume-name"),
}
"""Each command, and its words before the volume's label."""
PACKAGE: Final = "genisoimage"
"""Debian's, where none is there."""


def tool() -> str | None:
    """The first that is installed."""
    return next((name for name in TOOLS if shutil.which(name)), None)


def write(folder: Path, image: Path, label: str) -> None:
    """Raises process.Failed."""
    found = tool()
    if found is None:
        raise process.Failed(f"no tool makes ISO images here: install one of {', '.join(TOOLS)}")
    process.run([found, *TOOLS[found], label, "-o", str(image), str(folder)])
