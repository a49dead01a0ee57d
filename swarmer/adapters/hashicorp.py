"""HashiCorp's releases: the pinned Consul, checked by its digest. Failures are `Unreachable` or `Refused`."""

from __future__ import annotations

import hashlib
import http.client
import io
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from swarmer.core import consul_release

TIMEOUT_S: Final = 60.0
"""Timeout for each answer of the server, in seconds."""


class Unreachable(Exception):
    """The archive could not be fetched now."""


class Refused(Exception):
    """The archive is not the pinned one, or this processor has none. Another attempt would fail, too."""


def fetch_consul(machine: str, target: Path, environment: Mapping[str, str]) -> None:
    """Write the program of the pinned release to `target` atomically.

    `machine`: processor by the kernel's name. `environment`: RELEASES_VARIABLE may name a mirror.
    """
    processor = consul_release.PROCESSORS.get(machine)
    if processor is None:
        raise Refused(f"Consul {consul_release.number()} is pinned for {known()}, not for {machine}")
    releases = environment.get(consul_release.RELEASES_VARIABLE) or consul_release.RELEASES
    url = consul_release.url(processor, releases)
    archive = _checked(_fetched(url), url, consul_release.SHA256[processor])
    fresh = target.with_name(f".{target.name}.new")
    fresh.write_bytes(zipfile.ZipFile(io.BytesIO(archive)).read("consul"))
    fresh.chmod(0o755)
    fresh.replace(target)


def known() -> str:
    """Return the processors, by the kernel's names, for which the release is pinned."""
    return " and ".join(consul_release.PROCESSORS)


def _fetched(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            content: bytes = answer.read()
    except (OSError, http.client.HTTPException, ValueError) as exc:
        if isinstance(exc, urllib.error.HTTPError):
            exc.close()  # it holds the connection
        raise Unreachable(
            f"Consul {consul_release.number()} cannot be fetched from {url}: {exc}; "
            f"{consul_release.RELEASES_VARIABLE} may name a mirror"
        ) from exc
    return content


def _checked(content: bytes, url: str, pinned: str) -> bytes:
    found = hashlib.sha256(content).hexdigest()
    if found != pinned:
        raise Refused(
            f"the SHA-256 of {url} is {found}, "
            f"but Consul {consul_release.number()} is pinned to {pinned}: take the archive of HashiCorp"
        )
    return content
