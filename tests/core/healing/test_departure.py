"""How a node leaves: the step of one look, and the whole way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from swarmer.core.healing import steps
from swarmer.core.healing.departure import (
    DEPARTURE_TIMEOUT_S,
    DRAIN_TIMEOUT_S,
    QUORUM_TIMEOUT_S,
    Departure,
    decide,
)
from swarmer.core.healing.steps import (
    Action,
    Demote,
    Deregister,
    Drain,
    Finish,
    ForceLeave,
    Forget,
    HandOver,
    Keep,
    RemoveFromSwarm,
    RemovePeer,
    Wait,
    WriteMarker,
)
from swarmer.core.healing.world import STAY_OUT, STOP, Consul, Marker, Swarm
from swarmer.core.node import SWARM_MANAGER
from swarmer.core.state import MemberStatus, RaftServer, RegistryLock
from tests.core.healing.scenes import CORE, NOW, WORKER, A, B, C, D, W, consul, row, swarm

TOLD = {A: Marker(since_s=NOW), W: Marker(since_s=NOW)}


def departure(name: str = A, **changes: Any) -> Departure:
    """Core node A leaves, its replacement D votes already; or worker W does."""
    rows = tuple(map(row, (A, B, C, D, W)))
    found = Departure(
        name=name,
        roles=CORE if name.startswith("core") else WORKER,
        is_gone=False,
        ends=False,
        is_initialized=True,
        announced_s=NOW,
        now_s=NOW,
        consul=consul(A, B, C, D, workers=(W,), markers=TOLD),
        swarm=swarm(*rows),
        wanted_servers=3,
        wanted_managers=3,
    )
    return replace(found, **changes)


def drained(name: str = A) -> tuple[Any, ...]:
    return tuple(
        replace(each, availability="drain") if each.name == name else each
        for each in map(row, (A, B, C, D, W))
    )


def take(now: Departure, action: Action) -> Departure:
    """Return the state of the cluster after a step."""
    seen, rows = now.consul, now.swarm.rows
    match action:
        case WriteMarker(phase):
            old = seen.markers.get(now.name, Marker(since_s=now.now_s))
            marker = replace(old, stop_s=now.now_s if phase == STOP else None)
            # A node that is told to stop does.
            members = {**seen.members, now.name: MemberStatus.FAILED} if phase == STOP else seen.members
            seen = replace(seen, markers={**seen.markers, now.name: marker}, members=members)
        case Drain(which):
            rows = tuple(replace(each, availability="drain") if each == which else each for each in rows)
        case Demote(which):
            changed = replace(which, role="worker", reachability="")
            rows = tuple(changed if each == which else each for each in rows)
        case RemoveFromSwarm(which):
            rows = tuple(each for each in rows if each != which)
        case HandOver(lease):
            seen = replace(seen, lease=RegistryLock(session="s2", number=lease + 1, holder=B))
        case RemovePeer():
            seen = replace(seen, peers={key: peer for key, peer in seen.peers.items() if key != now.name})
        case ForceLeave():
            seen = replace(seen, members={**seen.members, now.name: MemberStatus.LEFT})
        case Deregister():
            seen = replace(seen, catalogued=seen.catalogued - {now.name})
        case Forget(marker):
            markers = {key: kept for key, kept in seen.markers.items() if key != now.name or not marker}
            seen = replace(seen, recorded=seen.recorded - {now.name}, markers=markers)
    return replace(now, consul=seen, swarm=replace(now.swarm, rows=rows))


def whole_way(start: Departure) -> list[str]:
    """Names of the steps until it finishes; a wait that nothing ends is one, too."""
    now, found = start, []
    for _ in range(20):
        action = decide(now)
        found.append(type(action).__name__)
        if isinstance(action, Wait | Finish | Keep):
            return found
        now = take(now, action)
    raise AssertionError(found)


def test_a_core_node_leaves_step_by_step() -> None:
    start = departure(
        consul=replace(departure().consul, markers={}, lease=RegistryLock(session="s", number=7, holder=A))
    )
    assert whole_way(start) == [
        "WriteMarker", "Drain", "HandOver", "Demote", "RemoveFromSwarm", "WriteMarker", "RemovePeer",
        "ForceLeave", "Deregister", "Forget", "Finish",
    ]  # fmt: skip


def test_a_worker_leaves_step_by_step() -> None:
    start = departure(W, consul=replace(departure().consul, markers={}))
    assert whole_way(start) == [
        "WriteMarker", "Drain", "RemoveFromSwarm", "WriteMarker", "ForceLeave", "Deregister",
        "Forget", "Finish",
    ]  # fmt: skip


def test_of_a_machine_that_is_gone_only_remains_are_removed() -> None:
    """Its replacement may still be booting: a dead member takes no part in any majority."""
    dead = consul(A, B, C, workers=(W,), members={A: "failed", B: "alive", C: "alive", W: "alive"})
    rows = swarm(row(A, state="down", reachability="unreachable"), row(B), row(C))
    start = departure(is_gone=True, consul=dead, swarm=rows)
    assert whole_way(start) == [
        "Demote", "RemoveFromSwarm", "RemovePeer", "ForceLeave", "Deregister", "Forget", "Finish",
    ]  # fmt: skip


@pytest.mark.parametrize("name", [A, W])
def test_a_node_that_never_joined_or_was_purged_already_is_finished(name: str) -> None:
    nothing = consul(B, C, D, workers=())
    start = departure(name, is_gone=True, consul=nothing, swarm=swarm(row(B), row(C), row(D)))
    assert whole_way(start) == ["Finish"]


def test_a_run_that_was_broken_off_goes_on_where_things_stand() -> None:
    """Wherever it stops: what comes then is the rest of the same way."""
    start = departure(consul=replace(departure().consul, markers={}))
    way, now = whole_way(start), start
    for at in range(len(way) - 1):
        assert whole_way(now) == way[at:]
        now = take(now, decide(now))


def test_a_catalogue_entry_without_a_member_is_purged() -> None:
    seen = consul(B, C, D, workers=(), catalogued=frozenset((W,)))
    start = departure(W, is_gone=True, consul=seen, swarm=swarm(row(A)))
    assert whole_way(start) == ["Deregister", "Finish"]


# -- waiting ---------------------------------------------------------------------------------------


def test_tasks_are_waited_for_but_not_for_ever() -> None:
    rows = swarm(*drained(), tasks={row(A).id: 2})
    assert decide(departure(swarm=rows)) == Wait("2 of its tasks to run elsewhere")
    assert decide(departure(swarm=rows, now_s=NOW + DRAIN_TIMEOUT_S)) == Demote(drained()[0])


def test_a_node_that_is_down_is_not_drained() -> None:
    rows = swarm(*(replace(each, state="down") if each.name == W else each for each in drained()))
    assert decide(departure(W, swarm=rows)) == RemoveFromSwarm(rows.of(W)[0])


def test_the_registry_is_waited_for_but_not_for_ever() -> None:
    asked = replace(
        departure().consul, lease=RegistryLock(session="s", number=7, holder=A, handover_asked=True)
    )
    leaving = departure(consul=asked, swarm=swarm(*drained()))
    assert decide(leaving) == Wait("the registry to be handed over")
    assert isinstance(decide(replace(leaving, now_s=NOW + DRAIN_TIMEOUT_S + 20)), Demote)


def test_a_registry_that_nobody_else_wants_is_not_handed_over_again_and_again() -> None:
    again = replace(departure().consul, lease=RegistryLock(session="s", number=9, holder=A))
    leaving = departure(consul=again, swarm=swarm(*drained()), now_s=NOW + DRAIN_TIMEOUT_S + 20)
    assert isinstance(decide(leaving), Demote)


def test_swarm_takes_a_moment_to_demote() -> None:
    rows = swarm(row(A, availability="drain", role="worker"), row(B), row(C), row(D))
    assert decide(departure(swarm=rows)) == Wait("Swarm to take its vote")


def test_a_node_that_does_not_stop_its_consul_is_not_waited_for_for_ever() -> None:
    told = {W: Marker(since_s=NOW, stop_s=NOW)}
    leaving = departure(W, consul=replace(departure().consul, markers=told), swarm=swarm(row(B)))
    assert decide(leaving) == Wait("the node to stop its Consul")
    assert decide(replace(leaving, now_s=NOW + 21)) == Forget(marker=False)


def test_consul_takes_a_moment_to_notice_that_a_machine_is_gone() -> None:
    leaving = departure(W, is_gone=True, swarm=swarm(row(B)))
    assert decide(leaving) == Wait("Consul to notice that it is gone")


def test_every_wait_ends() -> None:
    rows = swarm(row(A, availability="drain", role="worker"), row(B), row(C), row(D))
    found = decide(departure(swarm=rows, now_s=NOW + DEPARTURE_TIMEOUT_S))
    assert found == Finish(f"Swarm to take its vote: gave up after {DEPARTURE_TIMEOUT_S:.0f} s")


# -- quorum ----------------------------------------------------------------------------------------


def test_a_server_stays_until_its_replacement_votes() -> None:
    arriving = replace(consul(A, B, C, markers=TOLD), members=dict.fromkeys((A, B, C, D), MemberStatus.ALIVE))
    out_of_swarm = swarm(row(B), row(C), row(D))
    leaving = departure(consul=arriving, swarm=out_of_swarm)
    assert decide(leaving) == Wait("Consul servers: its replacement has no vote yet")
    with_peer = replace(
        arriving, peers={**arriving.peers, D: RaftServer(name=D, address="10.0.0.3:8300", is_voter=False)}
    )
    assert isinstance(decide(replace(leaving, consul=with_peer)), Wait)
    voting = replace(
        arriving, peers={**arriving.peers, D: RaftServer(name=D, address="10.0.0.3:8300", is_voter=True)}
    )
    assert decide(replace(leaving, consul=voting)) == WriteMarker(STOP)


def test_a_manager_stays_until_its_replacement_is_reachable() -> None:
    waiting = swarm(*(each for each in drained() if each.name != D))
    assert decide(departure(swarm=waiting)) == Wait("Swarm managers: its replacement has no vote yet")
    assert isinstance(decide(departure(swarm=swarm(*drained()))), Demote)


def test_a_replacement_that_never_comes_is_not_waited_for_for_ever() -> None:
    waiting = swarm(*(each for each in drained() if each.name != D))
    assert isinstance(decide(departure(swarm=waiting, now_s=NOW + QUORUM_TIMEOUT_S)), Demote)


def test_a_group_that_shrinks_on_purpose_needs_no_replacement() -> None:
    """5 → 3: three of the other four are enough."""
    leaving = departure(swarm=swarm(*(each for each in drained() if each.name != D)), wanted_managers=2)
    assert isinstance(decide(leaving), Demote)


def test_a_member_without_which_there_is_no_majority_stays_and_the_alarm_is_raised() -> None:
    """B is dead, so A and C are the majority of A, B and C."""
    rows = swarm(row(A, availability="drain"), row(B, reachability="unreachable", state="down"), row(C))
    found = decide(departure(swarm=rows))
    assert found == Wait("Swarm managers: the other members are no majority without it", at_risk=True)
    late = decide(departure(swarm=rows, now_s=NOW + QUORUM_TIMEOUT_S))
    assert late == Keep("Swarm managers: the other members are no majority without it, after 3600 s")
    assert late.at_risk


def test_the_same_for_raft() -> None:
    seen = consul(A, B, C, markers=TOLD, members={A: "alive", B: "failed", C: "alive"})
    leaving = departure(consul=seen, swarm=swarm(row(B), row(C), row(D)))
    assert decide(leaving) == Wait(
        "Consul servers: the other members are no majority without it", at_risk=True
    )
    late = decide(replace(leaving, now_s=NOW + QUORUM_TIMEOUT_S))
    assert late == Keep("Consul servers: the other members are no majority without it, after 3600 s")


def test_a_kept_member_leaves_as_soon_as_the_others_are_a_majority_again() -> None:
    """B is back, or its replacement votes: what was asked days ago goes its way, and nobody waits longer."""
    days_later = departure(now_s=NOW + 5 * 86_400, swarm=swarm(*drained()))
    assert isinstance(decide(days_later), Demote)
    assert whole_way(days_later)[-1] == "Finish"


def test_a_kept_member_whose_machine_is_gone_is_kept_no_longer() -> None:
    rows = swarm(row(A, state="down"), row(B, reachability="unreachable", state="down"), row(C))
    late = decide(departure(is_gone=True, swarm=rows, now_s=NOW + QUORUM_TIMEOUT_S))
    assert isinstance(late, Finish)
    assert late.at_risk


def test_of_two_servers_that_leave_at_once_the_second_sees_the_first_go() -> None:
    """B was told to stop and still looks alive: without A and B, C and D are no majority of three."""
    seen = replace(departure().consul, markers={**TOLD, B: Marker(since_s=NOW, stop_s=NOW)})
    found = decide(departure(consul=seen, swarm=swarm(row(C), row(D)), wanted_servers=2))
    assert isinstance(found, WriteMarker)
    three = consul(A, B, C, markers={**TOLD, B: Marker(since_s=NOW, stop_s=NOW)})
    held = decide(departure(consul=three, swarm=swarm(row(C), row(D)), wanted_servers=1))
    assert held == Wait("Consul servers: the other members are no majority without it", at_risk=True)


def test_the_only_server_stays_until_another_votes() -> None:
    alone = consul(A, markers=TOLD, workers=())
    found = decide(departure(consul=alone, swarm=swarm(row(B)), wanted_servers=1))
    assert isinstance(found, Wait)
    assert found.at_risk


def test_a_server_without_a_vote_may_go_at_any_time() -> None:
    seen = consul(A, B, C, markers=TOLD, peers={A: RaftServer(name=A, address="x:8300", is_voter=False)})
    assert decide(departure(consul=seen, swarm=swarm(row(B)))) == WriteMarker(STOP)


def test_once_it_was_told_to_stop_a_server_is_taken_out_of_raft() -> None:
    """The replacement may have died meanwhile: a silent voter helps nobody."""
    told = {A: Marker(since_s=NOW, stop_s=NOW)}
    seen = consul(A, B, C, markers=told, members={A: "failed", B: "alive", C: "alive"})
    assert decide(departure(consul=seen, swarm=swarm(row(B), row(C)))) == RemovePeer("10.0.0.0:8300")


@pytest.mark.parametrize("name", [A, W])
@pytest.mark.parametrize("seen", [Consul(), Consul(answers=True)], ids=["silent", "no leader"])
def test_without_a_consul_majority_nothing_is_touched(name: str, seen: Consul) -> None:
    held = decide(departure(name, consul=seen))
    assert held == Wait("Consul has no leader", at_risk=name == A)
    late = decide(
        departure(name, consul=seen, now_s=NOW + (QUORUM_TIMEOUT_S if name == A else DRAIN_TIMEOUT_S))
    )
    # A recovery may have nothing else than a member, and needs no worker.
    assert isinstance(late, Keep if name == A else Finish)


def test_a_manager_that_is_no_server_stays_too_where_consul_has_no_majority() -> None:
    """Its vote is the Swarm's: let go without a demotion, managers would follow the servers one by one."""
    leaving = departure(roles=frozenset((SWARM_MANAGER,)), consul=Consul(answers=True))
    assert decide(replace(leaving, now_s=NOW + DRAIN_TIMEOUT_S)) == Wait("Consul has no leader", at_risk=True)
    assert isinstance(decide(replace(leaving, now_s=NOW + QUORUM_TIMEOUT_S)), Keep)


def test_without_a_majority_a_machine_that_is_gone_is_not_waited_for() -> None:
    found = decide(departure(is_gone=True, consul=Consul(answers=True)))
    assert isinstance(found, Finish)
    assert found.at_risk


@pytest.mark.parametrize("is_gone", [False, True], ids=["it works", "it is gone"])
@pytest.mark.parametrize(
    "seen", [{"consul": Consul()}, {"consul": Consul(answers=True)}, {"swarm": Swarm()}], ids=str
)
def test_a_cluster_that_was_never_founded_has_no_majority_to_lose(
    is_gone: bool, seen: dict[str, Any]
) -> None:
    found = decide(departure(is_initialized=False, is_gone=is_gone, **seen))
    if is_gone and "swarm" in seen:
        assert found == RemovePeer("10.0.0.0:8300")  # Consul has a leader: its part is done
        return
    assert isinstance(found, Finish)
    assert "never had a majority" in found.reason
    assert not found.at_risk


def test_without_a_swarm_majority_a_manager_stays_and_a_worker_leaves_consul() -> None:
    held = decide(departure(swarm=Swarm()))
    assert held == Wait("no Swarm manager with a quorum answers", at_risk=True)
    assert decide(departure(W, swarm=Swarm())) == WriteMarker(STOP)


def test_a_cluster_that_is_being_deleted_is_left_alone() -> None:
    assert decide(departure(ends=True)) == Finish("the cluster is being deleted")


# -- markers --------------------------------------------------------------------------------------


def test_the_time_counts_from_whatever_came_first() -> None:
    early = departure(
        announced_s=NOW - 50, consul=replace(departure().consul, markers={A: Marker(since_s=NOW - 9)})
    )
    assert early.waited_s == 50
    assert replace(early, announced_s=NOW).waited_s == 9


def test_a_mark_is_read_as_it_was_written_and_rubbish_is_none() -> None:
    for marker in (Marker(since_s=1.5), Marker(since_s=1.5, stop_s=2.5)):
        assert Marker.from_json(marker.to_json()) == marker
    assert Marker(since_s=1).phase == STAY_OUT
    assert Marker(since_s=1, stop_s=2).phase == STOP
    assert Marker.from_json("?") is Marker.from_json("{}") is Marker.from_json("[]") is None


def test_the_steps_that_change_who_votes_are_known() -> None:
    voting: list[steps.Action] = [Demote(row(A)), RemovePeer("x"), WriteMarker(STOP)]
    others: list[steps.Action] = [
        WriteMarker(STAY_OUT),
        Drain(row(A)),
        ForceLeave(),
        Finish("x"),
        RemoveFromSwarm(row(A)),
    ]
    assert all(map(steps.changes_votes, voting))
    assert not any(map(steps.changes_votes, others))


def test_a_lost_node_is_not_done_with_while_swarm_elects_another_leader() -> None:
    """Its row would stay until the next sweep: seen where the Swarm's leader was lost."""
    alone = departure(is_gone=True, consul=replace(consul(B, C), recorded=frozenset()), swarm=Swarm())
    waiting = decide(replace(alone, announced_s=alone.now_s))
    assert waiting == Wait("a Swarm manager with a quorum to answer")
    assert isinstance(decide(replace(alone, announced_s=alone.now_s - 30)), Finish)
