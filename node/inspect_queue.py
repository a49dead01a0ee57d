"""Queue of inspections of containers: many at the same time, and some before the container runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from swarmer.adapters.engine import Engine, Question, Unavailable
from swarmer.core.state import Container

MOST_ASKED: Final = 64
"""Maximum number of inspections at the same time."""
MOST_EARLY: Final = 48
"""Maximum number of inspections before the container runs. Those wait in dockerd until its start is over."""


@dataclass
class InspectQueue:
    """Inspections requested from dockerd. Every method raises `engine.Unavailable`.

    dockerd locks a container from before its network is connected until its start event. It answers an
    inspection that was requested between the two when the start is over. A later inspection has to wait for a
    daemon that is busy with the start of other containers.
    """

    engine: Engine
    _open: dict[str, Question] = field(default_factory=dict)
    """Open inspections by container ID."""
    _waiting: dict[str, str] = field(default_factory=dict)
    """Container ID to its row of `docker ps`, for inspections that wait for a free place."""
    _early: dict[str, bool] = field(default_factory=dict)
    """Container IDs inspected before their start event; True if the event came before the answer."""

    def __len__(self) -> int:
        return len(self._open) + len(self._waiting)

    def __contains__(self, container: str) -> bool:
        """Whether an answer about the container is pending."""
        return container in self._open or container in self._waiting

    def containers(self) -> Collection[str]:
        """Return the IDs of the containers with a pending answer."""
        return [*self._open, *self._waiting]

    def sources(self) -> Collection[Question]:
        """Return the open inspections, for select."""
        return self._open.values()

    def request(self, container: str, row: str = "") -> None:
        """Request an inspection. `row`: the container's line of `docker ps` if that was the reason."""
        # An older inspection may answer with an older state.
        self.discard(container)
        if len(self._open) < MOST_ASKED:
            self._open[container] = self.engine.ask(container, row)
        else:
            self._waiting[container] = row

    def request_early(self, container: str) -> None:
        """Request an early inspection, because the container seems to be starting."""
        if container in self._early and container in self._open:
            return
        if container in self._open or len(self._open) < MOST_EARLY:
            self.request(container)
            self._early[container] = False

    def on_start(self, container: str) -> None:
        """Handle the start event: an early inspection, answered or open, counts as the current state."""
        if container not in self._early:
            self.request(container)
        elif container in self._open:
            self._early[container] = True
        else:
            del self._early[container]

    def discard(self, container: str) -> None:
        """Discard all inspections of the container."""
        self._early.pop(container, None)
        self._waiting.pop(container, None)
        if container in self._open:
            self._open.pop(container).drop()

    def discard_older(self, before_s: float) -> None:
        """Discard inspections that were requested before `before_s` (monotonic clock) and are not
        answered."""
        for question in [each for each in self._open.values() if each.asked_s < before_s]:
            self.discard(question.container)

    def clear(self) -> None:
        """Discard all inspections of all containers."""
        for container in [*self._open, *self._waiting, *self._early]:
            self.discard(container)

    def answers(self, ready: Collection[object]) -> Iterator[tuple[str, Container | None, str]]:
        """Yield container, inspection (None if the container does not exist) and row of each answered
        inspection."""
        for question in [each for each in self._open.values() if each in ready]:
            container = question.container
            # The answer read before this one may have changed the open inspections.
            if self._open.get(container) is not question or not question.is_answered():
                continue
            del self._open[container]
            try:
                inspected = question.answer()
            except Unavailable:
                # The error concerns only this container. The next comparison inspects it again; the other
                # answers are handled now.
                self._early.pop(container, None)
                continue
            if container in self._early and not (inspected and inspected.is_running):
                if self._early.pop(container):
                    self.request(container)
                continue
            if self._early.get(container):
                del self._early[container]
            yield container, inspected, question.row
        while self._waiting and len(self._open) < MOST_ASKED:
            container = next(iter(self._waiting))
            self.request(container, self._waiting[container])
