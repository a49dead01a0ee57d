"""Lines of containers on every node, in one place and without a gap."""

from __future__ import annotations

import re

import pytest

from tests.examples.page import Page

pytestmark = pytest.mark.cluster


def lines(printed: str) -> dict[str, set[int]]:
    """Node to the numbers of its talker's lines."""
    found: dict[str, set[int]] = {}
    for node, number in re.findall(r"^\S+ (\S+) logs_talker\.\S+: ?line (\d+)$", printed, re.MULTILINE):
        found.setdefault(node, set()).add(int(number))
    return found


def test_lines_of_all_nodes_arrive_without_a_gap_though_the_store_was_away(page: Page) -> None:
    page.type("Build and push")
    page.type("Deploy", 1)
    nodes = set(page.wait("docker node ls --format '{{.Hostname}}'", bool).splitlines())
    page.type_until("Deploy", 2, lambda printed: set(lines(printed)) == nodes, within_s=120)
    page.wait("docker service logs logs_talker", lambda printed: "| line " in printed)

    page.type("The store is away", 1)
    gone = "dig @$manager logs.service.swarmer +short"
    page.wait(gone, lambda printed: printed == "")
    before = {node: max(numbers) for node, numbers in lines(page.type("The store is away", 3)).items()}
    page.type("The store is away", 2)
    page.wait(gone, lambda printed: printed != "")

    def is_ahead(printed: str) -> bool:
        return all(max(numbers) > before[node] + 5 for node, numbers in lines(printed).items())

    for numbers in lines(page.type_until("The store is away", 3, is_ahead, within_s=120)).values():
        assert numbers == set(range(min(numbers), max(numbers) + 1))
    page.type("Remove")
