"""Outcome of one fault, and the table of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from chaos import evidence
from chaos.catalogue import Fault
from chaos.evidence import BY_NAME, DOOR, PULL, PUSH, WALL
from chaos.probe import Probe

NO_EVIDENCE = "no evidence"


@dataclass(kw_only=True)
class Outcome:
    """Outcome of one fault; seconds count from the fault."""

    name: str
    what: str
    troubles: list[str] = field(default_factory=list)
    """Reasons against survival; empty if the fault was survived."""
    detected_s: float | None = None
    """Seconds to the first failed or slow call by name, or to Consul's first report; None without either."""
    consul: list[tuple[float, str]] = field(default_factory=list)
    """Changes in Consul's reports: seconds and text."""
    away_s: float = 0.0
    """Longest time in seconds without a good answer by name."""
    last_failure_s: float | None = None
    """Seconds to the beginning of the last failed call by name; None if none failed."""
    validated_s: float | None = None
    calls: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    """Number of failures by text, for calls by name."""
    slowest_s: float = 0.0
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    leases: list[int] = field(default_factory=list)
    evidence: str = NO_EVIDENCE
    notes: list[str] = field(default_factory=list)
    """Figures of this fault alone, in words."""

    @property
    def survived(self) -> bool:
        return not self.troubles

    def sentence(self) -> str:
        """Sentence for the waiting person."""
        if self.troubles:
            return f"NOT survived: {'; '.join(self.troubles)}"
        return "; ".join(
            (
                f"survived: away for {self.away_s:.1f} s, "
                f"{self.failed[PULL]} pulls and {self.failed[PUSH]} pushes failed",
                *self.notes,
            )
        )

    def to_json(self) -> dict[str, Any]:
        return {"survived": self.survived, **asdict(self)}


def judge(
    fault: Fault, probe: Probe, fault_s: float, validated_s: float | None, troubles: Sequence[str]
) -> Outcome:
    """Outcome from the probe's account."""
    calls = probe.calls
    after = evidence.since(calls, fault_s)
    consul = [(round(at_s - fault_s, 2), text) for at_s, text in probe.consul_noticed if at_s >= fault_s]
    noticed_s = evidence.noticed_s(calls, fault_s)
    last_s = evidence.last_failure_s(calls, fault_s)
    moments = [at_s for at_s, _ in consul[:1]] + ([noticed_s - fault_s] if noticed_s else [])
    lost, findings = probe.lost(), contradictions(calls)
    failed = evidence.failed(after, PULL) + evidence.failed(after, PUSH)
    alarms = false_alarms(consul, failed) if fault.is_nothing else []
    away_s = evidence.away_s(calls, fault_s)
    proofs = [f"{len(lost)} acknowledged pushes are lost"] if lost else []
    return Outcome(
        name=fault.name,
        what=fault.what,
        troubles=[
            *(*troubles, *proofs, *findings),
            *(*intruders(calls), *unproven(calls), *alarms, *too_long(away_s, fault.away_s)),
        ],
        detected_s=round(min(moments), 2) if moments else None,
        consul=consul,
        away_s=round(away_s, 2),
        last_failure_s=None if last_s is None else round(last_s - fault_s, 2),
        validated_s=None if validated_s is None else round(validated_s, 1),
        calls={kind: sum(call.kind == kind for call in after) for kind in (PULL, PUSH, DOOR, WALL)},
        failed={kind: evidence.failed(after, kind) for kind in (PULL, PUSH, DOOR)},
        errors=dict(
            Counter(f"{call.kind}: {call.error}" for call in after if call.error and call.kind in BY_NAME)
        ),
        slowest_s=round(evidence.slowest_s(after), 2),
        acknowledged=len(probe.acknowledged),
        lost=lost,
        leases=evidence.leases(calls),
        evidence=verdict(calls, findings),
        notes=fault.notes(),
    )


def contradictions(calls: Sequence[evidence.Call]) -> list[str]:
    """Contradictions that two honest leases cannot produce."""
    found = evidence.interleavings(calls)
    said = []
    if found:
        newer, older = found[0].newer, found[0].older
        said.append(
            f"lease {older.lease} ({older.node}) answered {len(found)} times after lease {newer.lease} "
            f"({newer.node}), first {older.began_s - newer.ended_s:.3f} s after"
        )
    return said + [
        f"lease {lease} was answered under by {', '.join(sorted(nodes))}"
        for lease, nodes in evidence.shared_leases(calls).items()
    ]


def intruders(calls: Sequence[evidence.Call]) -> list[str]:
    """Nodes that served the registry without being managers."""
    found = evidence.answered_walls(calls).items()
    return [f"{address}, which is no manager, answered {count} times on :5000" for address, count in found]


def unproven(calls: Sequence[evidence.Call]) -> list[str]:
    """Finding that no answer has a lease. Then the answering nodes are unknown, and survival is unproven."""
    return [] if evidence.leases(calls) else [f"{NO_EVIDENCE}: no answer said under which lease it was given"]


def too_long(away_s: float, goal_s: float | None) -> list[str]:
    """Finding that the registry was away for longer than the fault's goal."""
    if goal_s is None or away_s <= goal_s:
        return []
    return [f"the registry was away for {away_s:.1f} s; the goal is {goal_s:.0f} s"]


def false_alarms(consul: Sequence[tuple[float, str]], failed: int) -> list[str]:
    """Noticed changes although nothing had happened."""
    said = [f"Consul noticed {text} after {at_s:.0f} s" for at_s, text in consul]
    return said + ([f"{failed} calls failed"] if failed else [])


def verdict(calls: Sequence[evidence.Call], findings: Sequence[str]) -> str:
    """Verdict in two words."""
    if not evidence.leases(calls):
        return NO_EVIDENCE
    return "contradiction" if findings else "no interleaving"


def table(outcomes: Sequence[Outcome]) -> str:
    """Table for people, with the reasons and the faults' own figures below it."""
    head = f"{'fault':22}{'survived':>9}{'detected':>10}{'away':>8}{'last failed':>13}"
    head += f"{'slowest':>9}{'validated':>11}{'failed pulls':>14}{'pushes':>11}   leases"
    rows = [_row(outcome) for outcome in outcomes]
    reasons = [f"{each.name}: {trouble}" for each in outcomes for trouble in each.troubles]
    notes = [f"{each.name}: {note}" for each in outcomes for note in each.notes]
    survived = sum(outcome.survived for outcome in outcomes)
    return "\n".join(["", head, *rows, *reasons, *notes, f"{survived} of {len(outcomes)} survived"])


def _row(outcome: Outcome) -> str:
    of = {
        kind: f"{outcome.failed.get(kind, 0)} of {outcome.calls.get(kind, 0)}" for kind in (PULL, PUSH, DOOR)
    }
    leases = " → ".join(map(str, outcome.leases)) or outcome.evidence
    return (
        f"{outcome.name:22}{'yes' if outcome.survived else 'NO':>9}{_seconds(outcome.detected_s):>10}"
        f"{_seconds(outcome.away_s):>8}{_seconds(outcome.last_failure_s):>13}{_seconds(outcome.slowest_s):>9}"
        f"{_seconds(outcome.validated_s):>11}{of[PULL]:>14}{of[PUSH]:>11}   {leases}"
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
