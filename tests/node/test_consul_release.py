"""HashiCorp's Consul on a node: fetched from a server, checked by its digest, or told in one line why not."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from node import consul_release as program
from swarmer.core import consul_release
from swarmer.core.software import ROOT
from tests.node.file_server import serving

STAND_IN = b"#!/bin/sh\necho Consul v9.9.9\n"
"""Program in the archive; it says a version as Consul does."""
NOWHERE = "http://127.0.0.1:9"
"""Address at which nobody listens."""
PATH = consul_release.url(consul_release.PROCESSORS.get(platform.machine(), "amd64"), "")


def archive() -> bytes:
    """Archive of the shape that HashiCorp's has."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as made:
        made.writestr("LICENSE.txt", "a license")
        made.writestr("consul", STAND_IN)
    return whole.getvalue()


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The stand-in, as if HashiCorp's digest were its own."""
    content = archive()
    digest = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(consul_release, "SHA256", {"amd64": digest, "arm64": digest})
    return content


def run(releases: str, target: Path) -> subprocess.CompletedProcess[str]:
    """Run the program as node/install.sh does."""
    return subprocess.run(
        [sys.executable, "-B", "-m", "node.consul_release", str(target)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], consul_release.RELEASES_VARIABLE: releases},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_pinned_release_becomes_a_program(
    pinned: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "consul"
    with serving({PATH: pinned}) as (address, asked):
        monkeypatch.setenv(consul_release.RELEASES_VARIABLE, f"{address}/")
        assert program.main(str(target)) == 0
    assert asked == [PATH]
    assert subprocess.check_output([target]) == b"Consul v9.9.9\n"
    assert [path.name for path in tmp_path.iterdir()] == ["consul"]


def test_an_archive_with_another_digest_is_refused_for_good(tmp_path: Path) -> None:
    content = archive()
    with serving({PATH: content}) as (address, _):
        done = run(address, tmp_path / "consul")
    assert done.returncode == os.EX_CONFIG
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        f"install: the SHA-256 of {address}{PATH} is {hashlib.sha256(content).hexdigest()}"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("is_there", [True, False], ids=["not found", "nobody there"])
def test_a_release_that_cannot_be_reached_may_be_tried_again(tmp_path: Path, is_there: bool) -> None:
    with serving({}) as (address, _):
        done = run(address if is_there else NOWHERE, tmp_path / "consul")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        f"install: Consul {consul_release.number()} cannot be fetched from http://127.0.0.1"
    )
    assert line.endswith("SWARMER_CONSUL_RELEASES may name a mirror")
    assert not list(tmp_path.iterdir())


def test_a_processor_without_a_pinned_archive_is_refused_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert program.main(str(tmp_path / "consul")) == os.EX_CONFIG
    told = f"install: Consul {consul_release.number()} is pinned for x86_64 and aarch64, not for riscv64\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize(("releases", "status"), [(NOWHERE, 1), ("", os.EX_CONFIG)], ids=["away", "another"])
def test_the_installation_ends_with_the_same_status(tmp_path: Path, releases: str, status: int) -> None:
    """node/install.sh is tried again after 1, and never after 78."""
    script = (ROOT / "node/install.sh").read_text()
    (function,) = re.findall(r"^install_consul\(\) \{\n.*?^\}\n", script, re.MULTILINE | re.DOTALL)
    target = tmp_path / "consul"
    with serving({PATH: archive()}) as (address, _):
        done = subprocess.run(
            [
                *("dash", "-euc"),
                f"source={ROOT}\nsay() {{ :; }}\n{function.replace('/usr/local/bin/consul', str(target))}"
                "install_consul\necho went on",
            ],
            env={"PATH": os.environ["PATH"], consul_release.RELEASES_VARIABLE: releases or address},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (status, "")
    assert len(done.stderr.splitlines()) == 1


def test_every_processor_of_a_node_has_its_digest() -> None:
    assert set(consul_release.SHA256) == set(consul_release.PROCESSORS.values())
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in consul_release.SHA256.values())
