"""Findings in the rehearsal's log about a fault: required lines and forbidden ones."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from chaos.healing import HEALING
from chaos.journal import (
    KEPT,
    LAUNCH,
    NO_MAJORITY,
    RECONCILE,
    STATE_CHANGE,
    lacks_alarm,
    lacks_breaker,
    lacks_retention,
    most,
    refusals,
)

ASG = "healing-workers"
numbers = itertools.count(1)


def line(message: str, source: str = "healing-reconcile-cluster", **facts: Any) -> dict[str, Any]:
    text = json.dumps({"level": "WARNING", "message": message, **facts}, separators=(",", ":"))
    return {"number": next(numbers), "kind": "log", "source": source, "what": text, "detail": {}}


def metric(*values: float, source: str = "healing-reconcile-cluster") -> dict[str, Any]:
    text = json.dumps({"_aws": {"CloudWatchMetrics": []}, "cluster": "healing", "QuorumAtRisk": list(values)})
    return {"number": next(numbers), "kind": "log", "source": source, "what": text, "detail": {}}


def launch(asg: str = ASG) -> dict[str, Any]:
    detail = {"AutoScalingGroupName": asg, "EC2InstanceId": "i-1"}
    return {"number": next(numbers), "kind": "event", "source": "aws", "what": LAUNCH, "detail": detail}


def given_up(console: str = "Failed to start swarmer-configure") -> dict[str, Any]:
    return line("given up", node="workers-i-1", reason="late", console=console)


def breaker(asg: str = ASG) -> dict[str, Any]:
    return line("breaker open", asg=asg)


# -- a majority that is lost -----------------------------------------------------------------------


@pytest.mark.parametrize("reason", NO_MAJORITY)
def test_the_alarm_names_the_majority_and_counts(reason: str) -> None:
    assert lacks_alarm([line("at risk", reason=reason), metric(0), metric(0, 1)]) == []


def test_a_risk_of_another_kind_is_not_the_alarm() -> None:
    thin = line("at risk", reason="2 of 3 Consul servers are healthy: one more failure loses the quorum")
    assert len(lacks_alarm([thin, metric(1)])) == 1
    assert len(lacks_alarm([line("waits", reason="Consul has no leader"), metric(1)])) == 1


def test_a_metric_that_stays_zero_is_missed() -> None:
    whole = [line("at risk", reason="Consul has no leader"), metric(0)]
    assert lacks_alarm(whole) == ["the sweep's QuorumAtRisk was never 1"]
    assert most([], "QuorumAtRisk", RECONCILE) == 0


def test_the_metric_of_one_termination_is_no_alarm_of_the_sweep() -> None:
    own = [line("at risk", reason="Consul has no leader"), metric(1, source="healing-deregister-node")]
    assert len(lacks_alarm(own)) == 1


# -- a voter that nobody answers for ---------------------------------------------------------------

KEPT_ID = "i-0123456789abcdef0"
KEPT_NAME = f"core-{KEPT_ID}"


def retention(instance_id: str = KEPT_ID) -> dict[str, Any]:
    detail = {"AutoScalingGroupName": "healing-core", "EC2InstanceId": instance_id}
    return {"number": next(numbers), "kind": "call", "source": "autoscaling", "what": KEPT, "detail": detail}


def gone(instance_id: str = KEPT_ID) -> dict[str, Any]:
    detail = {"instance-id": instance_id, "state": "terminated"}
    return {"number": next(numbers), "kind": "event", "source": "aws", "what": STATE_CHANGE, "detail": detail}


def test_a_voter_is_kept_then_removed_then_ended() -> None:
    assert lacks_retention([retention(), line("ended", node=KEPT_NAME), gone()], KEPT_NAME) == []


def test_a_voter_that_was_terminated_without_an_answer_is_told() -> None:
    assert lacks_retention([gone()], KEPT_NAME) == [
        f"Auto Scaling did not keep {KEPT_NAME}",
        f"no sweep removed and ended {KEPT_NAME}",
        f"the instance of {KEPT_NAME} was gone before a sweep ended it",
    ]


def test_a_voter_that_is_still_kept_is_told() -> None:
    assert lacks_retention([retention(), line("kept", node=KEPT_NAME)], KEPT_NAME) == [
        f"no sweep removed and ended {KEPT_NAME}",
        f"the instance of {KEPT_NAME} still runs",
    ]


def test_another_voter_s_retention_proves_nothing() -> None:
    other = "i-0aaaaaaaaaaaaaaaa"
    entries = [retention(other), line("ended", node=f"core-{other}"), gone(other)]
    assert len(lacks_retention(entries, KEPT_NAME)) == 3


# -- a breaker ---------------------------------------------------------------------------------------


def test_a_breaker_ends_the_launches_of_its_group_until_a_person_mends_it() -> None:
    entries = [launch(), given_up(), breaker(), launch("healing-core"), last := metric(0), launch()]
    assert lacks_breaker(entries, ASG, last["number"]) == []


def test_a_launch_behind_the_breaker_is_told() -> None:
    entries = [given_up(), breaker(), last := launch()]
    assert lacks_breaker(entries, ASG, last["number"]) == [f"1 launches of {ASG} behind its open breaker"]


def test_another_group_s_breaker_is_none() -> None:
    entries = [given_up(), last := breaker("healing-core")]
    assert lacks_breaker(entries, ASG, last["number"]) == [f"the breaker of {ASG} did not open"]


@pytest.mark.parametrize("console", ["", "\n", "cannot be read: AccessDenied"])
def test_a_console_that_was_not_kept_is_missed(console: str) -> None:
    entries = [given_up(console), last := breaker()]
    assert len(lacks_breaker(entries, ASG, last["number"])) == 1


# -- IAM ---------------------------------------------------------------------------------------------


def test_what_iam_refuses_is_a_trouble_once() -> None:
    words = {"function": "f", "error": "User: f is not authorized to perform: ec2:DescribeInstances"}
    refused = {"number": 1, "kind": "call", "source": "iam", "what": "AccessDenied", "detail": words}
    assert refusals([refused, refused]) == [f"refused: {words['error']}"]
    (told,) = refusals([line("failed", exception="UnauthorizedOperation: no")])
    assert told.startswith("healing-reconcile-cluster was refused: ")


def test_calls_that_fail_on_purpose_and_consoles_are_no_refusals() -> None:
    on_purpose = {"function": "f", "error": "ec2:DescribeInstances"}
    fault = {"number": 1, "kind": "call", "source": "fault", "what": "Throttling", "detail": on_purpose}
    assert refusals([fault, line("will try again", reason="Throttling"), given_up("not authorized")]) == []
    assert len(refusals([line("given", reason="AccessDenied")])) == 1


@pytest.mark.parametrize("name", ["broken-boot", "healing-cut-off", "two-core-lost-at-once"])
def test_a_fault_that_never_began_proves_nothing(name: str) -> None:
    (fault,) = [each for each in HEALING if each.name == name]
    assert fault.lacks()
