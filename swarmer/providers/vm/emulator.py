"""QEMU in a version that can emulate a stock kernel."""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

from swarmer.adapters import process
from swarmer.core.errors import UserError
from swarmer.local import debian, host
from swarmer.local.node_image import Progress

COMMAND: Final = "qemu-system-x86_64"
PACKAGE: Final = "qemu-system-x86"
OLDEST: Final = 10
"""Oldest working major version of QEMU. With 7.2 of Debian 12 the guest's kernel crashes under emulation."""
BACKPORTED: Final = "bookworm"
"""Release of Debian with a new enough QEMU in its backports. Later releases include it."""


def ensure_tools(cache: Path, progress: Progress) -> None:
    """Ensure QEMU and the tools for the seed. Raises UserError, process.Failed."""
    host.ensure_packages(("genisoimage", "genisoimage"))
    if version() >= OLDEST:
        return
    progress(f"installs QEMU {OLDEST} or newer")
    if _release() == BACKPORTED and host.can_install():
        cache.mkdir(parents=True, exist_ok=True)
        _install_backport(cache)
    elif not version():
        host.ensure_packages((COMMAND, PACKAGE))
    if version() < OLDEST:
        raise UserError(
            f"{COMMAND} {version() or 'is missing'}: version {OLDEST} or newer is needed; on Debian 12: "
            f"sudo apt-get install -t {BACKPORTED}-backports {PACKAGE}"
        )


def version() -> int:
    """Major version of the installed QEMU; 0 if there is none."""
    if shutil.which(COMMAND) is None:
        return 0
    found = re.search(r"version (\d+)\.", process.run([COMMAND, "--version"]))
    return int(found[1]) if found else 0


def _release() -> str:
    try:
        return platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        return ""


def _install_backport(cache: Path) -> None:
    """Install from backports without making them a lasting source of this machine."""
    with tempfile.TemporaryDirectory(dir=cache) as held:
        root, own = Path(held), Path("/etc/apt/sources.list")
        for folder in ("lists/partial", "archives/partial"):
            (root / folder).mkdir(parents=True)
        # The machine's own sources stay, because they have QEMU's dependencies.
        suite = f"{BACKPORTED}-backports"
        before = own.read_text() if own.exists() else ""
        (root / "sources.list").write_text(f"{before}\n{debian.host_source(suite)}")
        options = (
            f"Dir::Etc::SourceList={root}/sources.list",
            f"Dir::State::Lists={root}/lists",
            f"Dir::Cache={root}",
            "APT::Sandbox::User=root",
            host.APT_LOCK_TIMEOUT,
        )
        apt = ["apt-get", "-qy", *(word for option in options for word in ("-o", option))]
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ("install", "--no-install-recommends", "-t", suite, PACKAGE)
        process.run([*apt, "update"], timeout_s=300, env=quiet)
        process.run([*apt, *install], timeout_s=900, env=quiet)
