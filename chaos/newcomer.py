"""A container that is started in the middle of a fault: it gets its name in Consul, and takes it along."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Final

from chaos.lab import Failure, Lab, Node

NAME: Final = "faults-newcomer"
START: Final = f"""docker rm -f {NAME} >/dev/null 2>&1
docker run -d --name {NAME} -p 8080 -e SERVICE_NAME={NAME} swarmer/probe sleep 3600"""
"""Every node of a cluster that was validated has the image."""
END: Final = f"docker rm -f {NAME} >/dev/null 2>&1 || true"
START_S: Final = 30.0


@dataclass
class Newcomer:
    """One on each of the victims."""

    nodes: list[Node] = field(default_factory=list)
    """Where it may run."""
    were_started: bool = False
    were_named: bool = False
    """All had their names, and were ended."""

    def start(self, nodes: list[Node]) -> None:
        """Raises Failure."""
        self.nodes, self.were_started, self.were_named = list(nodes), False, False
        for node in nodes:
            node.on("sh", "-c", START, timeout_s=START_S)
        self.were_started = True

    def came_and_went(self, nodes: list[Node]) -> bool:
        """Each was in the catalogue, and is no more since it ended; starts those that nobody has started."""
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
        """Raises Failure."""
        self._end()
        self.nodes, self.were_started, self.were_named = [], False, False

    def _end(self) -> None:
        for node in self.nodes:
            node.on("sh", "-c", END, timeout_s=START_S)


def is_named(node: Node) -> bool:
    """Whether the catalogue holds the newcomer of this node. Raises Failure."""
    return any(entry["Node"] == node.name for entry in node.consul(f"catalog/service/{NAME}"))
