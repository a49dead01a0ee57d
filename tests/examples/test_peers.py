"""Peers that find each other, and a door that follows them."""

from __future__ import annotations

import re

import pytest

from tests.examples.page import Page

pytestmark = pytest.mark.cluster


def peers_up(printed: str) -> int:
    return sum(1 for line in printed.splitlines() if ",UP" in line)


def members(printed: str) -> set[str]:
    """Names of the peers that `member list` shows as started."""
    return set(re.findall(r"^[0-9a-f]+, started, (\S+),", printed, re.MULTILINE))


def test_peers_find_each_other_and_the_door_follows_them(page: Page) -> None:
    page.type("Build and push")
    page.type("Deploy", 1)
    page.type_until("Deploy", 2, lambda printed: printed.count("1 1 ") == 6, within_s=120)
    page.type_until("Use it", 3, lambda printed: peers_up(printed) == 3)
    assert page.type("Use it", 1).split() == ["OK", "greeting", "hello"]
    before = members(page.type("Use it", 2))
    assert len(before) == 3

    page.type("A peer dies", 1)
    page.type_until("A peer dies", 2, lambda printed: peers_up(printed) == 2)
    both = ["OK", "greeting", "hello, both of you"]
    assert page.type("A peer dies", 3).splitlines() == both
    page.type("A peer dies", 4)
    page.type_until("A peer dies", 2, lambda printed: peers_up(printed) == 3, within_s=120)
    assert page.type("A peer dies", 5).splitlines() == both[1:]

    page.type("A peer's machine is gone for good", 1)

    def has_another(printed: str) -> bool:
        now = members(printed)
        return len(now) == 3 and len(now - before) == 1

    page.type_until("A peer's machine is gone for good", 2, has_another, within_s=420)
    assert page.type("A peer's machine is gone for good", 3).splitlines() == both[1:]
    page.type("Remove")
