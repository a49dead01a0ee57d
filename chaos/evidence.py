"""What the probe's calls prove. Pure: calls in, findings out; every time is on one monotonic clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

PERIOD_S: Final = 0.1
"""So often the probe calls."""
SLOW_S: Final = 2.0
"""Who waits longer has noticed that something is wrong, though the call may still go well."""

PULL: Final = "pull"
PUSH: Final = "push"
DOOR: Final = "door"
WALL: Final = "wall"
BY_NAME: Final = (PULL, PUSH)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of the probe."""

    kind: str
    """PULL and PUSH go by name; DOOR asks one manager's :5000, WALL that of a node that is none."""
    via: str
    """Address that was asked: for the name, or at the door."""
    began_s: float
    ended_s: float
    error: str = ""
    """Empty: it went well."""
    node: str = ""
    lease: int | None = None
    """Who answered under which lease, where the answer says so."""

    @property
    def is_bad(self) -> bool:
        """It failed, or kept its caller waiting."""
        return bool(self.error) or self.ended_s - self.began_s > SLOW_S


@dataclass(frozen=True)
class Interleaving:
    """An old lease spoke after a newer one: two registries served at once."""

    newer: Call
    older: Call


def interleavings(calls: Iterable[Call]) -> list[Interleaving]:
    """Answers under an older lease that were asked for after an answer under a newer one had come.

    Both ends are on the safe side: the registry gave the newer answer before it came, and the older one
    after it was asked for. So whatever is found here did happen, in this order.
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
    """Each lease once, in the order in which they were first answered under."""
    answers = [call for call in calls if call.lease is not None]
    return list(dict.fromkeys(_lease(call) for call in sorted(answers, key=lambda call: call.ended_s)))


def answered_walls(calls: Iterable[Call]) -> dict[str, int]:
    """Nodes whose :5000 answered though it belongs to nobody there, and how often."""
    return dict(Counter(call.via for call in calls if call.kind == WALL and not call.error))


def by_name(calls: Iterable[Call], *, since_s: float = float("-inf")) -> list[Call]:
    """Pulls and pushes that were not over when the fault began, in the order in which they began."""
    kept = [call for call in calls if call.kind in BY_NAME and call.ended_s >= since_s]
    return sorted(kept, key=lambda call: call.began_s)


def noticed_s(calls: Iterable[Call], fault_s: float) -> float | None:
    """When a caller could tell first: its call failed, or was not answered for SLOW_S."""
    bad = [call for call in by_name(calls, since_s=fault_s) if call.is_bad]
    moments = [max(fault_s, min(call.ended_s, call.began_s + SLOW_S)) for call in bad]
    return min(moments, default=None)


def away_s(calls: Iterable[Call], since_s: float) -> float:
    """The longest time without a good answer by name, as the worse of the two nodes saw it.

    From one good answer's end to the next one's; the last silence lasts until the last call was begun.
    """
    ordered = by_name(calls, since_s=since_s)
    return max((_silence_s(ordered, via, since_s) for via in {call.via for call in ordered}), default=0.0)


def _silence_s(calls: Sequence[Call], via: str, since_s: float) -> float:
    good = sorted(call.ended_s for call in calls if call.via == via and not call.error)
    last_s = max(since_s, *(call.began_s for call in calls))
    moments = [since_s, *good, max([last_s, *good[-1:]])]
    return max(after - before for before, after in pairwise(moments))


def last_failure_s(calls: Iterable[Call], fault_s: float) -> float | None:
    """When the last call by name that failed had begun."""
    return max((call.began_s for call in by_name(calls, since_s=fault_s) if call.error), default=None)


def since(calls: Iterable[Call], moment_s: float) -> list[Call]:
    """Calls that were not over by then."""
    return [call for call in calls if call.ended_s >= moment_s]


def failed(calls: Iterable[Call], kind: str) -> int:
    """How many calls of a kind failed."""
    return sum(1 for call in calls if call.kind == kind and call.error)


def is_steady(calls: Iterable[Call], since_s: float) -> bool:
    """Calls by name were made since then, and each went well."""
    recent = [call for call in by_name(calls) if call.began_s >= since_s]
    return bool(recent) and not any(call.is_bad for call in recent)


def slowest_s(calls: Iterable[Call]) -> float:
    """The longest that a call by name took, however it ended."""
    return max((call.ended_s - call.began_s for call in by_name(calls)), default=0.0)


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least `part` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(part * 100) * len(ordered) // 100) - 1)]
