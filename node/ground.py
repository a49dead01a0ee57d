"""Whoever provides the machines, as the agent asks it: peers and the cluster's identity, by node.cloud."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from swarmer.adapters import process
from swarmer.core import names
from swarmer.core.node import CloudView

REDISCOVERY_S = 5.0
"""So often it is asked while Consul has no leader."""
QUERY_TIMEOUT_S = 20.0
"""Longer nobody waits who has a lock."""
IDENTITY_INTERVAL_S = 900.0
"""So often the mark is seen to: CloudFormation writes the template's value over it when anything about the
parameter changes, a tag of the stack too. To ask AWS costs half a second of a core."""


class Unanswered(Exception):
    """It did not answer, or not in the shape of a view."""


@dataclass
class Ground:
    """What it said last, and the asking."""

    view: CloudView = field(default_factory=CloudView)
    _looked_s: float = -REDISCOVERY_S
    _marked_s: float = -IDENTITY_INTERVAL_S

    def recall(self) -> None:
        """Begin with what swarmer-configure was told at this boot."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            self.view = CloudView.from_json(Path(names.CLOUD_VIEW).read_text())
            self._looked_s = time.monotonic()

    def look_around(self, *, every_s: float = REDISCOVERY_S) -> None:
        """At most so often. Raises Unanswered."""
        if time.monotonic() - self._looked_s < every_s:
            return
        self._looked_s = time.monotonic()
        self.ask(within_s=60.0)

    def ask(self, *, within_s: float = QUERY_TIMEOUT_S) -> CloudView:
        """Peers and identity as they are now. Raises Unanswered."""
        asked = [sys.executable, "-m", "node.cloud", "look"]
        try:
            self.view = CloudView.from_json(process.run(asked, timeout_s=within_s))
        except (process.Failed, ValueError, KeyError, TypeError) as exc:
            raise Unanswered(str(exc)) from exc
        return self.view

    def is_marked(self, swarm_id: str) -> bool:
        """Whether it was seen not long ago to remember this Swarm."""
        return self.view.identity == swarm_id and time.monotonic() - self._marked_s < IDENTITY_INTERVAL_S

    def mark(self, swarm_id: str, *, within_s: float) -> None:
        """Have it remember that this cluster exists. Raises Unanswered, also where it knows another Swarm."""
        ends_s = time.monotonic() + within_s
        try:
            process.run([sys.executable, "-m", "node.cloud", "mark", swarm_id], timeout_s=within_s)
        except process.Failed as exc:
            # Which one it remembers is for the next decision.
            with contextlib.suppress(Unanswered):
                self.ask(within_s=max(0.0, ends_s - time.monotonic()))
            raise Unanswered(str(exc)) from exc
        self._marked_s = time.monotonic()
        self.view = replace(self.view, identity=swarm_id)
