"""`swarmer cloud-init`: one machine's seed as files, and one clear line where it cannot be."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
import yaml

from swarmer.core import software
from tests.rehearsal.conftest import swarmer
from tests.rehearsal.test_command import lines


def written(folder: Path, *argv: str) -> Path:
    done = swarmer("cloud-init", *argv, "-o", str(folder / "seed"))
    assert done.returncode == 0, done.stderr
    return folder / "seed"


def test_a_machine_that_alone_is_its_cluster_needs_no_more_than_its_name(small: Path, tmp_path: Path) -> None:
    seed = written(tmp_path, "all", "1", "-f", str(small))
    assert (seed / "user-data").read_text().startswith("#cloud-config\n")
    assert json.loads((seed / "meta-data").read_text())["local-ipv4"] == "10.44.0.10"
    assert yaml.safe_load((seed / "network-config").read_text()) is None


def test_the_archive_holds_the_node_software_and_is_the_same_each_time(small: Path, tmp_path: Path) -> None:
    first, second = (
        written(tmp_path / name, "all", "1", "-f", str(small), "--software", "https://example.com/s.zip")
        for name in ("a", "b")
    )
    archive = (first / "software.zip").read_bytes()
    assert archive == (second / "software.zip").read_bytes()
    assert hashlib.sha256(archive).hexdigest() in (first / "user-data").read_text()
    zipfile.ZipFile(first / "software.zip").extractall(tmp_path / "tree")
    assert software.digest_of(software.files(), software.ROOT) in (first / "user-data").read_text()
    assert {path.as_posix() for path in software.files()} == {
        path.relative_to(tmp_path / "tree").as_posix()
        for path in (tmp_path / "tree").rglob("*")
        if path.is_file()
    }


def test_the_volume_carries_all_of_it_under_the_label_that_cloud_init_looks_for(
    small: Path, tmp_path: Path
) -> None:
    image = (written(tmp_path, "all", "1", "-f", str(small), "--volume") / "seed.iso").read_bytes()
    assert image[32769:32774] == b"CD001"
    assert image[32808:32840].strip().lower() == b"cidata"
    assert b"#cloud-config" in image


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("nobody", "1"), "no group is called 'nobody'; the groups of swarmer: core, workers"),
        (("core", "4"), "core has 3 nodes at most, not 4: take 1 to 3"),
        (("core", "0"), "x>=1"),
        (("core", "1"), "--share is missing: 3 nodes of swarmer share its images"),
        (("core", "1", "--share", "/srv"), "'/srv' is no share; write HOST:/PATH"),
        (("core", "1", "--share", "a:/b c"), "'a:/b c' is no share"),
        (("core", "1", "--address", "10.42.0"), "--address: '10.42.0' is no IPv4 address"),
        (("core", "1", "--address", "10.9.0.1"), "10.9.0.1 is outside network.cidr, 10.42.0.0/16"),
        (("core", "1", "--gateway", "10.42.0.1"), "--interface is missing"),
        (("core", "1", "--gateway", "10.9.0.1", "--interface", "e0"), "10.9.0.1 is outside network.cidr"),
        (("core", "1", "--address", "10.42.255.255"), "take 10.42.0.1 to 10.42.255.254"),
        (("core", "1", "--gateway", "10.42.0.10", "--interface", "e0"), "10.42.0.10 is core-1 itself"),
        (("core", "1", "--gateway", "10.42.0.0", "--interface", "e0"), "10.42.0.0 is no host's address"),
        (("core", "1", "--server", "192.0.2.1"), "--server: 192.0.2.1 is outside network.cidr"),
        (("core", "1", "--share", "mounted", "--software", "https://"), "'https://' is no URL"),
        (("core", "1", "--server", "me"), "--server: 'me' is no IPv4 address"),
        (("core", "1", "--share", "mounted", "--software", "s.zip"), "'s.zip' is no URL"),
        (("core", "1", "--share", "mounted", "--zone", "a\nb"), "--zone: 'a\\nb' is no name"),
        (("core", "1", "--share", "mounted", "--interface", "e 0"), "--interface: 'e 0' is no name"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_said_in_one_line_and_nothing_is_written(
    argv: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = swarmer("cloud-init", *argv, "-o", str(tmp_path / "seed"))
    assert done.returncode == 2
    assert said in lines(done)[-1]
    assert not (tmp_path / "seed").exists()


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_folder_that_cannot_be_is_one_line(place: str, small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = swarmer("cloud-init", "all", "1", "-f", str(small), "-o", str(tmp_path / place))
    assert done.returncode == 1
    assert len(lines(done)) == 1
    assert f"{tmp_path / place} cannot be written: " in done.stderr
