"""A newer Docker Engine in the node image: which one, from where, and what is said if it is not to be had."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from swarmer.adapters import process
from swarmer.local import debian_pool, node_engine, node_image
from swarmer.local.debian_pool import PinnedPackage, ensure_packages
from tests.rehearsal.conftest import swarmer

CONTENT = b"a package"
PACKAGE = PinnedPackage(
    path="pool/main/t/tool/tool_1.0+b2_amd64.deb",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    moment="20260101T000000Z",
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A web server: its folder, and its URL."""
    folder = tmp_path / "site"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and writes no log."""

    def log_message(self, *_: object) -> None:
        pass


def offer(folder: Path, path: str, content: bytes = CONTENT) -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def unused_url() -> str:
    """URL at which nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as held:
        return f"http://127.0.0.1:{held.getsockname()[1]}"


# -- which one ------------------------------------------------------------------------------------


def test_without_a_wish_the_image_has_the_engine_of_its_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    tags = []
    for wish in (None, "", node_engine.OWN):
        if wish is None:
            monkeypatch.delenv(node_engine.VARIABLE, raising=False)
        else:
            monkeypatch.setenv(node_engine.VARIABLE, wish)
        assert node_engine.packages() == ()
        tags.append((node_image.base_tag(), node_image.tag()))
    assert len(set(tags)) == 1


def test_another_engine_is_another_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(node_engine.VARIABLE, raising=False)
    own = {node_image.base_tag(), node_image.tag()}
    monkeypatch.setenv(node_engine.VARIABLE, "28")
    assert not own & {node_image.base_tag(), node_image.tag()}


def test_an_engine_that_nobody_has_is_refused_in_one_line() -> None:
    done = swarmer("up", env={node_engine.VARIABLE: "27"})
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "swarmer: ENGINE=27: the node image has no such Docker Engine; known are 26 (the suite's own), 28"
    )


@pytest.mark.parametrize("release", node_engine.NEWER)
def test_each_newer_engine_comes_whole_and_of_that_release(release: str) -> None:
    names = {package.file.split("_")[0]: package for package in node_engine.NEWER[release]}
    assert set(names) == {"docker.io", "docker-cli", "containerd", "runc", "tini-static"}
    for name in ("docker.io", "docker-cli"):
        assert names[name].file.split("_")[1].startswith(f"{release}.")
    assert all(len(bytes.fromhex(package.sha256)) == 32 for package in names.values())


# -- from where -----------------------------------------------------------------------------------


def test_a_package_comes_from_the_mirror_and_only_once(site: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = site
    offer(folder, PACKAGE.path)
    (found,) = ensure_packages([PACKAGE], tmp_path / "kept", f"{url}/", snapshots=unused_url())
    assert (found.name, found.read_bytes()) == ("tool_1.0+b2_amd64.deb", CONTENT)
    assert ensure_packages([PACKAGE], tmp_path / "kept", unused_url(), snapshots=unused_url()) == [found]


def test_a_package_that_left_the_mirror_comes_from_the_archive(
    site: tuple[Path, str], tmp_path: Path
) -> None:
    folder, url = site
    offer(folder, f"archive/20260101T000000Z/{PACKAGE.path}")
    (found,) = ensure_packages([PACKAGE], tmp_path / "kept", url, snapshots=f"{url}/archive")
    assert found.read_bytes() == CONTENT


def test_a_package_with_another_digest_is_not_taken_from_anywhere(
    site: tuple[Path, str], tmp_path: Path
) -> None:
    folder, url = site
    offer(folder, PACKAGE.path, b"another package")
    offer(folder, f"archive/20260101T000000Z/{PACKAGE.path}", b"a third one")
    with pytest.raises(process.Failed) as caught:
        ensure_packages([PACKAGE], tmp_path / "kept", url, snapshots=f"{url}/archive")
    assert str(caught.value).count("not the pinned") == 2
    assert not list((tmp_path / "kept").rglob("*.deb"))


def test_a_package_that_is_nowhere_is_named_in_one_line_with_every_reason(
    site: tuple[Path, str], tmp_path: Path
) -> None:
    _, url = site
    nobody = unused_url()
    with pytest.raises(process.Failed) as caught:
        ensure_packages([PACKAGE], tmp_path / "kept", url, snapshots=nobody)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith("no source has tool_1.0+b2_amd64.deb: (1) ")
    assert "404" in text
    assert "(2) " in text
    assert "Could not connect" in text


def test_the_archive_of_snapshots_has_a_package_below_the_moment() -> None:
    mirror, archive = PACKAGE.urls("http://mirror.example/debian/")
    assert mirror == f"http://mirror.example/debian/{PACKAGE.path}"
    assert archive == f"{debian_pool.SNAPSHOTS}/20260101T000000Z/{PACKAGE.path}"
