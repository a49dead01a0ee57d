"""Results of `swarmer status` from the answers of nodes."""

from __future__ import annotations

import pytest

from swarmer.core.state import SwarmNode
from swarmer.core.swarm_roles import by_name


def row(name: str, state: str) -> SwarmNode:
    return SwarmNode(id=f"{name}-{state}", name=name, role="worker", state=state)


@pytest.mark.parametrize("states", [("ready", "down"), ("down", "ready"), ("unknown", "ready", "down")])
def test_a_node_that_the_swarm_lists_twice_is_the_one_that_is_ready(states: tuple[str, ...]) -> None:
    """A worker removes no row that a join left which failed; `swarmer up` would wait for it for ever."""
    assert by_name([row("workers-1", state) for state in states])["workers-1"].state == "ready"


def test_who_is_still_joining_has_no_name_yet() -> None:
    assert by_name([row("", "unknown"), row("core-1", "down")]).keys() == {"core-1"}
