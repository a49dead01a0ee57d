"""Findings from the probe's calls. Pure: calls in, findings out. All times are of one monotonic clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

PERIOD_S: Final = 0.1
"""Interval between calls of the probe."""
SLOW_S: Final = 2.0
"""Time after which a waiting caller has noticed a problem, although the call may still succeed."""

PULL: Final = "pull"
PUSH: Final = "push"
DOOR: Final = "door"
WALL: Final = "wall"
BY_NAME: Final = (PULL, PUSH)


@dataclass(frozen=True, kw_only=True)
class Call:
    """Call of the probe."""

    kind: str
    """Kind of the call. PULL and PUSH use the name; DOOR asks one manager's :5000, WALL another node's."""
    via: str
    """Address of the asked resolver, or of the door."""
    began_s: float
    ended_s: float
    error: str = ""
    """Text of the error; empty if the call succeeded."""
    node: str = ""
    lease: int | None = None
    """Lease of the answering node; None if the answer has none."""

    @property
    def is_bad(self) -> bool:
        """Whether the call failed, or was slow."""
        return bool(self.error) or self.ended_s - self.began_s > SLOW_S


@dataclass(frozen=True)
class Interleaving:
    """Answer under an old lease after an answer under a newer one: two registries served at the same time."""

    newer: Call
    older: Call


def interleavings(calls: Iterable[Call]) -> list[Interleaving]:
    """Answers under an older lease to requests that began after the arrival of an answer under a newer one.

    Both ends are on the safe side. The registry gave the newer answer before its arrival, and the older one
    after its request. Therefore each finding did happen, in this order.
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
    """Leases under which more than one node answered; there must be none."""
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
    """Number of answers by each node that is no manager, because it must not listen on :5000."""
    return dict(Counter(call.via for call in calls if call.kind == WALL and not call.error))


def by_name(calls: Iterable[Call], *, since_s: float = float("-inf")) -> list[Call]:
    """Pulls and pushes that ended after `since_s`, in the order of their beginnings."""
    kept = [call for call in calls if call.kind in BY_NAME and call.ended_s >= since_s]
    return sorted(kept, key=lambda call: call.began_s)


def noticed_s(calls: Iterable[Call], fault_s: float) -> float | None:
    """Earliest moment at which a caller noticed: its call failed, or had no answer for SLOW_S."""
    bad = [call for call in by_name(calls, since_s=fault_s) if call.is_bad]
    moments = [max(fault_s, min(call.ended_s, call.began_s + SLOW_S)) for call in bad]
    return min(moments, default=None)


def away_s(calls: Iterable[Call], since_s: float) -> float:
    """Longest time in seconds without a good answer by name, for the worse of the two nodes.

    It counts from the end of a good answer to the end of the next one. The last silence lasts until the
    beginning of the last call.
    """
    ordered = by_name(calls, since_s=since_s)
    return max((_silence_s(ordered, via, since_s) for via in {call.via for call in ordered}), default=0.0)


def _silence_s(calls: Sequence[Call], via: str, since_s: float) -> float:
    good = sorted(call.ended_s for call in calls if call.via == via and not call.error)
    last_s = max(since_s, *(call.began_s for call in calls))
    moments = [since_s, *good, max([last_s, *good[-1:]])]
    return max(after - before for before, after in pairwise(moments))


def last_failure_s(calls: Iterable[Call], fault_s: float) -> float | None:
    """Moment at which the last failed call by name began."""
    return max((call.began_s for call in by_name(calls, since_s=fault_s) if call.error), default=None)


def since(calls: Iterable[Call], moment_s: float) -> list[Call]:
    """Calls that ended after that moment."""
    return [call for call in calls if call.ended_s >= moment_s]


def failed(calls: Iterable[Call], kind: str) -> int:
    """Number of failed calls of a kind."""
    return sum(1 for call in calls if call.kind == kind and call.error)


def is_steady(calls: Iterable[Call], since_s: float) -> bool:
    """Whether calls by name were made since then, and all succeeded."""
    recent = [call for call in by_name(calls) if call.began_s >= since_s]
    return bool(recent) and not any(call.is_bad for call in recent)


def slowest_s(calls: Iterable[Call]) -> float:
    """Longest duration of a call by name in seconds, failed calls included."""
    return max((call.ended_s - call.began_s for call in by_name(calls)), default=0.0)


def quantile(values: Sequence[float], part: float) -> float:
    """Smallest value that is at least as large as `part` of all values (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(part * 100) * len(ordered) // 100) - 1)]
