"""`swarmer recover` on the survivor: who is forgotten."""

from __future__ import annotations

from typing import Any, cast

from node.recover import forget
from swarmer.adapters.consul import Consul
from swarmer.adapters.docker import Engine


class Members:
    """A Consul and an engine that note who is taken out."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.of_swarm = rows
        self.left: list[str] = []
        self.removed: list[str] = []

    def force_leave(self, name: str) -> None:
        self.left.append(name)

    def rows(self) -> list[dict[str, Any]]:
        return self.of_swarm

    def ensure_no_node(self, node_id: str) -> None:
        self.removed.append(node_id)


def test_the_lost_are_forgotten_and_a_node_that_joins_and_has_no_name_yet_is_not() -> None:
    members = Members(
        [
            {"ID": "joins", "Description": {}},
            {"ID": "lost", "Description": {"Hostname": "core-i-1"}},
            {"ID": "survivor", "Description": {"Hostname": "core-i-2"}},
        ]
    )
    forget(["core-i-1"], cast(Consul, members), cast(Engine, members))
    assert members.left == ["core-i-1"]
    assert members.removed == ["lost"]
