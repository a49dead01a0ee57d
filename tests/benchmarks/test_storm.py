"""The storm's account of the rehearsal's log, and its goals."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks import storm
from benchmarks.storm import GOALS, REFUSED, TERMINATE, Account, judge, show
from swarmer.fakeaws.autoscaling import hooks

GROUP = "healing-herd"


def entry(what: str, instance_id: str = "i-1", group: str = GROUP) -> dict[str, Any]:
    detail = {"AutoScalingGroupName": group, "EC2InstanceId": instance_id}
    return {"number": 1, "time": 1.0, "kind": "call", "source": "autoscaling", "what": what, "detail": detail}


def found(**other: int) -> dict[str, Any]:
    return {**GOALS, "p50_s": 1.0, "all_s": 2.0, "runs": 500, "failed_runs": 0, "swept": 0, **other}


def test_an_answer_that_came_too_late_is_counted_by_itself() -> None:
    assert REFUSED == hooks.REFUSED
    account = Account()
    for each in (TERMINATE, "Fault", "CompleteLifecycleAction", REFUSED):
        account.take(entry(each))
        account.take(entry(each, group="healing-core"))
    assert account.announced.keys() == account.answers.keys() == {"i-1"}
    assert (len(account.answers["i-1"]), account.refused, account.repeated) == (1, 1, 1)


def test_what_the_sweep_ends_beside_is_counted_by_itself() -> None:
    account = Account()
    for function, node in (
        ("reconcile-cluster", "herd-i-1"),
        ("reconcile-cluster", "core-i-1"),
        ("deregister-node", "herd-i-1"),
    ):
        line = {"message": "removed", "node": node, "missed": True}
        account.take({**entry(json.dumps(line)), "kind": "log", "source": f"healing-{function}"})
    assert account.swept == 1
    for each in ("CompleteLifecycleAction", "CompleteLifecycleAction", REFUSED):
        account.take(entry(each))
    assert account.again == 2


def test_the_storm_asks_which_nodes_there_are_before_it_speaks_to_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The measurement before it takes nodes away, the first server too."""

    class Stop(Exception):
        pass

    class LabOfBefore:
        nodes = "of before"

        def look(self) -> None:
            self.nodes = "of now"

    def herd(lab: LabOfBefore) -> None:
        assert lab.nodes == "of now"
        raise Stop

    monkeypatch.setattr(storm, "Herd", herd)
    with pytest.raises(Stop):
        storm.endure(LabOfBefore())  # type: ignore[arg-type]


def test_a_storm_of_the_size_that_was_meant_meets_every_goal() -> None:
    assert all(judge(found()).values())
    assert judge(found(answered_again=0))["answered_again"]
    assert "NO" not in "\n".join(show(found()))


@pytest.mark.parametrize("goal", GOALS)
def test_each_goal_can_be_missed(goal: str) -> None:
    off = found(**{goal: GOALS[goal] + 1})
    assert [key for key, is_met in judge(off).items() if not is_met] == [goal]
    assert "NO" in "\n".join(show(off))


def test_a_smaller_storm_is_none() -> None:
    assert not judge(found(hooks=374))["hooks"]
    assert not judge(found(events=375))["events"]
