"""Consul's program for nodes of this machine: Debian's last package, or HashiCorp's release as on AWS.

CONSUL=debian    Debian's package, from any mirror of Debian (the default)
CONSUL=release   the pinned release of `core.consul_release`
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarmer.adapters import files, hashicorp, process
from swarmer.core import consul_release
from swarmer.core.configuration import Version
from swarmer.core.errors import UserError
from swarmer.local import debian_pool

VARIABLE: Final = "CONSUL"
"""Environment variable with the name of a build."""
DEB: Final = "pool/main/c/consul/consul_1.8.7+dfsg1-2+b3_amd64.deb"
"""Path of Debian's last package of Consul below a mirror: only bullseye has it."""
ARCHIVES: Final = (
    "http://archive.debian.org/debian",
    "http://snapshot.debian.org/archive/debian/20250101T000000Z",
)
"""Addresses of Debian to try, in this order, if the machine's own mirror lacks DEB.

The mirrors drop bullseye after the end of its support in August 2026. Then archive.debian.org has it, and
snapshot.debian.org keeps every state of the mirrors.
"""

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Build:
    """Build of Consul for nodes."""

    name: str
    """Value of VARIABLE."""
    version: Version
    sha256: str
    """SHA-256 of its package or archive."""


DEBIAN: Final = Build(
    name="debian",
    version=(1, 8, 7),
    sha256="e4e888bba104daba1d9161f49bfc52649a7e4efd45b1a7ead5bc54f2cb9c89d9",
)
RELEASE: Final = Build(
    name="release",
    version=consul_release.VERSION,
    sha256=consul_release.SHA256.get(consul_release.PROCESSORS.get(platform.machine(), ""), ""),
)
BUILDS: Final[Mapping[str, Build]] = {each.name: each for each in (DEBIAN, RELEASE)}
"""Builds by their names."""


def chosen(environment: Mapping[str, str] = os.environ) -> Build:
    """Return the build that VARIABLE names. Raises UserError."""
    name = environment.get(VARIABLE) or DEBIAN.name
    if name not in BUILDS:
        raise UserError(f"{VARIABLE}={name}: there is no such Consul; take {' or '.join(BUILDS)}")
    return BUILDS[name]


def ensure(cache: Path, progress: Progress, mirror: str) -> Path:
    """Return the program of the chosen build; fetch it unless the cache has it.

    `mirror`: address of this machine's mirror of Debian. Raises process.Failed, UserError.
    """
    build = chosen()
    with files.alone(cache / "consul.lock"):
        binary = cache / f"consul-{build.sha256[:12] or build.name}"
        if not binary.exists():
            progress(f"fetches Consul {'.'.join(map(str, build.version))}")
            if build == RELEASE:
                _fetch_release(binary)
            else:
                _fetch_package(cache, binary, dict.fromkeys((mirror.rstrip("/"), *ARCHIVES)))
    return binary


def _fetch_release(binary: Path) -> None:
    try:
        hashicorp.fetch_consul(platform.machine(), binary, os.environ)
    except (hashicorp.Unreachable, hashicorp.Refused) as exc:
        raise UserError(f"{VARIABLE}={RELEASE.name}: {exc}", status=1) from exc


def _fetch_package(cache: Path, binary: Path, mirrors: Iterable[str]) -> None:
    with tempfile.TemporaryDirectory(dir=cache) as held:
        package = debian_pool.fetch_first((f"{each}/{DEB}" for each in mirrors), DEBIAN.sha256, Path(held))
        process.run(["dpkg-deb", "-x", str(package), f"{held}/x"], timeout_s=debian_pool.FETCH_TIMEOUT_S)
        shutil.move(f"{held}/x/usr/bin/consul", binary)
