"""A launched instance: admitted, waited for, or given up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from swarmer.core.healing.arrival import Abandon, Admit, Arrival, Ignore, Wait, decide
from swarmer.core.healing.departure import QUORUM_TIMEOUT_S
from swarmer.core.healing.world import Consul, Swarm
from swarmer.core.state import RaftServer
from tests.core.healing.scenes import CORE, WORKER, A, B, C, W, consul, instance, row, swarm


def arrival(name: str = A, **changes: Any) -> Arrival:
    ready = Arrival(
        instance=instance(name),
        roles=CORE if name.startswith("core") else WORKER,
        lifecycle="Pending:Wait",
        waited_s=30,
        deadline_s=600,
        failed_in_a_row=0,
        failed_boots=3,
        is_initialized=True,
        ends=False,
        consul=consul(),
        swarm=swarm(),
    )
    return replace(ready, **changes)


@pytest.mark.parametrize("name", [A, W], ids=["a server and manager", "a worker"])
def test_a_member_in_its_role_is_admitted(name: str) -> None:
    assert decide(arrival(name)) == Admit()


def test_a_member_is_admitted_even_when_it_comes_late() -> None:
    assert decide(arrival(waited_s=601)) == Admit()


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (Consul(), "no Consul server answers"),
        (Consul(answers=True), "Consul has no leader"),
        (consul(B, C), "Consul sees it nowhere"),
        (consul(members={A: "failed"}), "Consul sees it failed"),
        (
            consul(peers={A: RaftServer(name=A, address="10.0.0.0:8300", is_voter=False)}),
            "it is a Consul server without a vote",
        ),
        (consul(peers={}), "it is a Consul server without a vote"),
    ],
)
def test_consul_has_to_see_a_server_vote(seen: Consul, reason: str) -> None:
    assert decide(arrival(consul=seen)) == Wait(reason)


def test_a_worker_needs_no_vote() -> None:
    assert decide(arrival(W, consul=consul(peers={}))) == Admit()


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (Swarm(), "no Swarm manager with a quorum answers"),
        (swarm(row(B), row(C)), "it is not in the Swarm"),
        (swarm(row(A, state="down")), "Swarm sees it down"),
        (
            swarm(row(A, role="worker", reachability="")),
            "it should be a manager that is reachable, and is a worker",
        ),
        (
            swarm(row(A, reachability="unreachable")),
            "it should be a manager that is reachable, and is unreachable",
        ),
    ],
)
def test_swarm_has_to_see_it_ready_in_its_role(seen: Swarm, reason: str) -> None:
    assert decide(arrival(swarm=seen)) == Wait(reason)


def test_an_old_row_of_the_same_name_does_not_matter() -> None:
    assert decide(arrival(swarm=swarm(row(A, id="old", state="down"), row(A)))) == Admit()


def test_what_is_no_member_by_the_deadline_is_given_up_with_the_reason() -> None:
    found = decide(arrival(consul=consul(B, C), waited_s=600))
    assert found == Abandon("Consul sees it nowhere, 600 s after its launch")


@pytest.mark.parametrize(
    "lost", [{"consul": Consul(answers=True)}, {"swarm": Swarm()}], ids=["no leader", "no quorum"]
)
def test_without_a_majority_to_join_an_instance_is_held_for_a_recovery(lost: dict[str, Any]) -> None:
    found = decide(arrival(waited_s=700, failed_in_a_row=2, **lost))
    assert isinstance(found, Wait)
    assert found.holds
    # Not for ever, and not where nobody ever founded anything.
    assert isinstance(decide(arrival(waited_s=600 + QUORUM_TIMEOUT_S, **lost)), Abandon)
    assert isinstance(decide(arrival(waited_s=700, is_initialized=False, **lost)), Abandon)


def test_one_that_was_held_has_time_to_join_once_there_is_a_majority_again() -> None:
    late = arrival(consul=consul(B, C), waited_s=700)
    assert decide(late) == Wait("Consul sees it nowhere", holds=True, notes=True)
    assert decide(replace(late, noted_s_ago=59)) == Wait("Consul sees it nowhere", holds=True)
    assert isinstance(decide(replace(late, noted_s_ago=60)), Abandon)


def test_a_majority_that_comes_back_just_at_the_deadline_leaves_time_to_join_as_well() -> None:
    """Nobody held it yet. That Consul sees it alive tells it from one that cannot boot."""
    votes_not = consul(A, B, C, peers={A: RaftServer(name=A, address="10.0.0.0:8300", is_voter=False)})
    for late in (arrival(consul=votes_not, waited_s=605), arrival(swarm=swarm(row(B)), waited_s=605)):
        found = decide(late)
        assert isinstance(found, Wait)
        assert (found.holds, found.notes) == (True, True)
        assert isinstance(decide(replace(late, waited_s=650, noted_s_ago=45)), Wait)
        assert isinstance(decide(replace(late, waited_s=665, noted_s_ago=60)), Abandon)
    assert isinstance(decide(arrival(consul=consul(B, C), waited_s=605)), Abandon)


def test_an_instance_that_ended_by_itself_is_given_up_at_once() -> None:
    found = decide(arrival(instance=instance(A, "terminated")))
    assert found == Abandon("its instance is terminated")


@pytest.mark.parametrize(("failed_before", "opens"), [(0, False), (1, False), (2, True), (9, True)])
def test_the_third_failed_boot_in_a_row_opens_the_breaker(failed_before: int, opens: bool) -> None:
    found = decide(arrival(consul=consul(B, C), waited_s=600, failed_in_a_row=failed_before))
    assert isinstance(found, Abandon)
    assert found.opens_breaker is opens


def test_a_good_boot_is_admitted_after_any_number_of_failed_ones() -> None:
    assert decide(arrival(failed_in_a_row=9)) == Admit()


@pytest.mark.parametrize("state", ["Pending:Proceed", "InService", "Terminating:Wait", "Terminated"])
def test_a_hook_that_is_closed_is_nobodys_business(state: str) -> None:
    assert isinstance(decide(arrival(lifecycle=state, waited_s=601, consul=Consul())), Ignore)


def test_an_event_may_be_faster_than_auto_scalings_own_list() -> None:
    assert isinstance(decide(arrival(lifecycle="", waited_s=1)), Wait)
    assert isinstance(decide(arrival(lifecycle="", waited_s=61)), Ignore)
    assert isinstance(decide(arrival(lifecycle="", waited_s=1, instance=instance(A, "terminated"))), Ignore)


def test_nothing_is_admitted_to_a_cluster_that_is_being_deleted_and_no_breaker_opens() -> None:
    assert decide(arrival(ends=True, failed_in_a_row=9)) == Abandon("the cluster is being deleted")
