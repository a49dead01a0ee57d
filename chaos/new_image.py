"""Image for a cluster's later machines, in place of the cluster's own."""

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
    """Image in place of the cluster's own. The rehearsal's daemon reads its name at each launch."""

    tag: str
    path: Path | None = None
    """File with the name of the cluster's image; None before the exchange."""
    was: str = ""

    def find(self, cluster: str) -> str:
        """Tag of the cluster's own image."""
        self.path = environment.STATE / "clusters" / cluster / "ground.json"
        self.was = json.loads(self.path.read_text())["image"]
        return self.was

    def use(self) -> None:
        """Make new machines from it."""
        self._write(self.tag)

    def put_back(self) -> None:
        """Make new machines from the cluster's own image again."""
        if self.path:
            self._write(self.was)
            # The removal is forced, because the last machine of this image may still exist.
            docker("image", "rm", "-f", self.tag)
            self.path = None

    def _write(self, tag: str) -> None:
        if self.path:
            self.path.write_text(json.dumps(json.loads(self.path.read_text()) | {"image": tag}))
