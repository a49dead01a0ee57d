"""Consul's program for nodes of this machine: which one, from where, and what is told if there is none."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from swarmer.adapters import process
from swarmer.cli import rehearsal
from swarmer.core import consul_release
from swarmer.core.errors import UserError
from swarmer.local import consul_binary, debian_pool, node_image
from swarmer.local.consul_binary import DEB
from swarmer.providers.rehearsal.up import Up
from tests.node.file_server import serving
from tests.node.test_consul_release import PATH, STAND_IN, archive

WRONG = b"a package of somebody else"


@pytest.fixture
def package(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Package with a stand-in for Consul, made by Debian's own tool."""
    folder = tmp_path_factory.mktemp("package")
    control = (
        "Package: consul\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.com>\nDescription: -\n"
    )
    for name, content in (("DEBIAN/control", control.encode()), ("usr/bin/consul", STAND_IN)):
        (folder / "tree" / name).parent.mkdir(parents=True)
        (folder / "tree" / name).write_bytes(content)
    (folder / "tree/usr/bin/consul").chmod(0o755)
    subprocess.run(["dpkg-deb", "-b", folder / "tree", folder / "made.deb"], check=True, capture_output=True)
    return (folder / "made.deb").read_bytes()


def pin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> str:
    """Pin Debian's package to this content; its digest."""
    digest = hashlib.sha256(content).hexdigest()
    pinned = replace(consul_binary.DEBIAN, sha256=digest)
    monkeypatch.setattr(consul_binary, "DEBIAN", pinned)
    monkeypatch.setattr(consul_binary, "BUILDS", {"debian": pinned, "release": consul_binary.RELEASE})
    return digest


@pytest.fixture(autouse=True)
def unchosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(consul_binary.VARIABLE, raising=False)


@pytest.fixture
def said() -> list[str]:
    return []


def test_a_source_that_has_no_package_gives_way_to_the_next(
    package: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    pin(monkeypatch, package)
    with serving({f"/old/{DEB}": package}) as (address, asked):
        monkeypatch.setattr(consul_binary, "ARCHIVES", (f"{address}/old", f"{address}/older"))
        program = consul_binary.ensure(tmp_path, said.append, f"{address}/mirror/")
    assert [path.split("/")[1] for path in asked] == ["mirror", "old"], "and the third is not asked"
    assert subprocess.check_output([program]) == b"Consul v9.9.9\n"
    assert said == ["fetches Consul 1.8.7"]


def test_a_source_with_another_package_gives_way_to_the_next(
    package: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    pin(monkeypatch, package)
    files = {f"/mirror/{DEB}": WRONG, f"/old/{DEB}": package}
    with serving(files) as (address, asked):
        monkeypatch.setattr(consul_binary, "ARCHIVES", (f"{address}/old",))
        program = consul_binary.ensure(tmp_path, said.append, f"{address}/mirror")
    assert len(asked) == 2
    assert program.read_bytes() == STAND_IN


def test_if_no_source_has_the_package_one_line_has_the_reason_of_each(tmp_path: Path) -> None:
    with serving({"/b": WRONG}) as (address, _), pytest.raises(process.Failed) as caught:
        debian_pool.fetch_first((f"{address}/a", f"{address}/b"), "0" * 64, tmp_path)
    told = str(caught.value)
    assert "\n" not in told
    assert f"(1) Failed to fetch {address}/a" in told and "404" in told
    assert f"(2) {address}/b: its SHA-256 is {hashlib.sha256(WRONG).hexdigest()}" in told


def test_what_is_there_is_not_fetched_again(
    package: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    digest = pin(monkeypatch, package)
    (tmp_path / f"consul-{digest[:12]}").write_bytes(b"")
    consul_binary.ensure(tmp_path, said.append, "http://127.0.0.1:9")
    assert said == []


def test_the_release_of_aws_is_rehearsed_by_one_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    content = archive()
    digest = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(consul_release, "SHA256", {"amd64": digest, "arm64": digest})
    monkeypatch.setenv(consul_binary.VARIABLE, "release")
    with serving({PATH: content}) as (address, _):
        monkeypatch.setenv(consul_release.RELEASES_VARIABLE, address)
        program = consul_binary.ensure(tmp_path, said.append, "http://127.0.0.1:9")
    assert subprocess.check_output([program]) == b"Consul v9.9.9\n"
    assert said == [f"fetches Consul {consul_release.number()}"]


@pytest.mark.parametrize("is_there", [True, False], ids=["another digest", "not found"])
def test_a_release_that_is_not_to_be_had_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str], is_there: bool
) -> None:
    monkeypatch.setenv(consul_binary.VARIABLE, "release")
    with serving({PATH: archive()} if is_there else {}) as (address, _):
        monkeypatch.setenv(consul_release.RELEASES_VARIABLE, address)
        with pytest.raises(UserError) as caught:
            consul_binary.ensure(tmp_path, said.append, "http://127.0.0.1:9")
    assert str(caught.value).startswith("CONSUL=release: ") and "\n" not in str(caught.value)
    assert ("SHA-256" if is_there else "cannot be fetched") in str(caught.value)
    assert caught.value.status == 1
    assert [path.name for path in tmp_path.iterdir()] == ["consul.lock"]


def test_each_consul_has_a_node_image_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    by_default = node_image.tag()
    monkeypatch.setenv(consul_binary.VARIABLE, "debian")
    assert node_image.tag() == by_default
    monkeypatch.setenv(consul_binary.VARIABLE, "release")
    assert node_image.tag() != by_default


def test_a_consul_that_there_is_none_of_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(consul_binary.VARIABLE, "1.99")
    with pytest.raises(UserError, match=r"CONSUL=1\.99: there is no such Consul; take debian or release"):
        node_image.tag()


@pytest.fixture
def upped(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Consul that is chosen when `swarmer up` begins its work."""
    found: list[str] = []

    def run(_: object) -> None:
        found.append(consul_binary.chosen().name)
        raise UserError("that is enough")

    monkeypatch.setattr(Up, "run", run)
    monkeypatch.setenv(consul_binary.VARIABLE, "debian")  # restored after the test, which changes it
    yield found


def test_up_takes_the_option_and_the_variable(small: Path, upped: list[str]) -> None:
    """`swarmer up --consul release`; without the option, the variable."""
    for argv in ([], ["--consul", "release"]):
        CliRunner().invoke(rehearsal.up, ["-f", str(small), *argv])
    assert upped == ["debian", "release"]


def test_up_refuses_a_consul_that_there_is_none_of(small: Path, upped: list[str]) -> None:
    done = CliRunner().invoke(rehearsal.up, ["-f", str(small), "--consul", "1.99"])
    assert done.exit_code == 2 and upped == []
    assert "'1.99' is not one of 'debian', 'release'" in done.output


def test_a_download_that_fails_is_told_before_the_minutes_of_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setenv(consul_binary.VARIABLE, "release")
    monkeypatch.setenv(consul_release.RELEASES_VARIABLE, "http://127.0.0.1:9")
    monkeypatch.setattr(node_image, "exists", lambda _: False)
    with pytest.raises(UserError, match="cannot be fetched"):
        node_image.ensure_image(tmp_path, said.append)
    assert said == [f"fetches Consul {consul_release.number()}"]
