"""ISO 9660 image of a folder, made with a tool of this machine."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from swarmer.adapters import process

TOOLS: Final = {
    "genisoimage": ("-quiet", "-J", "-r", "-V"),
    "mkisofs": ("-quiet", "-J", "-r", "-V"),
    "xorriso": ("-as", "mkisofs", "-quiet", "-J", "-r", "-V"),
    # macOS includes it.
    "hdiutil": ("makehybrid", "-quiet", "-ov", "-iso", "-joliet", "-default-volume-name"),
}
"""Words of each tool's command before the volume's label."""
PACKAGE: Final = "genisoimage"
"""Debian package to install if every tool is missing."""


def tool() -> str | None:
    """Name of the first installed tool."""
    return next((name for name in TOOLS if shutil.which(name)), None)


def write(folder: Path, image: Path, label: str) -> None:
    """Write the image of a folder. Raises process.Failed."""
    found = tool()
    if found is None:
        raise process.Failed(f"no tool makes ISO images here: install one of {', '.join(TOOLS)}")
    process.run([found, *TOOLS[found], label, "-o", str(image), str(folder)])
