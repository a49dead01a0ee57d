"""Sources of Debian's packages: the mirrors of this machine, for another suite.

The operator's mirror is near, and may be the only reachable one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarmer.adapters import process

APT: Final = Path("/etc/apt")
"""Folder of apt's configuration."""
NO_SECURITY: Final = (
    "finds no security archive below /etc/apt: packages may lack fixes (a line with trixie-security)"
)
"""Note for a machine without a security archive of Debian in apt's sources."""


@dataclass(frozen=True)
class Source:
    """Suite of a mirror."""

    mirror: str
    suite: str
    keyring: str = ""
    """Path of the key ring; empty if apt's own keys are enough."""

    def line(self, suite: str) -> str:
        """Line of sources.list for another suite of the same mirror."""
        signed = f"[signed-by={self.keyring}] " if self.keyring else ""
        return f"deb {signed}{self.mirror} {suite} main\n"

    @property
    def is_security(self) -> bool:
        return self.suite.endswith("-security") or "/updates" in self.suite


def sources(suite: str, apt: Path = APT) -> str:
    """Lines for a suite, and for its fixes if the machine has a security archive. Raises process.Failed."""
    return host_source(suite, apt) + security_source(suite, apt)


def host_source(suite: str, apt: Path = APT) -> str:
    """Line for a suite of this machine's mirror. Raises process.Failed."""
    return _own(apt).line(suite)


def mirror(apt: Path = APT) -> str:
    """Address of this machine's mirror. Raises process.Failed."""
    return _own(apt).mirror


def security_source(suite: str, apt: Path = APT) -> str:
    """Line for the fixes of a suite, from this machine's security archive; empty if it has none."""
    found = (each for each in _found(apt) if each.is_security)
    return next((each.line(f"{suite}-security") for each in found), "")


def _own(apt: Path) -> Source:
    for each in _found(apt):
        if not each.is_security:
            return each
    raise process.Failed("no Debian mirror is named below /etc/apt: add one, e.g. with `apt edit-sources`")


def _found(apt: Path) -> Iterator[Source]:
    for path in sorted(apt.glob("sources.list.d/*.sources")):
        for stanza in path.read_text().split("\n\n"):
            yield from _of_stanza(stanza)
    if (apt / "sources.list").exists():
        yield from _of_lines((apt / "sources.list").read_text())


def _of_stanza(stanza: str) -> Iterator[Source]:
    lines = [line for line in stanza.splitlines() if ":" in line and not line.startswith("#")]
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    keyring = fields.get("Signed-By", "")
    if "Debian" not in stanza and "debian" not in keyring:
        return  # packages of another vendor
    for suite in fields.get("Suites", "").split():
        yield Source(fields["URIs"].split()[0], suite, keyring)


def _of_lines(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        words = [word for word in line.split("#")[0].split() if not word.startswith(("[", "signed-by"))]
        if words[:1] == ["deb"] and len(words) > 2 and not words[1].startswith("cdrom:"):
            yield Source(words[1], words[2])
