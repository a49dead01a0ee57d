"""The package mirror of the stock machine's first boot, asked by the real apt."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos import mirror
from chaos.mirror import Mirror


class Apt:
    """apt-get with all of its files in a folder."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        for name in ("lists/partial", "archives/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "sources.list").write_text(f"deb [trusted=yes] {url} ./\n")

    def get(self, *words: str) -> subprocess.CompletedProcess[str]:
        options = [
            f"Dir::Etc::SourceList={self.folder}/sources.list",
            f"Dir::Etc::SourceParts={self.folder}/none",
            f"Dir::State::Lists={self.folder}/lists",
            f"Dir::Cache={self.folder}",
            "APT::Update::Error-Mode=any",
            "APT::Sandbox::User=",
        ]
        flags = [word for option in options for word in ("-o", option)]
        command = ["apt-get", "-q", *flags, *words]
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Mirror]:
    mirror.build(tmp_path, "http://10.42.0.1:4566")
    found = Mirror(tmp_path / "served", "127.0.0.1", fails_s=3600)
    yield found
    found.stop()


def test_apt_fails_while_the_mirror_fails_and_installs_the_package_afterwards(
    served: Mirror, tmp_path: Path
) -> None:
    apt = Apt(tmp_path / "apt", served.start())
    assert apt.get("update").returncode != 0
    assert served.refused and not served.answered
    served.fails_s = 0
    updated = apt.get("update")
    assert updated.returncode == 0, updated.stderr
    fetched = apt.get("download", "awscli")
    assert fetched.returncode == 0, fetched.stderr
    (package,) = (tmp_path / "apt").glob("awscli*.deb")
    subprocess.run(["dpkg-deb", "-x", package, tmp_path / "root"], check=True)
    program = (tmp_path / "root/usr/bin/aws").read_text()
    assert "http://10.42.0.1:4566" in program
    compile(program, "aws", "exec")
