"""Content of the node image: Debian's fixes, and the Consul that was asked for."""

from __future__ import annotations

import subprocess

import pytest

from node import configure
from swarmer.adapters import process
from swarmer.local import consul_binary, debian, engine, environment, host, node_image

FIXED = {"runc": "1.1.15+ds1-2+deb13u1"}
"""Version of the fixes of CVE-2025-31133 and CVE-2025-52565, which only the security archive has."""


@pytest.fixture(scope="module")
def image() -> str:
    host.ensure_engine()
    host.ensure_packages(("mmdebstrap", "mmdebstrap"))
    environment.CACHE.mkdir(parents=True, exist_ok=True)
    return node_image.ensure_image(environment.CACHE, lambda _: None)


def inside(image: str, *argv: str) -> str:
    """Output of a program of the image, in a container that is removed."""
    return engine.docker("run", "--rm", "--network", "none", "--entrypoint", argv[0], image, *argv[1:])


def test_the_image_has_the_fixes_of_the_security_archive(image: str) -> None:
    assert debian.security_source(node_image.SUITE), f"this machine {debian.NO_SECURITY}"
    for package, version in FIXED.items():
        found = inside(image, "dpkg-query", "-W", "-f", "${Version}", package)
        assert subprocess.run(["dpkg", "--compare-versions", found, "ge", version]).returncode == 0, found


def test_the_image_has_the_consul_that_was_asked_for(image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = inside(image, "/usr/local/bin/consul", "version")
    monkeypatch.setattr(process, "run", lambda argv: said)
    assert configure.consul_version() == consul_binary.chosen().version
