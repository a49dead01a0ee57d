"""Sources of Debian's packages, taken from what this machine's apt knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmer.adapters import process
from swarmer.local import debian

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
OWN = f"Types: deb\nURIs: http://m/debian\nSuites: bookworm bookworm-updates\nSigned-By: {KEYRING}\n"
SECURITY = f"Types: deb\nURIs: http://s/debian-security\nSuites: bookworm-security\nSigned-By: {KEYRING}\n"
OTHERS = "Types: deb\nURIs: https://example.com/linux/debian\nSuites: bookworm\nSigned-By: /etc/apt/k.asc\n"


def apt(folder: Path, **files: str) -> Path:
    """A folder as /etc/apt. `files`: contents by name; `sources_list` is sources.list."""
    (folder / "sources.list.d").mkdir()
    for name, text in files.items():
        path = "sources.list" if name == "sources_list" else f"sources.list.d/{name}.sources"
        (folder / path).write_text(text)
    return folder


def test_fixes_come_from_the_machines_own_security_archive(tmp_path: Path) -> None:
    told = debian.sources("trixie", apt(tmp_path, debian=f"{OWN}\n{SECURITY}"))
    assert told.splitlines() == [
        f"deb [signed-by={KEYRING}] http://m/debian trixie main",
        f"deb [signed-by={KEYRING}] http://s/debian-security trixie-security main",
    ]


def test_the_order_of_the_sources_does_not_matter(tmp_path: Path) -> None:
    folder = apt(tmp_path, a=OTHERS, b=f"{SECURITY}\n{OWN}")
    assert debian.mirror(folder) == "http://m/debian"
    assert "http://s/debian-security trixie-security" in debian.sources("trixie", folder)


def test_lines_of_the_older_format_are_read_too(tmp_path: Path) -> None:
    lines = "deb cdrom:[Debian]/ bookworm main\ndeb http://m/debian bookworm main\n"
    folder = apt(
        tmp_path, sources_list=f"{lines}deb http://s/debian-security bookworm-security main  # fixes\n"
    )
    assert debian.sources("trixie", folder).splitlines() == [
        "deb http://m/debian trixie main",
        "deb http://s/debian-security trixie-security main",
    ]


def test_a_machine_without_a_security_archive_does_without_fixes(tmp_path: Path) -> None:
    folder = apt(tmp_path, debian=OWN)
    assert debian.security_source("trixie", folder) == ""
    assert debian.sources("trixie", folder) == debian.host_source("trixie", folder)


@pytest.mark.parametrize("others", [{}, {"docker": OTHERS}], ids=["nothing", "somebody else's"])
def test_a_machine_that_knows_no_mirror_of_debian_is_told(tmp_path: Path, others: dict[str, str]) -> None:
    folder = apt(tmp_path, **others)
    assert debian.security_source("trixie", folder) == ""
    with pytest.raises(process.Failed, match="no Debian mirror is named below /etc/apt"):
        debian.host_source("trixie", folder)
