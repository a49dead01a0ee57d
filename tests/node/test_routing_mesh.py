"""When a node refreshes what Swarm publishes."""

from __future__ import annotations

import time
from typing import cast

import pytest

from node.routing_mesh import POLL_INTERVAL_S, RoutingMesh
from swarmer.adapters.catalogue import Catalogue, Watch
from swarmer.adapters.engine import Engine
from swarmer.core.state import EngineInfo, SwarmStatus
from tests.core.inspected import options


class Informing:
    """An engine that says in which state its part of a Swarm is."""

    def __init__(self, state: str) -> None:
        self.state = state

    def info(self) -> EngineInfo:
        swarm = SwarmStatus(self.state, is_manager=False, error="", id="", node="N")
        return EngineInfo(id="E", data_folder="/var/lib/docker", swarm=swarm, claims_control=False)


@pytest.mark.parametrize(("state", "is_soon"), [("pending", True), ("inactive", False)])
def test_a_node_that_is_on_its_way_into_the_swarm_refreshes_soon(state: str, is_soon: bool) -> None:
    """This is for a reboot of all nodes. Otherwise the addresses would return up to 2 min later, with the
    next comparison."""
    mesh = RoutingMesh(cast(Engine, Informing(state)), cast(Catalogue, None), options(), lambda _: None)
    mesh.refresh()
    assert (mesh.due_s <= time.monotonic() + POLL_INTERVAL_S) is is_soon


class Answering:
    """A watch of the key, which has this value now."""

    def __init__(self, value: str) -> None:
        self.value = value

    def answer(self) -> str:
        return self.value

    def ask(self) -> None:
        """Wait for the next change."""


@pytest.mark.parametrize(("value", "is_due"), [("", True), ('{"services": []}', False)])
def test_a_key_that_an_operator_deleted_is_written_again_at_once(value: str, is_due: bool) -> None:
    mesh = RoutingMesh(cast(Engine, None), cast(Catalogue, None), options(), lambda _: None)
    mesh._watch = cast(Watch, Answering(value))
    mesh.on_key_changed()
    assert (mesh.due_s <= time.monotonic()) is is_due
