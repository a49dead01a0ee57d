"""The sweep while Consul or Swarm elects a leader, because it was the leader that was lost."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from lambdas.reconcile_cluster.handler import BRIEF_TIMEOUT_S, handler, swarm_timeout_s
from lambdas.shared import connections
from lambdas.shared.connections import ELECTION_TIMEOUT_S, ask_all
from swarmer.adapters import consul
from swarmer.core import names
from swarmer.core.healing import pacing
from tests.lambdas.lab import Lab, remains, state_change


@pytest.mark.parametrize("group", ["core", "workers"])
def test_one_that_led_consul_is_purged_as_soon_as_there_is_another_leader(lab: Lab, group: str) -> None:
    instance_id, name = lab.die(group), lab.name(group)
    lab.consul.has_leader = False
    body = state_change(instance_id)
    assert lab.invoke(handler, body) == [body]
    assert lab.delays == [pacing.SWEEP_RETRY_PAUSE_S]
    lab.consul.has_leader = True
    assert lab.invoke(handler, body) == []
    assert remains(lab, name) == []


@pytest.mark.parametrize("group", ["core", "workers"])
def test_one_that_led_the_swarm_is_purged_as_soon_as_there_is_another_leader(lab: Lab, group: str) -> None:
    """Consul's part is done meanwhile; Swarm's was left to the next schedule, a minute away."""
    instance_id, name = lab.die(group), lab.name(group)
    lab.swarm.has_quorum = False
    body = state_change(instance_id)
    assert lab.invoke(handler, body) == [body]
    assert remains(lab, name) == ["Swarm"]
    lab.swarm.has_quorum = True
    assert lab.invoke(handler, body) == []
    assert remains(lab, name) == []


def test_a_consul_leader_that_dies_while_the_lock_is_taken_leaves_no_lock_behind(lab: Lab) -> None:
    """A lock without a living holder stayed for a minute, and meanwhile no node could be purged."""
    instance_id, name = lab.die("core"), lab.name("core")
    acquire, destroy, refusals = lab.consul.acquire, lab.consul.destroy_session, iter(range(3))

    def acquire_unheard(key: str, value: str, session: str) -> bool:
        acquire(key, value, session)
        lab.monkeypatch.setattr(lab.consul, "acquire", acquire)
        raise consul.Unavailable("500 rpc error making call: EOF")

    def destroy_once_there_is_a_leader(session: str) -> None:
        if next(refusals, None) is not None:
            raise consul.Unavailable("No cluster leader")
        destroy(session)

    lab.monkeypatch.setattr(lab.consul, "acquire", acquire_unheard)
    lab.monkeypatch.setattr(lab.consul, "destroy_session", destroy_once_there_is_a_leader)
    body = state_change(instance_id)
    assert lab.invoke(handler, body) == [body]
    assert lab.consul.locks[names.KV_HEALING_LOCK][0] == ""
    assert lab.invoke(handler, body) == []
    assert remains(lab, name) == []


def test_one_whose_purge_ended_with_consuls_leader_is_not_called_purged(lab: Lab, metrics: Any) -> None:
    """The node led: between the first observation and the next one Consul lost its leader."""
    instance_id, name = lab.die("core"), lab.name("core")
    below = lab.consul.below

    def die_afterwards(prefix: str) -> Any:
        if prefix == names.KV_MISSING:
            lab.consul.has_leader = False
        return below(prefix)

    lab.monkeypatch.setattr(lab.consul, "below", die_afterwards)
    body = state_change(instance_id)
    assert lab.invoke(handler, body) == [body]
    assert "Purged" not in metrics()
    lab.monkeypatch.setattr(lab.consul, "below", below)
    lab.consul.has_leader = True
    assert lab.invoke(handler, body) == []
    assert remains(lab, name) == []


def test_while_a_manager_waits_for_swarms_next_leader_consul_gets_its_own(lab: Lab) -> None:
    """One look is enough: a manager answers when there is a leader, and only then Consul is asked."""
    instance_id, name = lab.die("core"), lab.name("core")
    lab.consul.has_leader = lab.swarm.has_quorum = False

    def elect() -> None:
        lab.consul.has_leader = lab.swarm.has_quorum = True

    lab.swarm.before_answer = elect
    assert lab.invoke(handler, state_change(instance_id)) == []
    assert remains(lab, name) == []


def test_a_query_to_a_dead_leader_is_repeated_to_the_next_one(lab: Lab) -> None:
    """dockerd holds such a question for 20 s, though another leads by now; it cost the node's row 12 s."""
    instance_id, name = lab.die("core"), lab.name("core")
    lab.monkeypatch.setattr(connections, "TRY_TIMEOUT_S", 0.3)
    is_over, asked_s = threading.Event(), []

    def hold_the_first() -> None:
        asked_s.append(time.monotonic())
        if asked_s[-1] - asked_s[0] < 0.2:
            is_over.wait(30)

    lab.swarm.before_answer = hold_the_first
    try:
        assert lab.invoke(handler, state_change(instance_id)) == []
    finally:
        is_over.set()
    assert remains(lab, name) == []


@pytest.mark.parametrize(("age_s", "within_s"), [(1, BRIEF_TIMEOUT_S), (9, ELECTION_TIMEOUT_S)])
def test_swarm_is_waited_for_once_it_may_have_another_leader(age_s: float, within_s: float) -> None:
    """Waiting for Swarm before that would only delay the steps in Consul."""
    sent_ms = [time.time() * 1000, (time.time() - age_s) * 1000]
    records = [{"attributes": {"SentTimestamp": str(round(each))}} for each in sent_ms]
    assert swarm_timeout_s(map(SQSRecord, records)) == within_s


def test_a_manager_that_hangs_holds_nobody_up_where_another_answers() -> None:
    ended, in_vain = threading.Event(), []

    def ask(address: str) -> str:
        if address == "hangs" and not ended.wait(20):
            in_vain.append(address)
        return address

    found = next(ask_all(["hangs", "answers"], ask))
    ended.set()
    assert (found, in_vain) == ("answers", [])
