"""Client of the machines' provider for the agent: peers and the cluster ID, by way of node.cloud."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from swarmer.adapters import process
from swarmer.core import names
from swarmer.core.node import ProviderView

REFRESH_INTERVAL_S = 5.0
"""Interval between two queries while Consul has no leader."""
QUERY_TIMEOUT_S = 20.0
"""Timeout for queries made while holding a lock."""
RECORD_CHECK_INTERVAL_S = 900.0
"""Interval between two checks of the recorded cluster ID. CloudFormation restores the template's value
when anything about the parameter changes, including a tag of the stack. Asking AWS costs half a second of
a core."""


class ProviderUnavailable(Exception):
    """The provider did not answer, or its answer is no ProviderView."""


@dataclass
class ProviderClient:
    """Client of the provider, with its last answer."""

    view: ProviderView = field(default_factory=ProviderView)
    _queried_s: float = -REFRESH_INTERVAL_S
    _recorded_s: float = -RECORD_CHECK_INTERVAL_S

    def load(self) -> None:
        """Load the view that swarmer-configure received at this boot."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            self.view = ProviderView.from_json(Path(names.PROVIDER_VIEW).read_text())
            self._queried_s = time.monotonic()

    def refresh(self, *, every_s: float = REFRESH_INTERVAL_S) -> None:
        """Query the provider at most every `every_s` seconds. Raises ProviderUnavailable."""
        if time.monotonic() - self._queried_s < every_s:
            return
        self._queried_s = time.monotonic()
        self.query(within_s=60.0)

    def query(self, *, within_s: float = QUERY_TIMEOUT_S) -> ProviderView:
        """Return the peers and the cluster ID as they are now. Raises ProviderUnavailable."""
        command = [sys.executable, "-m", "node.cloud", "describe"]
        try:
            self.view = ProviderView.from_json(process.run(command, timeout_s=within_s))
        except (process.Failed, ValueError, KeyError, TypeError) as exc:
            raise ProviderUnavailable(str(exc)) from exc
        return self.view

    def is_recorded(self, swarm_id: str) -> bool:
        """Whether a recent check found this Swarm recorded by the provider."""
        return (
            self.view.cluster_id == swarm_id and time.monotonic() - self._recorded_s < RECORD_CHECK_INTERVAL_S
        )

    def record(self, swarm_id: str, *, within_s: float) -> None:
        """Record the Swarm's ID with the provider.

        Raises ProviderUnavailable, also if another ID is recorded.
        """
        ends_s = time.monotonic() + within_s
        try:
            process.run([sys.executable, "-m", "node.cloud", "record", swarm_id], timeout_s=within_s)
        except process.Failed as exc:
            # The next decision needs the ID that is recorded.
            with contextlib.suppress(ProviderUnavailable):
                self.query(within_s=max(0.0, ends_s - time.monotonic()))
            raise ProviderUnavailable(str(exc)) from exc
        self._recorded_s = time.monotonic()
        self.view = replace(self.view, cluster_id=swarm_id)
