"""Queue of inspections of containers: many at the same time, and some before the container runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from swarmer.adapters.engine import Engine, Question, Unavailable
from swarmer.core import registration

MOST_ASKED: Final = 64
"""Maximum number of inspections at the same time."""
MOST_EARLY: Final = 48
"""Maximum number of inspections before the container runs. Those wait in dockerd until its start is over."""


@dataclass
class Looks:
    """Inspections that dockerd was asked for. Every method raises `engine.Unavailable`.

    dockerd locks a container from before its network is connected until its start event. An inspection
    requested between the two is answered when the start is over. A later one has to pass through a daemon
    that is busy with the start of other containers.
    """

    engine: Engine
    _asked: dict[str, Question] = field(default_factory=dict)
    """Open inspections by container ID."""
    _due: dict[str, str] = field(default_factory=dict)
    """Container ID to its row of `docker ps`, for inspections that wait for a free place."""
    _early: dict[str, bool] = field(default_factory=dict)
    """Container IDs inspected before their start event; True if the event came before the answer."""

    def __len__(self) -> int:
        return len(self._asked) + len(self._due)

    def __contains__(self, container: str) -> bool:
        """Whether an answer about the container is due."""
        return container in self._asked or container in self._due

    def containers(self) -> Collection[str]:
        """Return the containers about which an answer is due."""
        return [*self._asked, *self._due]

    def sources(self) -> Collection[Question]:
        """Return the open inspections, for select."""
        return self._asked.values()

    def ask(self, container: str, row: str = "") -> None:
        """Request an inspection. `row` is the container's line of `docker ps` if that was the reason."""
        # An older inspection may answer with an older state.
        self.drop(container)
        if len(self._asked) < MOST_ASKED:
            self._asked[container] = self.engine.ask(container, row)
        else:
            self._due[container] = row

    def expect(self, container: str) -> None:
        """Request an early inspection, because the container seems to be starting."""
        if container in self._early and container in self._asked:
            return
        if container in self._asked or len(self._asked) < MOST_EARLY:
            self.ask(container)
            self._early[container] = False

    def start(self, container: str) -> None:
        """Take in the start event: an early inspection, answered or open, counts as the current state."""
        if container not in self._early:
            self.ask(container)
        elif container in self._asked:
            self._early[container] = True
        else:
            del self._early[container]

    def drop(self, container: str) -> None:
        """Discard all inspections of the container."""
        self._early.pop(container, None)
        self._due.pop(container, None)
        if container in self._asked:
            self._asked.pop(container).drop()

    def give_up(self, before_s: float) -> None:
        """Discard inspections that were requested before `before_s` (monotonic clock) and are not
        answered."""
        for question in [each for each in self._asked.values() if each.asked_s < before_s]:
            self.drop(question.container)

    def clear(self) -> None:
        """Discard all inspections of all containers."""
        for container in [*self._asked, *self._due, *self._early]:
            self.drop(container)

    def answers(self, ready: Collection[object]) -> Iterator[tuple[str, Mapping[str, Any] | None, str]]:
        """Yield container, inspection (None if the container does not exist) and row of each answered
        inspection."""
        for question in [each for each in self._asked.values() if each in ready]:
            container = question.container
            # The answer read before this one may have changed the open inspections.
            if self._asked.get(container) is not question or not question.is_answered():
                continue
            del self._asked[container]
            try:
                inspected = question.answer()
            except Unavailable:
                # The error concerns only this container. The next comparison asks for it again, and the
                # others go on.
                self._early.pop(container, None)
                continue
            if container in self._early and not (inspected and registration.is_running(inspected)):
                if self._early.pop(container):
                    self.ask(container)
                continue
            if self._early.get(container):
                del self._early[container]
            yield container, inspected, question.row
        while self._due and len(self._asked) < MOST_ASKED:
            container = next(iter(self._due))
            self.ask(container, self._due[container])
