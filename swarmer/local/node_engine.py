"""Docker Engine of the node image: the suite's own, or a newer release by an operator's choice.

A newer engine is for tests of later releases. Nodes on AWS run the suite's own.
"""

from __future__ import annotations

import os
from typing import Final

from swarmer.core.errors import UserError
from swarmer.local.debian_pool import PinnedPackage

VARIABLE: Final = "ENGINE"
"""Variable with the release of the node image's engine."""
OWN: Final = "26"
"""Release of docker.io in the node image's suite."""
_SEEN: Final = "20261130T000000Z"
_DOCKER: Final = "pool/main/d/docker.io"
NEWER: Final = {
    "28": (
        PinnedPackage(
            path=f"{_DOCKER}/docker.io_28.5.2+dfsg4-5_amd64.deb",
            sha256="69a59cc77a1fb8ee9ad6859abc2e6de5d76b70887405595c2b1307818fecf682",
            moment=_SEEN,
        ),
        PinnedPackage(
            path=f"{_DOCKER}/docker-cli_28.5.2+dfsg4-5_amd64.deb",
            sha256="8ea2428acdda666f41263f5a0d3a85681a696491361574eb7bd721a1194939b9",
            moment=_SEEN,
        ),
        PinnedPackage(
            path="pool/main/c/containerd/containerd_2.1.9+ds1-5_amd64.deb",
            sha256="2dda86ce7033fd612fc50e136679d8174ccad680eb29cd4611e0d2a1b84cf591",
            moment=_SEEN,
        ),
        PinnedPackage(
            path="pool/main/r/runc/runc_1.3.6+ds1-1_amd64.deb",
            sha256="8e95d7bdfd22242ae4d48d58e3c277ba2b69dffc4ed8e573b837e6e93925d911",
            moment=_SEEN,
        ),
        PinnedPackage(
            path="pool/main/t/tini/tini-static_0.19.0-6+b2_amd64.deb",
            sha256="89628212b143d90a965b15d5dc47bc593da3b45cf98eda7a81b10c7b953fb07f",
            moment=_SEEN,
        ),
    ),
}
"""Packages of each newer release, from Debian's unstable suite. They need no other package of that suite."""


def release() -> str:
    """Release of the node image's engine: `26`. Raises UserError for an unknown release."""
    wanted = os.environ.get(VARIABLE) or OWN
    if wanted != OWN and wanted not in NEWER:
        known = f"{OWN} (the suite's own), {', '.join(sorted(NEWER))}"
        raise UserError(f"{VARIABLE}={wanted}: the node image has no such Docker Engine; known are {known}")
    return wanted


def packages() -> tuple[PinnedPackage, ...]:
    """Packages that replace the suite's; empty for its own release. Raises UserError."""
    return NEWER.get(release(), ())
