"""A disturbance that met nothing disturbed nothing."""

from __future__ import annotations

import time
from typing import Any

import pytest

from chaos.__main__ import lacking
from chaos.catalogue import Fault
from chaos.disturbances import did_not_happen
from chaos.healing import BAD_CALLS, HEALING, LOST_EVENTS, ODD_EVENTS
from chaos.lab import Failure

TERMINATE = "EC2 Instance-terminate Lifecycle Action"
STATE = "EC2 Instance State-change Notification"
LAUNCH = "EC2 Instance-launch Lifecycle Action"


def entry(source: str, what: str, **detail: Any) -> dict[str, Any]:
    return {"number": 1, "time": 0.0, "kind": "call", "source": source, "what": what, "detail": detail}


def lost(event: str) -> dict[str, Any]:
    return entry("events", "Fault", event=event, fault="lost")


def late(event: str, *after_s: float) -> dict[str, Any]:
    return entry("events", "Fault", event=event, fault=f"delivered after {after_s}")


def failed(call: str, error: str) -> dict[str, Any]:
    return entry("fault", error, function="f", error=call)


def test_events_that_were_to_be_lost_and_were_not_are_named() -> None:
    assert did_not_happen(LOST_EVENTS, [lost(STATE)]) == [
        f"no '{TERMINATE}' was lost",
        "no 'EC2 Instance Terminate*' was lost",
    ]
    assert did_not_happen(LOST_EVENTS, [late(TERMINATE, 0.0, 0.0)])[0] == f"no '{TERMINATE}' was lost"
    whole = [lost(TERMINATE), lost(STATE), lost("EC2 Instance Terminate Successful")]
    assert did_not_happen(LOST_EVENTS, whole) == []


def test_an_event_that_went_its_way_is_no_disturbance() -> None:
    usual = {**entry("aws.autoscaling", TERMINATE, EC2InstanceId="i-1"), "kind": "event"}
    assert len(did_not_happen(LOST_EVENTS, [usual])) == len(LOST_EVENTS)


def test_events_are_repeated_or_late_or_it_is_said_that_they_were_not() -> None:
    whole = [late(TERMINATE, 0.0, 0.0), late(STATE, 20), late(LAUNCH, 10)]
    assert did_not_happen(ODD_EVENTS, whole) == []
    assert did_not_happen(ODD_EVENTS, [lost(TERMINATE), *whole[1:]]) == [f"no '{TERMINATE}' was repeated"]


def test_each_kind_of_call_has_to_fail_at_least_once() -> None:
    two = [
        failed("autoscaling:CompleteLifecycleAction", "Throttling"),
        failed("ec2:DescribeInstances", "RequestLimitExceeded"),
    ]
    assert did_not_happen(BAD_CALLS, two) == ["no call sqs:* failed with ServiceUnavailable"]
    refused = entry("iam", "AccessDenied", function="f", error="sqs:ChangeMessageVisibility")
    assert did_not_happen(BAD_CALLS, [*two, refused]) == ["no call sqs:* failed with ServiceUnavailable"]
    assert (
        did_not_happen(BAD_CALLS, [*two, failed("sqs:ChangeMessageVisibility", "ServiceUnavailable")]) == []
    )


@pytest.mark.parametrize("name", ["events-lost", "events-odd", "calls-throttled"])
def test_a_disturbance_that_never_began_is_no_proof(name: str) -> None:
    (fault,) = [each for each in HEALING if each.name == name]
    assert lacking(fault, within_s=0)


def missing(*answers: list[str] | Exception) -> Fault:
    """A fault whose proof answers this, one after the other, and the last of them for ever."""
    left = list(answers)

    def lacks() -> list[str]:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Fault(name="f", what="w", victims=lambda _: [], inflict=lambda _: None, lacks=lacks)


def test_what_is_missing_in_the_end_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    assert lacking(missing([]), within_s=0) == []
    assert lacking(missing(["it"], Failure("x"), []), within_s=60) == []
    assert lacking(missing(["it"]), within_s=0) == ["it"]


def test_who_cannot_be_asked_has_proved_nothing() -> None:
    assert lacking(missing(OSError("refused")), within_s=0) == ["nothing is proved: refused"]
