"""The table of nodes that `swarmer status` prints."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from swarmer.cli.tables import status_table
from swarmer.core.health import NodeStatus, RegistryStatus, Status


def shown(availability: str) -> str:
    node = NodeStatus(
        name="workers-i-1",
        instance_id="i-1",
        group="workers",
        roles=("swarm-worker",),
        address="10.0.0.4",
        zone="a",
        consul="alive",
        swarm="ready",
        swarm_role="worker",
        availability=availability,
    )
    registry = RegistryStatus(holder="", address="", healthy=True)
    status = Status(cluster="lab", validated=True, problems=(), nodes=(node,), registry=registry)
    console = Console(file=io.StringIO(), width=120)
    with console.capture() as capture:
        console.print(status_table(status))
    return " ".join(capture.get().splitlines()[-1].split())


@pytest.mark.parametrize(
    ("availability", "said"),
    [
        ("active", "ready worker"),
        ("drain", "ready worker drain"),
        ("pause", "ready worker pause"),
        ("", "ready worker"),
    ],
)
def test_only_an_unusual_availability_is_shown(availability: str, said: str) -> None:
    assert shown(availability) == f"workers-i-1 swarm-worker 10.0.0.4 a alive {said}"
