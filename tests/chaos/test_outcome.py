"""Outcome of one fault from the probe's account, without any call."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from chaos.catalogue import Fault
from chaos.evidence import DOOR, PULL, WALL, Call, is_steady
from chaos.outcome import NO_EVIDENCE, Outcome, judge
from chaos.probe import Probe, Target

TARGET: Final = Target(domain="test", resolvers=(), doors=(), walls=("worker",), servers=(), network="::/0")
FAULT: Final = Fault(name="f", what="w", victims=lambda _: [], inflict=lambda _: None)
FAULT_S: Final = 10.0


def answer(
    *, kind: str = PULL, via: str = "core", began_s: float = 11.0, error: str = "", lease: int | None = 4
) -> Call:
    """A call that took 0.1 s."""
    ended_s = began_s + 0.1
    return Call(
        kind=kind, via=via, began_s=began_s, ended_s=ended_s, error=error, node=f"{lease}", lease=lease
    )


def refusal(via: str = "worker") -> Call:
    return answer(kind=WALL, via=via, error="ConnectionRefusedError", lease=None)


def judged(*calls: Call) -> Outcome:
    return judge(FAULT, Probe(TARGET, calls=list(calls)), FAULT_S, 20.0, [])


def test_a_fault_with_good_answers_under_one_lease_is_survived() -> None:
    found = judged(answer(), answer(kind=DOOR))
    assert found.survived
    assert found.evidence == "no interleaving"


def test_a_run_in_which_no_answer_names_its_lease_proves_nothing_and_is_not_survived() -> None:
    for found in (judged(), judged(answer(lease=None), answer(kind=DOOR, lease=None))):
        assert found.evidence == NO_EVIDENCE
        assert not found.survived
        assert "no answer said under which lease" in found.sentence()


def test_a_worker_that_refuses_is_neither_a_failed_call_nor_a_slow_one() -> None:
    waits = Call(kind=WALL, via="worker", began_s=11.0, ended_s=19.0, error="TimeoutError")
    found = judged(answer(), refusal(), waits)
    assert found.survived
    assert found.calls[WALL] == 2
    assert (found.failed, found.errors) == ({"pull": 0, "push": 0, "door": 0}, {})
    assert (found.detected_s, found.last_failure_s) == (None, None)
    assert found.slowest_s < 1
    assert is_steady([answer(), refusal(), waits], since_s=FAULT_S)


def test_a_worker_that_answers_is_a_trouble_whatever_it_says() -> None:
    found = judged(answer(), refusal(), answer(kind=WALL, via="worker", lease=None))
    assert found.troubles == ["worker, which is no manager, answered 1 times on :5000"]


def test_an_answer_of_a_worker_under_an_old_lease_is_a_second_registry() -> None:
    found = judged(answer(lease=5), answer(kind=WALL, via="worker", began_s=12.0, lease=4))
    assert found.evidence == "contradiction"
    assert len(found.troubles) == 2


def test_a_registry_that_is_away_for_longer_than_the_goal_is_a_trouble() -> None:
    calls = [answer(began_s=11.0), answer(began_s=30.0)]
    fault = replace(FAULT, away_s=10)
    found = judge(fault, Probe(TARGET, calls=calls), FAULT_S, 20.0, [])
    assert found.troubles == [f"the registry was away for {found.away_s:.1f} s; the goal is 10 s"]
    assert judge(replace(FAULT, away_s=20), Probe(TARGET, calls=calls), FAULT_S, 20.0, []).survived
