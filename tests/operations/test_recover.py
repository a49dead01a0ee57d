"""`swarmer recover`: how it gathers what it decides from."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from swarmer.core.quorum_report import QuorumReport
from swarmer.core.state import ConsulMember, MemberStatus
from swarmer.operations import recover
from swarmer.provider import Provider


def test_a_survivor_whose_consul_or_swarm_is_just_starting_again_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A recovery that was killed has restarted both."""
    known = frozenset(
        ConsulMember(name=f"core-i-{at}", address=f"10.42.0.{at}", status=MemberStatus.ALIVE, is_server=True)
        for at in (1, 2, 3)
    )
    survivor = QuorumReport(
        name="core-i-1",
        address="10.42.0.1",
        members=known,
        last_entry=(2, 70),
        managers=frozenset(each.address for each in known),
    )
    reports = iter(
        [replace(survivor, last_entry=None, managers=None), replace(survivor, managers=None), survivor]
    )
    up = SimpleNamespace(nodes=lambda: [SimpleNamespace(runs=True)])
    monkeypatch.setattr(recover, "observe_node", lambda *_: next(reports))
    monkeypatch.setattr("time.sleep", lambda _: None)
    (step,) = recover._decide_with_retries(cast(Provider, up))
    assert step.survivor == "core-i-1"
