"""Findings from the probe's calls. Pure: calls in, findings out; every time is on one monotonic clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

PERIOD_S: Final = 0.1
"""Interval between calls of the probe."""
SLOW_S: Final = 2.0
"""Time after which a waiting caller has noticed a problem, though the call may still go well."""

PULL: Final = "pull"
PUSH: Final = "push"
DOOR: Final = "door"
WALL: Final = "wall"
BY_NAME: Final = (PULL, PUSH)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of the probe."""

    kind: str
    """Kind of the call. PULL and PUSH go by name; DOOR asks one manager's :5000, WALL another node's."""
    via: str
    """Address that was asked: for the name, or at the door."""
    began_s: float
    ended_s: float
    error: str = ""
    """Text of the error; empty if the call went well."""
    node: str = ""
    lease: int | None = None
    """Lease of the node that answered, if the answer names it."""

    @property
    def is_bad(self) -> bool:
        """Whether the call failed, or kept its caller waiting."""
        return bool(self.error) or self.ended_s - self.began_s > SLOW_S


@dataclass(frozen=True)
class Interleaving:
    """Answer under an old lease after one under a newer: two registries served at once."""

    newer: Call
    older: Call


def interleavings(calls: Iterable[Call]) -> list[Interleaving]:
    """Answers under an older lease that were asked for after an answer under a newer one had come.

    Both ends are on the safe side. The registry gave the newer answer before it came, and the older one after
    it was asked for. Therefore each finding did happen, in this order.
    """
    answers = [call for call in calls if call.lease is not None]
    by_end = sorted(answers, key=lambda call: call.ended_s)
    found, newest, position = [], None, 0
    for call in sorted(answers, key=lambda call: call.began_s):
        while position < len(by_end) and by_end[position].ended_s < call.began_s:
            newest = max(newest or by_end[position], by_end[position], key=_lease)
            position += 1
        if newest is not None and _lease(newest) > _lease(call):
            found.append(Interleaving(newest, call))
    return found


def _lease(call: Call) -> int:
    return -1 if call.lease is None else call.lease


def shared_leases(calls: Iterable[Call]) -> dict[int, set[str]]:
    """Leases under which more than one node answered: none may be."""
    nodes: dict[int, set[str]] = {}
    for call in calls:
        if call.lease is not None:
            nodes.setdefault(call.lease, set()).add(call.node)
    return {lease: names for lease, names in nodes.items() if len(names) > 1}


def leases(calls: Iterable[Call]) -> list[int]:
    """Leases, each once, in the order of their first answers."""
    answers = [call for call in calls if call.lease is not None]
    return list(dict.fromkeys(_lease(call) for call in sorted(answers, key=lambda call: call.ended_s)))


def answered_walls(calls: Iterable[Call]) -> dict[str, int]:
    """Number of answers by node that is no manager: its :5000 belongs to nobody."""
    return dict(Counter(call.via for call in calls if call.kind == WALL and not call.error))


def by_name(calls: Iterable[Call], *, since_s: float = float("-inf")) -> list[Call]:
    """Pulls and pushes that were not over when the fault began, in the order in which they began."""
    kept = [call for call in calls if call.kind in BY_NAME and call.ended_s >= since_s]
    return sorted(kept, key=lambda call: call.began_s)


def noticed_s(calls: Iterable[Call], fault_s: float) -> float | None:
    """Earliest moment at which a caller could tell: its call failed, or had no answer for SLOW_S."""
    bad = [call for call in by_name(calls, since_s=fault_s) if call.is_bad]
    moments = [max(fault_s, min(call.ended_s, call.began_s + SLOW_S)) for call in bad]
    return min(moments, default=None)


def away_s(calls: Iterable[Call], since_s: float) -> float:
    """Longest time in seconds without a good answer by name, as the worse of the two nodes saw it.

    It counts from one good answer's end to the next one's. The last silence lasts until the last call began.
    """
    ordered = by_name(calls, since_s=since_s)
    return max((_silence_s(ordered, via, since_s) for via in {call.via for call in ordered}), default=0.0)


def _silence_s(calls: Sequence[Call], via: str, since_s: float) -> float:
    good = sorted(call.ended_s for call in calls if call.via == via and not call.error)
    last_s = max(since_s, *(call.began_s for call in calls))
    moments = [since_s, *good, max([last_s, *good[-1:]])]
    return max(after - before for before, after in pairwise(moments))


def last_failure_s(calls: Iterable[Call], fault_s: float) -> float | None:
    """Moment at which the last failed call by name had begun."""
    return max((call.began_s for call in by_name(calls, since_s=fault_s) if call.error), default=None)


def since(calls: Iterable[Call], moment_s: float) -> list[Call]:
    """Calls that were not over at that moment."""
    return [call for call in calls if call.ended_s >= moment_s]


def failed(calls: Iterable[Call], kind: str) -> int:
    """Number of failed calls of a kind."""
    return sum(1 for call in calls if call.kind == kind and call.error)


def is_steady(calls: Iterable[Call], since_s: float) -> bool:
    """Whether calls by name were made since then, and each went well."""
    recent = [call for call in by_name(calls) if call.began_s >= since_s]
    return bool(recent) and not any(call.is_bad for call in recent)


def slowest_s(calls: Iterable[Call]) -> float:
    """Longest time in seconds that a call by name took, failed ones included."""
    return max((call.ended_s - call.began_s for call in by_name(calls)), default=0.0)


def quantile(values: Sequence[float], part: float) -> float:
    """Smallest value that at least `part` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(part * 100) * len(ordered) // 100) - 1)]
