"""docs/reference/consul.md: what changed between the releases of Consul, and which test covers it."""

from __future__ import annotations

import re
from functools import cache

import pytest

from swarmer.core import configuration, consul_release
from swarmer.local import consul_binary
from tests.core.test_configuration import CORE
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/reference/consul.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if re.match(r"\| \d+\.\d+\.\d+ \|", line)
]


@cache
def names_of_tests() -> frozenset[str]:
    """Names of all tests of the project."""
    files = (ROOT / "tests").rglob("test_*.py")
    return frozenset(
        name for path in files for name in re.findall(r"^def (test_\w+)\(", path.read_text(), re.M)
    )


def test_the_table_is_found() -> None:
    assert len(ROWS) > 20
    assert all(len(row) == 4 for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1][:40])
def test_each_change_names_a_test_that_exists_or_says_that_there_is_none(row: list[str]) -> None:
    since, _, _, covered = row
    named = re.findall(r"`(test_\w+)`", covered)
    assert named or covered == "unrehearsed"
    assert set(named) <= names_of_tests()
    assert not named or covered.endswith(("(unit)", "with CONSUL=release"))
    assert tuple(map(int, since.split("."))) > consul_binary.DEBIAN.version


def test_changes_stand_in_the_order_of_the_releases() -> None:
    releases = [tuple(map(int, row[0].split("."))) for row in ROWS]
    assert releases == sorted(releases)


@pytest.mark.parametrize("version", [consul_binary.DEBIAN.version, consul_release.VERSION])
def test_every_key_that_a_node_writes_is_on_the_page(version: tuple[int, ...]) -> None:
    written = configuration.consul(CORE, version)
    missing = [key for key in written if not re.search(rf"`{key}[.`]", PAGE)]
    assert set(missing) <= {"connect", "peering", "ports", "http_config"}, "named by what they do"


def test_the_page_names_the_pinned_release() -> None:
    assert f"Nodes run {consul_release.number()}, " in PAGE
