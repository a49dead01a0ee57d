"""Events are shown once, also those that arrive late."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from swarmer.core.cluster_events import ClusterEvent, of_function
from swarmer.operations.events import OVERLAP_MS, follow
from swarmer.provider import Provider


@dataclass
class Source:
    """Log groups whose entries become visible one question after the other."""

    by_question: Sequence[Sequence[ClusterEvent]]
    asked_since_ms: list[int] = field(default_factory=list)

    def events(self, since_ms: int) -> Sequence[ClusterEvent]:
        self.asked_since_ms.append(since_ms)
        visible = itertools.chain.from_iterable(self.by_question[: len(self.asked_since_ms)])
        return sorted((each for each in visible if each.time_ms >= since_ms), key=lambda it: it.time_ms)


def at(time_ms: int) -> ClusterEvent:
    return of_function(str(time_ms), time_ms, "f", "words")


def shown(source: Source, since_ms: int, questions: int) -> list[list[int]]:
    found = itertools.islice(follow(cast(Provider, source), since_ms, pause=lambda _: None), questions)
    return [[each.time_ms for each in new] for new in found]


def test_each_entry_is_shown_once() -> None:
    assert shown(Source([[at(1000), at(2000)], [], [at(3000)]]), 0, 4) == [[1000, 2000], [], [3000], []]


def test_an_entry_that_arrives_late_is_shown_too() -> None:
    late = 2000 + OVERLAP_MS
    assert shown(Source([[at(late)], [at(late - OVERLAP_MS + 1)]]), 0, 3) == [[late], [2001], []]


def test_a_question_covers_what_may_be_late_and_no_more() -> None:
    source = Source([[at(500_000)], []])
    shown(source, 100, 2)
    assert source.asked_since_ms == [100, 500_000 - OVERLAP_MS]
