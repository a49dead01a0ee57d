"""Looks at containers: side by side, and before they run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from swarmer.adapters.engine import Engine, Question, Unavailable
from swarmer.core import registration

MOST_ASKED: Final = 64
MOST_EARLY: Final = 48
"""Of them before the container runs: those wait in dockerd for as long as its start takes."""


@dataclass
class Looks:
    """What dockerd was asked about containers. Whatever it raises is `engine.Unavailable`.

    dockerd holds a container's lock from before its network is connected until it has told that it started.
    A question that is asked between the two is answered the moment the start is over; one that is asked
    after it goes the whole way through a daemon that is busy starting others.
    """

    engine: Engine
    _asked: dict[str, Question] = field(default_factory=dict)
    """By container id."""
    _due: dict[str, str] = field(default_factory=dict)
    """Container id → row: to be asked when there is room."""
    _early: dict[str, bool] = field(default_factory=dict)
    """Asked before the start was told; whether it was told before the answer came."""

    def __len__(self) -> int:
        return len(self._asked) + len(self._due)

    def __contains__(self, container: str) -> bool:
        """Whether an answer is to come."""
        return container in self._asked or container in self._due

    def containers(self) -> Collection[str]:
        """Of which an answer is to come."""
        return [*self._asked, *self._due]

    def sources(self) -> Collection[Question]:
        """To be selected on."""
        return self._asked.values()

    def ask(self, container: str, row: str = "") -> None:
        """As it is now. `row` is what `docker ps` said, where that was the reason."""
        # What comes might be what was before.
        self.drop(container)
        if len(self._asked) < MOST_ASKED:
            self._asked[container] = self.engine.ask(container, row)
        else:
            self._due[container] = row

    def expect(self, container: str) -> None:
        """It is being started, as far as one sees."""
        if container in self._early and container in self._asked:
            return
        if container in self._asked or len(self._asked) < MOST_EARLY:
            self.ask(container)
            self._early[container] = False

    def start(self, container: str) -> None:
        """It started: what was answered early, or will be, is what it is now."""
        if container not in self._early:
            self.ask(container)
        elif container in self._asked:
            self._early[container] = True
        else:
            del self._early[container]

    def drop(self, container: str) -> None:
        """What was asked about it counts no more."""
        self._early.pop(container, None)
        self._due.pop(container, None)
        if container in self._asked:
            self._asked.pop(container).drop()

    def give_up(self, before_s: float) -> None:
        """What was asked `before_s`, of the monotonic clock, and is not answered counts no more."""
        for question in [each for each in self._asked.values() if each.asked_s < before_s]:
            self.drop(question.container)

    def clear(self) -> None:
        """The same, of all."""
        for container in [*self._asked, *self._due, *self._early]:
            self.drop(container)

    def answers(self, ready: Collection[object]) -> Iterator[tuple[str, Mapping[str, Any] | None, str]]:
        """Container, what it is (None: there is none), row: of those that are answered."""
        for question in [each for each in self._asked.values() if each in ready]:
            container = question.container
            # What was read before may have changed what counts.
            if self._asked.get(container) is not question or not question.is_answered():
                continue
            del self._asked[container]
            try:
                inspected = question.answer()
            except Unavailable:
                # An error about this one: it is asked for again at the next comparison, the others go on.
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
