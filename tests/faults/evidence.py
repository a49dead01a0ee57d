"""Whether the answers of a registry prove that two leases never served at once. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """One answer, as its caller saw it; times on one monotonic clock."""

    began_s: float
    """When the question was sent."""
    ended_s: float
    """When the answer was there."""
    lease: int
    node: str = ""


def interleavings(answers: Iterable[Answer]) -> list[tuple[Answer, Answer]]:
    """Pairs of a newer lease's answer and an older lease's that was asked for only after it had ended.

    An older lease that answers a question which was already on its way proves nothing; one that answers a
    question asked after a newer lease had answered served beside it. One pair for each late answer.
    """
    found = []
    known = sorted(answers, key=lambda answer: answer.ended_s)
    for late in known:
        newer = next((it for it in known if it.lease > late.lease), None)
        if newer is not None and newer.ended_s < late.began_s:
            found.append((newer, late))
    return found


def two_nodes_under_one_lease(answers: Iterable[Answer]) -> dict[int, set[str]]:
    """Leases under which more than one node has answered."""
    nodes: dict[int, set[str]] = {}
    for answer in answers:
        nodes.setdefault(answer.lease, set()).add(answer.node)
    return {lease: names for lease, names in nodes.items() if len(names) > 1}
