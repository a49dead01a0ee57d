"""Data that outlive their task and their node's power, and wait for their node."""

from __future__ import annotations

import pytest

from tests.examples.page import Page

pytestmark = pytest.mark.cluster

CLIENT = "docker run --rm registry.service.swarmer:5000/volume redis-cli -h store.service.swarmer -p 30379"
READ = f"{CLIENT} ping"


def test_data_outlive_their_task_and_wait_for_their_node(page: Page) -> None:
    page.type("Build and push")
    page.type("Deploy", 1)
    page.wait_for_tasks("docker stack services volume", "1/1")
    page.type_until("Deploy", 2, lambda printed: printed.startswith("10."))
    assert page.type("Deploy", 3) == "OK"

    page.type("The task is replaced", 1)
    ended = "docker service ps volume_redis --format '{{.CurrentState}}'"
    page.wait(ended, lambda printed: "Shutdown" in printed and printed.startswith("Running"), within_s=120)
    page.wait(f"{READ} || true", lambda printed: printed == "PONG")
    assert page.type("The task is replaced", 2) == "hello"

    page.type("The node loses its power", 1)
    page.type_until(
        "The node loses its power", 2, lambda printed: "no suitable node" in printed, within_s=120
    )
    page.wait("dig @$manager store.service.swarmer +short", lambda printed: printed == "")
    page.type("The node loses its power", 3)
    page.wait(f"{READ} || true", lambda printed: printed == "PONG")
    assert page.type("The node loses its power", 4) == "hello"
    page.wait(f"{CLIENT} --rdb /tmp/dump", lambda printed: "Transfer finished with success" in printed)
    page.type("Remove")
    # Once the task has ended; `$node` is still the page's.
    remove = ".venv/bin/swarmer exec $node -- docker volume rm volume_data || true"
    # The first line says where the cluster runs.
    page.wait(remove, lambda printed: printed.endswith("volume_data"))
