"""A web service of many tasks, found through Consul."""

from __future__ import annotations

import pytest

from tests.examples.page import Page

pytestmark = pytest.mark.cluster


def test_tasks_are_found_by_name_wherever_they_run(page: Page) -> None:
    page.type("Build and push")
    page.type("Deploy", 1)
    page.wait_for_tasks("docker stack services web", "2/2")

    def shows_both(printed: str) -> bool:
        srv = [line for line in printed.splitlines() if line.startswith("1 1 ")]
        return len(srv) == 2 and len(printed.splitlines()) in (3, 4)

    page.type_until("Deploy", 2, shows_both)
    answered = sorted(page.type("Deploy", 3).splitlines())
    assert [line.partition(" on ")[0] for line in answered] == ["task 1", "task 2"]


def test_a_name_follows_its_tasks_up_and_down(page: Page) -> None:
    page.type("Scale", 1)
    page.wait_for_tasks("docker stack services web", "6/6")
    page.type_until("Scale", 2, lambda printed: printed.startswith("6\n1 1 "))
    page.type("Scale", 3)
    page.type_until("Scale", 2, lambda printed: printed == "1")
    page.type("Remove")
    page.type_until("Scale", 2, lambda printed: printed == "0")
