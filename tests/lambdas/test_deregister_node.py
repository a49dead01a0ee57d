"""Termination hooks: how a node leaves, in whatever state it is, and that its hook is always answered."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from lambdas.deregister_node.handler import handler
from swarmer.adapters import aws
from swarmer.core import names
from swarmer.core.healing import departure
from swarmer.core.healing.world import Marker
from swarmer.core.state import ConsulMember
from tests.lambdas.lab import Lab


def leaving(lab: Lab, group: str = "workers", at: int = 0) -> str:
    return lab.set_lifecycle(group, at, "Terminating:Wait")


def announced(lab: Lab, instance_id: str, group: str = "workers", seconds_ago: float = 0) -> str:
    return lab.lifecycle_event("terminate", instance_id, asg=f"lab-{group}", seconds_ago=seconds_ago)


def answers(lab: Lab) -> list[tuple[str, str, str]]:
    return [hook for hook in lab.hooks if hook[0] == "complete"]


def replaced(lab: Lab) -> None:
    """One manager and server more: the replacement of a core node."""
    lab.consul.add("core-i-0aaaaaaaaaaaaaaaa", server=True)
    lab.swarm.add("core-i-0aaaaaaaaaaaaaaaa", manager=True)


def test_a_worker_leaves_in_order(lab: Lab, metrics: Any) -> None:
    instance_id, name = leaving(lab), lab.name("workers")
    assert lab.invoke(handler, announced(lab, instance_id)) == []
    assert lab.swarm.calls == [f"worker drain {name}", f"remove {name}"]
    assert lab.consul.calls == [
        f"put {names.KV_LEAVING}{name}",
        f"put {names.KV_LEAVING}{name}",
        "destroy session-1",
        f"force-leave {name}",
        f"deregister {name}",
        f"delete {names.KV_NODES}{name}",
        f"delete {names.KV_MISSING}{name}",
    ]
    assert lab.hooks == [("complete", instance_id, "CONTINUE")]
    assert metrics() == {"QuorumAtRisk": [0], "Messages": [1], "Removed": [1]}
    steps = [line["step"] for line in lab.said() if "step" in line]
    assert steps == [
        "WriteMarker", "Drain", "RemoveFromSwarm", "WriteMarker", "ForceLeave", "Deregister", "Forget",
    ]  # fmt: skip


def test_a_core_node_leaves_once_its_replacement_votes(lab: Lab) -> None:
    instance_id, name = leaving(lab, "core"), lab.name("core")
    lab.consul.lend(name)
    body = announced(lab, instance_id, "core")
    assert lab.invoke(handler, body) == [body]
    assert answers(lab) == []
    assert ("heartbeat", instance_id, "") in lab.hooks
    assert lab.said("waits")[0]["reason"] == "Swarm managers: its replacement has no vote yet"
    replaced(lab)
    assert lab.invoke(handler, body) == []
    assert name not in lab.swarm.names()
    assert name not in lab.consul.voters
    assert name not in lab.consul.catalogue
    assert lab.consul.states[name] == "left"
    assert answers(lab) == [("complete", instance_id, "CONTINUE")]
    # The registry was handed over, and the lock of the votes is free again.
    assert lab.consul.keys[names.KV_REGISTRY_HANDOVER] == "1"
    assert lab.consul.locks[names.KV_HEALING_LOCK][0] == ""


def test_a_machine_that_is_gone_is_purged_without_waiting_for_its_replacement(lab: Lab) -> None:
    leaving(lab, "core")
    instance_id, name = lab.die("core"), lab.name("core")
    assert lab.invoke(handler, announced(lab, instance_id, "core")) == []
    assert name not in lab.swarm.names() | lab.consul.catalogue | set(lab.consul.voters)
    assert lab.hooks == [("complete", instance_id, "CONTINUE")]
    assert not lab.consul.notes(names.KV_LEAVING)


def test_a_node_that_never_joined_ends_its_hook_at_once(lab: Lab) -> None:
    instance_id, name = leaving(lab), lab.name("workers")
    lab.terminate(instance_id)
    del lab.consul.states[name], lab.swarm.nodes[f"node-{name}"], lab.consul.keys[f"{names.KV_NODES}{name}"]
    lab.consul.catalogue.discard(name)
    assert lab.invoke(handler, announced(lab, instance_id)) == []
    assert lab.hooks == [("complete", instance_id, "CONTINUE")]
    assert lab.swarm.calls == []


def test_an_instance_that_ec2_knows_no_more_ends_its_hook(lab: Lab) -> None:
    """Its tags are gone with it; the group's say what it was."""
    instance_id = leaving(lab)
    lab.states("workers")[0].instance_id = instance_id = "i-0123456789abcdef0"
    assert lab.invoke(handler, announced(lab, instance_id)) == []
    assert answers(lab) == [("complete", instance_id, "CONTINUE")]


def test_events_that_come_twice_have_one_effect(lab: Lab) -> None:
    instance_id = leaving(lab)
    body = announced(lab, instance_id)
    assert lab.invoke(handler, body, body, body) == []
    assert lab.invoke(handler, body) == []
    assert answers(lab) == [("complete", instance_id, "CONTINUE")]
    assert len(lab.swarm.calls) == 2


def test_an_event_about_a_node_in_service_is_ignored(lab: Lab) -> None:
    """Late or out of order: the hook that it speaks of is closed."""
    assert lab.invoke(handler, announced(lab, lab.ids("workers")[0], seconds_ago=999)) == []
    assert lab.hooks == []
    assert lab.swarm.calls == []


def test_a_node_that_was_taken_out_of_its_group_and_runs_is_left_alone(lab: Lab) -> None:
    instance_id = lab.ids("workers")[0]
    del lab.states("workers")[0]
    assert lab.invoke(handler, announced(lab, instance_id, seconds_ago=999)) == []
    assert (lab.hooks, lab.swarm.calls, lab.consul.calls) == ([], [], [])


def test_entries_are_purged_after_auto_scaling_has_forgotten_the_instance(lab: Lab) -> None:
    instance_id, name = lab.die("workers"), lab.name("workers")
    del lab.states("workers")[0]
    assert lab.invoke(handler, announced(lab, instance_id)) == []
    assert name not in lab.swarm.names() | lab.consul.catalogue
    assert lab.hooks == []


# -- waiting ---------------------------------------------------------------------------------------


def test_tasks_are_waited_for_with_heartbeats(lab: Lab) -> None:
    instance_id, name = leaving(lab), lab.name("workers")
    task = {"NodeID": f"node-{name}", "ServiceID": "web", "DesiredState": "shutdown"}
    lab.swarm.tasks = [task | {"Status": {"State": "running"}}]
    body = announced(lab, instance_id)
    assert lab.invoke(handler, body) == [body]
    assert lab.hooks == [("heartbeat", instance_id, "")]
    assert lab.said("waits")[0]["reason"] == "1 of its tasks to run elsewhere"
    elsewhere = {"NodeID": "node-other", "ServiceID": "web", "DesiredState": "running"}
    lab.swarm.tasks = [
        task | {"Status": {"State": "shutdown"}},
        elsewhere | {"Status": {"State": "preparing"}},
    ]
    assert lab.invoke(handler, body) == [body]
    lab.swarm.tasks[1]["Status"]["State"] = "running"
    assert lab.invoke(handler, body) == []
    assert answers(lab) == [("complete", instance_id, "CONTINUE")]


def test_tasks_that_find_no_place_are_not_waited_for_for_ever(lab: Lab) -> None:
    instance_id, name = leaving(lab), lab.name("workers")
    lab.swarm.tasks = [{"NodeID": f"node-{name}", "DesiredState": "running", "Status": {"State": "running"}}]
    told = Marker(since_s=time.time() - departure.DRAIN_TIMEOUT_S - 1)
    lab.consul.keys[f"{names.KV_LEAVING}{name}"] = told.to_json()
    assert lab.invoke(handler, announced(lab, instance_id)) == []
    assert answers(lab) == [("complete", instance_id, "CONTINUE")]


def test_a_function_that_was_killed_half_way_through_a_drain_goes_on(lab: Lab) -> None:
    """Wherever the first run breaks off, the next one finishes the way, and nothing happens twice."""
    for call in ("members", "put", "force_leave", "deregister_node", "delete", "create_session"):
        instance_id, body = leaving(lab), announced(lab, lab.ids("workers")[0])
        lab.consul.broken = {call}
        assert lab.invoke(handler, body) == [body], call
        lab.consul.broken = set()
        assert lab.invoke(handler, body) == [], call
        assert answers(lab)[-1] == ("complete", instance_id, "CONTINUE")
        # The same node once more.
        lab.rejoin("workers", 0)
    assert len(lab.swarm.calls) == 2 * 6


def test_a_node_that_does_not_stop_its_consul_is_waited_for_a_while(lab: Lab) -> None:
    instance_id, name = leaving(lab), lab.name("workers")
    lab.consul.deaf_to_stop = True
    body = announced(lab, instance_id)
    assert lab.invoke(handler, body) == [body]
    assert lab.said("waits")[0]["reason"] == "the node to stop its Consul"
    marker = json.loads(lab.consul.keys[f"{names.KV_LEAVING}{name}"])
    late = Marker(since_s=marker["since"], stop_s=time.time() - departure.CONSUL_STOP_TIMEOUT_S - 1)
    lab.consul.keys[f"{names.KV_LEAVING}{name}"] = late.to_json()
    assert lab.invoke(handler, body) == []
    # Its marker stays for the node to read; the sweep takes it once the machine is gone.
    assert lab.consul.notes(names.KV_LEAVING) == {name}


# -- quorum ----------------------------------------------------------------------------------------


def test_of_two_members_of_a_quorum_that_are_to_go_at_once_none_goes(lab: Lab, metrics: Any) -> None:
    lab.die("core", 1)
    instance_id = leaving(lab, "core")
    body = announced(lab, instance_id, "core")
    assert lab.invoke(handler, body) == [body]
    assert answers(lab) == []
    assert lab.swarm.row(lab.name("core"))["Spec"]["Role"] == "manager"
    assert lab.name("core") in lab.consul.voters
    assert metrics()["QuorumAtRisk"] == [0, 1]


def test_where_the_majority_is_lost_nothing_is_touched(lab: Lab, metrics: Any) -> None:
    instance_id = leaving(lab, "core")
    lab.consul.has_leader = False
    body = announced(lab, instance_id, "core")
    assert lab.invoke(handler, body) == [body]
    assert (lab.swarm.calls, lab.consul.calls, answers(lab)) == ([], [], [])
    assert ("heartbeat", instance_id, "") in lab.hooks
    assert metrics()["QuorumAtRisk"] == [0, 1]


def test_where_the_majority_is_lost_a_dead_machines_hook_ends(lab: Lab) -> None:
    leaving(lab, "core")
    instance_id = lab.die("core")
    lab.consul.has_leader = False
    assert lab.invoke(handler, announced(lab, instance_id, "core")) == []
    assert answers(lab) == [("complete", instance_id, "CONTINUE")]
    assert (lab.swarm.calls, lab.consul.calls) == ([], [])


def broken_first_deploy(lab: Lab) -> str:
    """No server ever led, nobody founded a Swarm, and every instance that votes is given up."""
    for at in range(3):
        lab.set_lifecycle("core", at, "Terminating:Wait")
    lab.consul.has_leader = lab.swarm.has_quorum = False
    return lab.ids("core")[0]


@pytest.mark.parametrize("answers_at_all", [True, False])
def test_what_a_broken_first_deploy_leaves_is_let_go_at_once_and_calls_nobody(
    lab: Lab, answers_at_all: bool, metrics: Any
) -> None:
    instance_id = broken_first_deploy(lab)
    lab.consul.answers = answers_at_all
    aws.client("ssm").put_parameter(Name=names.identity_parameter("lab"), Value="unfounded", Overwrite=True)
    assert lab.invoke(handler, announced(lab, instance_id, "core")) == []
    assert lab.hooks == [("complete", instance_id, "CONTINUE")]
    assert metrics()["QuorumAtRisk"] == [0]
    assert "never initialized" in lab.said("removed")[0]["reason"]


def test_a_cluster_whose_identity_was_reset_guards_its_quorum_while_any_that_votes_is_in_service(
    lab: Lab, metrics: Any
) -> None:
    """CloudFormation wrote over it, and the Swarm cannot be told from another's until it is put right."""
    instance_id = broken_first_deploy(lab)
    lab.set_lifecycle("core", 1, "InService")
    aws.client("ssm").put_parameter(Name=names.identity_parameter("lab"), Value="unfounded", Overwrite=True)
    body = announced(lab, instance_id, "core")
    assert lab.invoke(handler, body) == [body]
    assert lab.hooks == [("heartbeat", instance_id, "")]
    assert metrics()["QuorumAtRisk"] == [0, 1]


def test_a_cluster_whose_whole_quorum_is_leaving_was_founded_all_the_same(lab: Lab, metrics: Any) -> None:
    instance_id = broken_first_deploy(lab)
    body = announced(lab, instance_id, "core")
    assert lab.invoke(handler, body) == [body]
    assert lab.hooks == [("heartbeat", instance_id, "")]
    assert metrics()["QuorumAtRisk"] == [0, 1]


@pytest.mark.parametrize("code", ["AccessDenied", "ParameterNotFound"])
def test_where_nobody_can_say_whether_it_was_founded_the_hook_is_held(lab: Lab, code: str) -> None:
    instance_id = broken_first_deploy(lab)
    body = announced(lab, instance_id, "core")
    with lab.failing("GetParameter", code):
        assert lab.invoke(handler, body) == [body]
    assert lab.hooks == [("heartbeat", instance_id, "")]


def test_without_swarms_majority_a_manager_stays(lab: Lab) -> None:
    instance_id = leaving(lab, "core")
    lab.swarm.has_quorum = False
    body = announced(lab, instance_id, "core")
    assert lab.invoke(handler, body) == [body]
    assert lab.consul.calls == []


@pytest.mark.parametrize("seconds_ago", [departure.QUORUM_TIMEOUT_S, departure.DEPARTURE_TIMEOUT_S])
def test_an_hour_later_auto_scaling_keeps_a_member_without_its_hook(
    lab: Lab, seconds_ago: float, metrics: Any
) -> None:
    instance_id = leaving(lab, "core")
    lab.consul.answers = False
    assert lab.invoke(handler, announced(lab, instance_id, "core", seconds_ago=seconds_ago)) == []
    assert answers(lab) == [("complete", instance_id, "ABANDON")]
    assert metrics() == {"QuorumAtRisk": [0, 1], "Messages": [1]}
    assert lab.said("kept")[0]["node"] == lab.name("core")


def test_a_member_that_cannot_be_removed_because_nobody_answers_is_kept_in_the_end(lab: Lab) -> None:
    instance_id = leaving(lab, "core")
    lab.consul.broken.add("members")
    body = announced(lab, instance_id, "core", seconds_ago=departure.DEPARTURE_TIMEOUT_S)
    assert lab.invoke(handler, body) == []
    assert answers(lab) == [("complete", instance_id, "ABANDON")]


def test_a_worker_is_let_go_without_a_majority_because_no_recovery_needs_it(lab: Lab) -> None:
    instance_id = leaving(lab)
    lab.consul.answers = False
    body = announced(lab, instance_id, seconds_ago=departure.DRAIN_TIMEOUT_S)
    assert lab.invoke(handler, body) == []
    assert answers(lab) == [("complete", instance_id, "CONTINUE")]


def test_an_event_about_an_instance_that_auto_scaling_keeps_is_left_to_the_sweep(lab: Lab) -> None:
    """The functions were cut off for longer than the hook lasts; its message waited in the queue."""
    instance_id = lab.set_lifecycle("core", 0, "Terminating:Retained")
    assert lab.invoke(handler, announced(lab, instance_id, "core", seconds_ago=400)) == []
    assert (lab.hooks, lab.swarm.calls, lab.consul.calls) == ([], [], [])


def test_who_votes_is_changed_by_one_function_at_a_time(lab: Lab) -> None:
    replaced(lab)
    instance_id = leaving(lab, "core")
    lab.consul.locks[names.KV_HEALING_LOCK] = ("another function's", 1)
    body = announced(lab, instance_id, "core")
    assert lab.invoke(handler, body) == [body]
    assert lab.said("waits")[0]["reason"] == "another function that changes the voting members"
    assert lab.swarm.row(lab.name("core"))["Spec"]["Role"] == "manager"


def test_a_decision_is_made_again_under_the_lock(lab: Lab) -> None:
    """Another function takes a manager out between the look and the lock."""
    replaced(lab)
    instance_id = leaving(lab, "core")
    real = lab.consul.create_session

    def meanwhile(name: str, *, ttl_s: int, lock_delay_s: int) -> str:
        lab.swarm.die(lab.name("core", 1))
        return real(name, ttl_s=ttl_s, lock_delay_s=lock_delay_s)

    lab.monkeypatch.setattr(lab.consul, "create_session", meanwhile)
    body = announced(lab, instance_id, "core")
    assert lab.invoke(handler, body) == [body]
    assert lab.swarm.row(lab.name("core"))["Spec"]["Role"] == "manager"


@pytest.mark.parametrize("step", ["Demote", "RemovePeer"])
def test_a_lock_that_lapsed_during_the_look_changes_no_votes(lab: Lab, step: str) -> None:
    """A second function held it meanwhile, and saw as much."""
    replaced(lab)
    instance_id, name = leaving(lab, "core"), lab.name("core")
    if step == "RemovePeer":
        del lab.swarm.nodes[f"node-{name}"]
        told = Marker(since_s=time.time(), stop_s=time.time())
        lab.consul.keys[f"{names.KV_LEAVING}{name}"] = told.to_json()
        lab.consul.states[name] = "failed"
    members = lab.consul.members

    def slow_under_the_lock() -> tuple[ConsulMember, ...]:
        lab.consul.lapse()
        return members()

    lab.monkeypatch.setattr(lab.consul, "members", slow_under_the_lock)
    body = announced(lab, instance_id, "core")
    assert lab.invoke(handler, body) == [body]
    assert (
        lab.said("waits")[0]["reason"]
        == "the voting lock, because this function lost it during an observation"
    )
    assert lab.hooks == [("heartbeat", instance_id, "")]
    assert name in lab.consul.voters
    if step == "Demote":
        assert lab.swarm.row(name)["Spec"]["Role"] == "manager"
    lab.monkeypatch.setattr(lab.consul, "members", members)
    assert lab.invoke(handler, body) == []
    assert name not in lab.swarm.names() | set(lab.consul.voters)


# -- what is not ours --------------------------------------------------------------------------------


def test_a_cluster_that_is_being_deleted_is_left_alone(lab: Lab) -> None:
    instance_id = leaving(lab, "core")
    lab.asg("core").desired_capacity = 0
    lab.consul.answers = False
    assert lab.invoke(handler, announced(lab, instance_id, "core")) == []
    assert lab.hooks == [("complete", instance_id, "CONTINUE")]
    assert lab.swarm.calls == []


@pytest.mark.parametrize("asg", ["lab-gone", "another-workers"])
def test_a_foreign_group_is_left_alone(lab: Lab, asg: str) -> None:
    body = lab.lifecycle_event("terminate", leaving(lab), asg=asg)
    assert lab.invoke(handler, body) == []
    assert (lab.hooks, lab.swarm.calls, lab.consul.calls) == ([], [], [])


@pytest.mark.parametrize("body", ["rubbish", "{}", "[1]"])
def test_what_is_no_termination_goes_to_the_dead_letters(lab: Lab, body: str) -> None:
    assert lab.invoke(handler, body) == []
    assert [each["Body"] for each in lab.dead_letters()] == [body]


# -- AWS fails -----------------------------------------------------------------------------------------


def test_a_hook_whose_time_is_up_is_no_error(lab: Lab) -> None:
    instance_id = leaving(lab)
    body = announced(lab, instance_id)
    with lab.failing("CompleteLifecycleAction", "ValidationError"):
        assert lab.invoke(handler, body) == []
    assert lab.said("removed")[0]["answered"] is False


def test_while_consul_cannot_be_asked_the_hook_of_a_machine_that_works_is_held(lab: Lab) -> None:
    instance_id = leaving(lab, "core")
    body = announced(lab, instance_id, "core", seconds_ago=1800)
    lab.consul.broken.add("put")
    assert lab.invoke(handler, body) == [body]
    assert lab.hooks == [("heartbeat", instance_id, "")]


def test_swarm_that_fails_half_way_is_tried_again(lab: Lab) -> None:
    instance_id, name = leaving(lab), lab.name("workers")
    body = announced(lab, instance_id)
    lab.swarm.__dict__["of_node"] = lambda *_: (500, {"message": "rpc error"})
    assert lab.invoke(handler, body) == [body]
    del lab.swarm.__dict__["of_node"]
    assert lab.invoke(handler, body) == []
    assert name not in lab.swarm.names()
    assert answers(lab) == [("complete", instance_id, "CONTINUE")]
