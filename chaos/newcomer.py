"""Container that starts in the middle of a fault. Its name must appear in Consul, and disappear with it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Final

from chaos.lab import Failure, Lab, Node

NAME: Final = "faults-newcomer"
START: Final = f"""docker rm -f {NAME} >/dev/null 2>&1
docker run -d --name {NAME} -p 8080 -e SERVICE_NAME={NAME} swarmer/probe sleep 3600"""
"""Command that starts the newcomer; every node of a validated cluster has the image."""
END: Final = f"docker rm -f {NAME} >/dev/null 2>&1 || true"
START_S: Final = 30.0


@dataclass
class Newcomer:
    """Newcomers, one on each of the victims."""

    nodes: list[Node] = field(default_factory=list)
    """Nodes with a newcomer."""
    were_started: bool = False
    were_named: bool = False
    """Whether all newcomers had their names, and were ended."""

    def start(self, nodes: list[Node]) -> None:
        """Start one on each node. Raises Failure."""
        self.nodes, self.were_started, self.were_named = list(nodes), False, False
        for node in nodes:
            node.on("sh", "-c", START, timeout_s=START_S)
        self.were_started = True

    def came_and_went(self, nodes: list[Node]) -> bool:
        """Whether each was in the catalogue, and disappeared after its end. Missing newcomers are started."""
        with contextlib.suppress(Failure):
            if not self.were_started:
                self.start(nodes)
            if not self.were_named:
                if not all(is_named(node) for node in nodes):
                    return False
                self._end()
                self.were_named = True
            return not any(is_named(node) for node in nodes)
        return False

    def clean_up(self, _: Lab) -> None:
        """Remove the newcomers. Raises Failure."""
        self._end()
        self.nodes, self.were_started, self.were_named = [], False, False

    def _end(self) -> None:
        for node in self.nodes:
            node.on("sh", "-c", END, timeout_s=START_S)


def is_named(node: Node) -> bool:
    """Whether the catalogue has the newcomer of this node. Raises Failure."""
    return any(entry["Node"] == node.name for entry in node.consul(f"catalog/service/{NAME}"))
