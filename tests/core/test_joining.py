"""How a node joins its cluster: the decision of one pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmer.core import joining, names
from swarmer.core.healing.world import Marker
from swarmer.core.joining import (
    EndJoin,
    FindPeers,
    InitializeSwarm,
    JoinSwarm,
    NodeState,
    Publish,
    Settled,
    StopConsul,
    Wait,
)
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER, SWARM_WORKER, NodeDescription, Storage

CORE = NodeDescription(
    cluster="lab",
    domain="lab",
    group="core",
    roles=(CONSUL_SERVER, SWARM_MANAGER, SWARM_WORKER),
    consul_servers=3,
    network_cidr="10.42.0.0/16",
    storage=Storage(bucket="b", region="us-east-1"),
)
WORKER = replace(CORE, group="workers", roles=(SWARM_WORKER,))
READY = NodeState(has_leader=True, members=3, swarm_state="inactive")


def test_without_a_leader_a_node_looks_for_its_peers() -> None:
    state = NodeState(has_leader=False, members=0, swarm_state=None)
    assert isinstance(joining.decide(CORE, state), FindPeers)


def test_a_node_alone_in_its_consul_looks_for_its_peers() -> None:
    assert isinstance(joining.decide(CORE, replace(READY, members=1)), FindPeers)


def test_a_cluster_of_one_server_is_not_alone() -> None:
    single = replace(CORE, consul_servers=1)
    assert joining.decide(single, replace(READY, members=1)) == InitializeSwarm()


def test_a_node_waits_for_its_own_dockerd() -> None:
    assert joining.decide(CORE, replace(READY, swarm_state=None)) == Wait("dockerd")


def test_a_manager_initializes_the_swarm_where_nobody_has() -> None:
    assert joining.decide(CORE, READY) == InitializeSwarm()


def test_a_worker_never_initializes_a_swarm() -> None:
    assert joining.decide(WORKER, READY) == Wait("the Swarm to be initialized")


@pytest.mark.parametrize("node", [CORE, WORKER], ids=["manager", "worker"])
def test_a_node_joins_through_the_healthy_managers(node: NodeDescription) -> None:
    state = replace(READY, token="t", managers=("10.42.64.4", "10.42.64.5"))
    assert joining.decide(node, state) == JoinSwarm(("10.42.64.4", "10.42.64.5"), "t")


@pytest.mark.parametrize("node", [CORE, WORKER], ids=["manager", "worker"])
def test_where_a_swarm_exists_no_second_one_is_initialized_while_no_manager_answers(
    node: NodeDescription,
) -> None:
    assert joining.decide(node, replace(READY, token="t")) == Wait("a healthy Swarm manager")


@pytest.mark.parametrize("node", [CORE, WORKER], ids=["manager", "worker"])
def test_where_the_provider_says_that_the_cluster_exists_no_second_one_is_initialized(
    node: NodeDescription,
) -> None:
    waits = joining.decide(node, replace(READY, is_initialized=True))
    assert isinstance(waits, Wait)
    assert waits.needs_operator, "the initializing node may have died before it published"


def test_a_manager_publishes_what_consul_does_not_know() -> None:
    assert joining.decide(CORE, replace(READY, swarm_state="active", is_manager=True)) == Publish()


@pytest.mark.parametrize("known", [("second",), ("first", "second"), ("second", "first")])
@pytest.mark.parametrize("published", [True, False])
def test_a_manager_of_another_swarm_than_the_clusters_waits_and_publishes_nothing(
    known: tuple[str, ...], published: bool
) -> None:
    state = replace(READY, swarm_state="active", is_manager=True, swarm_id="first", known_swarms=known)
    action = joining.decide(CORE, replace(state, is_published=published))
    assert action == Wait(
        "an operator: this node manages Swarm first, but the cluster's Swarm is second", needs_operator=True
    )


def test_a_manager_of_the_clusters_swarm_is_of_no_other() -> None:
    state = replace(READY, swarm_state="active", is_manager=True, swarm_id="first", is_published=True)
    assert joining.decide(CORE, replace(state, known_swarms=("first", "first"))) == Settled()
    # Nobody but a manager knows the id of its Swarm.
    assert not replace(state, swarm_id="", known_swarms=("first",)).other_swarm


def test_a_manager_without_quorum_says_so_and_touches_nothing() -> None:
    state = replace(READY, swarm_state="active", swarm_error="the swarm does not have a leader")
    assert joining.decide(CORE, state) == Wait("the Swarm's managers: the swarm does not have a leader")


def test_a_demoted_manager_waits_for_the_leader_and_stays_in_the_swarm() -> None:
    """The manager would lose its tasks if it left to join again."""
    state = replace(READY, swarm_state="active", token="t", managers=("10.42.64.4",))
    assert joining.decide(CORE, state) == Wait("the Swarm's leader to make it a manager")
    assert joining.decide(WORKER, state) == Settled()


@pytest.mark.parametrize("state", ["pending", "locked", "error"])
def test_a_swarm_in_an_odd_state_is_waited_for(state: str) -> None:
    action = joining.decide(CORE, replace(READY, swarm_state=state, token="t", managers=("10.42.64.4",)))
    assert isinstance(action, Wait)
    assert state in action.reason


def test_a_join_that_failed_is_ended_and_tried_anew() -> None:
    """dockerd tries a first join once: where that took over 20 s it keeps the error for ever."""
    failed = replace(READY, swarm_state="error", swarm_error="no leader", is_joining=True)
    assert joining.decide(CORE, failed) == EndJoin("no leader")
    assert joining.decide(WORKER, failed) == EndJoin("no leader")
    assert isinstance(joining.decide(CORE, replace(failed, swarm_state="pending")), Wait)
    assert isinstance(joining.decide(CORE, replace(failed, is_joining=False)), Wait)


def test_a_member_in_its_role_is_settled() -> None:
    published = replace(READY, swarm_state="active", is_manager=True, is_published=True)
    assert joining.decide(CORE, published) == Settled()
    assert joining.decide(WORKER, replace(READY, swarm_state="active")) == Settled()


@pytest.mark.parametrize("node", [CORE, WORKER], ids=["manager", "worker"])
def test_a_node_that_is_seen_out_joins_nothing_any_more(node: NodeDescription) -> None:
    for state in (
        replace(READY, token="t", managers=("10.42.64.4",)),
        NodeState(has_leader=False, members=0, swarm_state=None),
        replace(READY, swarm_state="active", is_manager=True),
    ):
        told = replace(state, leaving=names.LEAVING_STAY_OUT)
        assert joining.decide(node, told) == Wait("its termination")
        assert joining.decide(node, replace(state, leaving=names.LEAVING_STOP)) == StopConsul()


def test_what_a_function_notes_is_what_its_node_reads() -> None:
    assert joining.leaving_phase(Marker(since_s=1).to_json()) == names.LEAVING_STAY_OUT
    assert joining.leaving_phase(Marker(since_s=1, stop_s=2).to_json()) == names.LEAVING_STOP
    assert joining.leaving_phase("") == joining.leaving_phase("[]") == joining.leaving_phase("{}") == ""


def test_what_dockerd_gives_no_reason_for_is_said_without_one() -> None:
    failed = replace(READY, swarm_state="error", is_joining=True)
    assert joining.decide(CORE, failed) == EndJoin("no reason given")
    pending = replace(READY, swarm_state="pending")
    assert joining.decide(CORE, pending) == Wait("its Swarm, which is pending: no reason given")
    locked = replace(READY, swarm_state="locked", swarm_error="it is encrypted")
    assert joining.decide(CORE, locked) == Wait("its Swarm, which is locked: it is encrypted")


def test_members_without_a_leader_look_for_one() -> None:
    """Dead peers may be all that is missing: they are asked again, whatever the Swarm does meanwhile."""
    seen = replace(READY, has_leader=False, swarm_state="active", is_manager=True, is_published=True)
    assert joining.decide(CORE, seen) == FindPeers("a Consul leader")
