"""One image on every node."""

from __future__ import annotations

import pytest

from tests.examples.page import Page

pytestmark = pytest.mark.cluster


def test_every_node_pulls_runs_and_names_the_image(page: Page) -> None:
    assert '{"name":"everywhere","tags":["latest"]}' in page.type("Build and push")
    page.type("Deploy", 1)
    nodes = set(page.wait("docker node ls --format '{{.Hostname}}'", bool).splitlines())

    def run_everywhere(printed: str) -> bool:
        rows = [line.split() for line in printed.splitlines()]
        return {row[0] for row in rows if row[1] == "Running"} == nodes

    page.type_until("Deploy", 2, run_everywhere)

    def answers_everywhere(printed: str) -> bool:
        return {line.split()[0] for line in printed.splitlines() if " load " in line} == nodes

    assert "MemAvailable" in page.type_until("Deploy", 3, answers_everywhere)
    page.type_until("Deploy", 4, lambda printed: printed.startswith("10."))
    page.type("Remove")
