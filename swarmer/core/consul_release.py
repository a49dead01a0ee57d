"""Release of Consul for nodes on AWS, pinned by its digests. docs/reference/consul.md has the reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

VERSION: Final = (2, 0, 4)
"""Number of the release."""
RELEASES: Final = "https://releases.hashicorp.com/consul"
"""Address of HashiCorp's folder with every release of Consul."""
RELEASES_VARIABLE: Final = "SWARMER_CONSUL_RELEASES"
"""Environment variable with the address of a mirror that replaces RELEASES."""
SHA256: Final[Mapping[str, str]] = {
    "amd64": "7a28033850a24fd411722593931625d8b548a27646c3ab70c1379ea7fd2af423",
    "arm64": "8530dd2f92c1f4acddf152a96e2629a89e6f0f19229889d20dbf8092927aa742",
}
"""SHA-256 of the release's archive for each processor. docs/reference/consul.md names their source."""
PROCESSORS: Final[Mapping[str, str]] = {"x86_64": "amd64", "aarch64": "arm64"}
"""HashiCorp's names of processors, by the kernel's."""


def number() -> str:
    """Return the number of the release as text: 2.0.4."""
    return ".".join(map(str, VERSION))


def url(processor: str, releases: str = RELEASES) -> str:
    """Return the address of the archive for a processor, by HashiCorp's name."""
    return f"{releases.rstrip('/')}/{number()}/consul_{number()}_linux_{processor}.zip"
