"""Client of the machines' provider for the agent: peers and the cluster ID, by way of node.cloud."""

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
"""Interval between two queries while Consul has no leader."""
QUERY_TIMEOUT_S = 20.0
"""Timeout for queries made while holding a lock."""
IDENTITY_INTERVAL_S = 900.0
"""Interval between two checks of the recorded cluster ID. CloudFormation restores the template's value
when anything about the parameter changes, including a tag of the stack. Asking AWS costs half a second of
a core."""


class Unanswered(Exception):
    """The provider did not answer, or its answer is no CloudView."""


@dataclass
class Ground:
    """The provider's last answer, and the queries to it."""

    view: CloudView = field(default_factory=CloudView)
    _looked_s: float = -REDISCOVERY_S
    _marked_s: float = -IDENTITY_INTERVAL_S

    def recall(self) -> None:
        """Load the view that swarmer-configure received at this boot."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            self.view = CloudView.from_json(Path(names.CLOUD_VIEW).read_text())
            self._looked_s = time.monotonic()

    def look_around(self, *, every_s: float = REDISCOVERY_S) -> None:
        """Query the provider at most every `every_s` seconds. Raises Unanswered."""
        if time.monotonic() - self._looked_s < every_s:
            return
        self._looked_s = time.monotonic()
        self.ask(within_s=60.0)

    def ask(self, *, within_s: float = QUERY_TIMEOUT_S) -> CloudView:
        """Return the peers and the cluster ID as they are now. Raises Unanswered."""
        asked = [sys.executable, "-m", "node.cloud", "look"]
        try:
            self.view = CloudView.from_json(process.run(asked, timeout_s=within_s))
        except (process.Failed, ValueError, KeyError, TypeError) as exc:
            raise Unanswered(str(exc)) from exc
        return self.view

    def is_marked(self, swarm_id: str) -> bool:
        """Whether the provider was recently seen to record this Swarm."""
        return self.view.identity == swarm_id and time.monotonic() - self._marked_s < IDENTITY_INTERVAL_S

    def mark(self, swarm_id: str, *, within_s: float) -> None:
        """Record the Swarm's ID with the provider. Raises Unanswered, also if another ID is recorded."""
        ends_s = time.monotonic() + within_s
        try:
            process.run([sys.executable, "-m", "node.cloud", "mark", swarm_id], timeout_s=within_s)
        except process.Failed as exc:
            # The next decision needs the ID that is recorded.
            with contextlib.suppress(Unanswered):
                self.ask(within_s=max(0.0, ends_s - time.monotonic()))
            raise Unanswered(str(exc)) from exc
        self._marked_s = time.monotonic()
        self.view = replace(self.view, identity=swarm_id)
