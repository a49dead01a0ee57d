"""Image of the machines that a cluster gets from now on, instead of the cluster's own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from chaos.lab import Node, docker, swarmer
from swarmer.local import environment


def cluster_of(node: Node) -> str:
    """Name of the node's cluster. Raises Failure."""
    found: str = json.loads(swarmer(node.servers, "status", "--json").stdout)["cluster"]
    return found


@dataclass
class NewImage:
    """Image in place of the cluster's own. The daemon of the rehearsal reads it at each launch."""

    tag: str
    path: Path | None = None
    """File that names the cluster's image; None before the exchange."""
    was: str = ""

    def find(self, cluster: str) -> str:
        """Tag of the cluster's own image."""
        self.path = environment.STATE / "clusters" / cluster / "ground.json"
        self.was = json.loads(self.path.read_text())["image"]
        return self.was

    def use(self) -> None:
        """Have new machines made of it."""
        self._write(self.tag)

    def put_back(self) -> None:
        """Have new machines made of the cluster's own image again."""
        if self.path:
            self._write(self.was)
            # By force: the last machine made of it may be on its way out.
            docker("image", "rm", "-f", self.tag)
            self.path = None

    def _write(self, tag: str) -> None:
        if self.path:
            self.path.write_text(json.dumps(json.loads(self.path.read_text()) | {"image": tag}))
