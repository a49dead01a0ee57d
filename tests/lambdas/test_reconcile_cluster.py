"""The sweep: ghosts, missed hooks, nodes that are of no use, alarms."""

from __future__ import annotations

import time
from typing import Any

import pytest

from lambdas.reconcile_cluster.handler import handler
from lambdas.shared import voting_lock
from swarmer.adapters import auto_scaling, aws
from swarmer.core import names
from swarmer.core.healing import departure, pacing, reconciliation
from swarmer.core.healing.reconciliation import HOOK_GRACE_S
from swarmer.core.healing.world import Marker
from tests.lambdas.lab import Lab, event, remains, state_change, tick


def result(lab: Lab, asg: str = "lab-workers") -> str:
    detail = {"AutoScalingGroupName": asg, "EC2InstanceId": lab.ids("workers")[0]}
    return event("aws.autoscaling", "EC2 Instance Terminate Successful", detail)


def test_a_healthy_cluster_is_left_alone(lab: Lab, metrics: Any) -> None:
    assert lab.invoke(handler, tick()) == []
    assert (lab.consul.calls, lab.swarm.calls, lab.hooks) == ([], [], [])
    assert metrics() == {"Messages": [1], "QuorumAtRisk": [0], "BreakerOpen": [0]}


@pytest.mark.parametrize("group", ["core", "workers"])
def test_a_console_termination_is_purged_with_its_event(lab: Lab, group: str, metrics: Any) -> None:
    """Auto Scaling has not noticed yet: its instance is still in service there."""
    instance_id, name = lab.die(group), lab.name(group)
    assert lab.invoke(handler, state_change(instance_id)) == []
    assert remains(lab, name) == []
    assert lab.hooks == []
    assert metrics()["Purged"] == [1]
    assert lab.said("purged")[0]["node"] == name


def test_a_machine_that_only_shuts_down_yet_is_looked_at_again_until_consul_notices(lab: Lab) -> None:
    instance_id, name = lab.ids("workers")[0], lab.name("workers")
    lab.set_ec2_state(instance_id, "shutting-down")
    lab.swarm.die(name)
    body = state_change(instance_id, "shutting-down")
    assert lab.invoke(handler, body) == [body]
    assert lab.delays == [pacing.SWEEP_RETRY_PAUSE_S]
    lab.consul.states[name] = "failed"
    assert lab.invoke(handler, body) == []
    assert remains(lab, name) == []


@pytest.mark.parametrize("group", ["core", "workers"])
def test_a_termination_that_only_ec2_knows_of_yet_is_looked_at_again(lab: Lab, group: str) -> None:
    """Its event comes within a moment: Auto Scaling, Consul and Swarm still see the node well."""
    instance_id, name = lab.ids(group)[0], lab.name(group)
    lab.terminate(instance_id)
    body = state_change(instance_id)
    assert lab.invoke(handler, body) == [body]
    assert lab.delays == [pacing.SWEEP_RETRY_PAUSE_S]
    lab.consul.states[name] = "failed"
    assert lab.invoke(handler, body) == []
    assert remains(lab, name) == []


def test_steps_beyond_the_functions_time_are_left_to_the_next_sweep(lab: Lab) -> None:
    """Hundreds that leave at once: the sweep was killed half-way, which an alarm tells of."""
    for at in range(2):
        lab.die("workers", at)
    left = iter([60_000, 60_000, 14_000])  # before the message, before each of two steps
    lab.monkeypatch.setattr(lab.context, "get_remaining_time_in_millis", lambda: next(left))
    body = tick()
    assert lab.invoke(handler, body) == [body]
    assert len(lab.said("purged")) == 1
    # A schedule's turn is in no hurry: only who tells of a loss asks again at once.
    assert lab.delays == [pacing.SCHEDULED_SWEEP_PAUSE_S]


def test_launches_that_take_all_the_time_keep_nobody_from_being_replaced(lab: Lab) -> None:
    missed(lab, 301)
    for at in range(3):
        lab.launched(lab.set_lifecycle("core", at, "Pending:Wait"), 200)
    gone = lab.name("workers", 1)
    lab.consul.states[gone] = "failed"
    left = iter([60_000, 60_000, 60_000, 14_000])  # before the message, `record_missing`, `mark_unhealthy`
    lab.monkeypatch.setattr(lab.context, "get_remaining_time_in_millis", lambda: next(left))
    lab.monkeypatch.setattr(reconciliation, "_too_many", lambda *_: False)
    body = tick()
    assert lab.invoke(handler, body) == [body]
    assert lab.states("workers")[0].health_status == "Unhealthy"
    assert gone in lab.consul.notes(names.KV_MISSING)
    assert lab.hooks == []


def test_a_node_that_joined_swarm_a_moment_ago_has_no_name_there_yet(lab: Lab) -> None:
    lab.swarm.row(lab.name("workers"))["Description"] = {}
    assert lab.invoke(handler, tick()) == []
    assert lab.said("failed") == []


def test_a_manager_that_a_recovery_put_out_of_raft_is_purged_too(lab: Lab) -> None:
    instance_id, name = lab.die("core"), lab.name("core")
    lab.swarm.out_of_raft.add(name)
    assert lab.invoke(handler, state_change(instance_id)) == []
    assert remains(lab, name) == []


@pytest.mark.parametrize("state", ["running", "stopped", "stopping"])
def test_a_node_whose_machine_may_come_back_is_not_purged(lab: Lab, state: str) -> None:
    instance_id, name = lab.die("workers"), lab.name("workers")
    lab.set_ec2_state(instance_id, state)
    assert lab.invoke(handler, state_change(instance_id, "stopped")) == []
    assert {"Swarm", "members", "catalogue"} <= set(remains(lab, name))


def test_an_event_that_was_lost_costs_a_minute(lab: Lab) -> None:
    name = lab.name("workers")
    lab.die("workers")
    assert lab.invoke(handler, tick()) == []
    assert remains(lab, name) == []


def test_a_ghost_of_long_ago_is_purged(lab: Lab) -> None:
    ghost = "workers-i-0123456789abcdef0"
    lab.consul.add(ghost, server=False)
    lab.swarm.add(ghost, manager=False)
    lab.consul.states[ghost] = "failed"
    assert lab.invoke(handler, tick()) == []
    assert {"Swarm", "members"} <= set(remains(lab, ghost))  # it is ready in Swarm: that is no ghost
    lab.swarm.die(ghost)
    assert lab.invoke(handler, tick()) == []
    assert remains(lab, ghost) == []


def test_a_member_that_is_no_instance_is_nobodys_business(lab: Lab) -> None:
    lab.consul.add("laptop", server=False)
    lab.consul.states["laptop"] = "failed"
    assert lab.invoke(handler, tick()) == []
    assert remains(lab, "laptop") == ["members", "catalogue", "notes"]


def test_without_a_majority_nothing_is_purged(lab: Lab, metrics: Any) -> None:
    name = lab.name("workers")
    lab.die("workers")
    lab.consul.has_leader = False
    assert lab.invoke(handler, tick()) == []
    assert "members" in remains(lab, name)
    assert (lab.consul.calls, lab.swarm.calls) == ([], [])
    assert metrics()["QuorumAtRisk"] == [1]


# -- hooks that were missed ----------------------------------------------------------------------------


def test_a_termination_that_nobody_announced_is_finished(lab: Lab) -> None:
    instance_id, name = lab.set_lifecycle("workers", 0, "Terminating:Wait"), lab.name("workers")
    assert lab.invoke(handler, tick()) == []
    assert lab.hooks == [("complete", instance_id, "CONTINUE")]
    assert name not in lab.swarm.names()
    assert lab.said("removed")[0]["missed"] is True


def test_a_termination_that_is_looked_after_is_left_to_its_function(lab: Lab) -> None:
    lab.set_lifecycle("workers", 0, "Terminating:Wait")
    lab.consul.keys[f"{names.KV_LEAVING}{lab.name('workers')}"] = Marker(since_s=time.time()).to_json()
    assert lab.invoke(handler, tick()) == []
    assert lab.hooks == []


def test_a_termination_that_has_to_wait_is_held(lab: Lab) -> None:
    instance_id = lab.set_lifecycle("core", 0, "Terminating:Wait")
    assert len(lab.invoke(handler, tick())) == 1
    assert lab.hooks == [("heartbeat", instance_id, "")]


@pytest.mark.parametrize(("ready", "result"), [(True, "CONTINUE"), (False, "ABANDON")])
def test_a_launch_that_nobody_announced_is_answered(lab: Lab, ready: bool, result: str) -> None:
    instance_id = lab.set_lifecycle("workers", 0, "Pending:Wait")
    lab.launched(instance_id, 601)
    if not ready:
        del lab.consul.states[lab.name("workers")]
    assert lab.invoke(handler, tick()) == []
    assert lab.hooks == [("complete", instance_id, result)]


def test_a_launch_that_has_time_left_is_left_to_its_function(lab: Lab) -> None:
    instance_id = lab.set_lifecycle("workers", 0, "Pending:Wait")
    lab.launched(instance_id, 200)
    del lab.consul.states[lab.name("workers")]
    assert lab.invoke(handler, tick()) == []
    assert lab.hooks == []


# -- instances that Auto Scaling keeps --------------------------------------------------------------


def kept(lab: Lab) -> tuple[str, str]:
    """ID and name of a core node whose hook nobody answered."""
    return lab.set_lifecycle("core", 0, "Terminating:Retained"), lab.name("core")


def hang(lab: Lab, at: int) -> None:
    """Have a core node answer no other, although its machine runs."""
    name = lab.name("core", at)
    lab.consul.states[name] = "failed"
    lab.swarm.die(name)


def replacement(lab: Lab) -> None:
    """Have the kept node's replacement vote."""
    lab.consul.add("core-i-0aaaaaaaaaaaaaaaa", server=True)
    lab.swarm.add("core-i-0aaaaaaaaaaaaaaaa", manager=True)


def ended(lab: Lab, called: list[str], instance_id: str) -> bool:
    return "TerminateInstanceInAutoScalingGroup" in called and instance_id not in lab.ids("core")


def test_a_kept_node_is_removed_in_order_and_then_ended(lab: Lab, metrics: Any) -> None:
    instance_id, name = kept(lab)
    replacement(lab)
    with lab.failing("Nothing") as called:
        assert lab.invoke(handler, tick()) == []
    assert name not in lab.swarm.names() | lab.consul.catalogue | set(lab.consul.voters)
    assert ended(lab, called, instance_id)
    assert lab.said("ended")[0]["node"] == name
    assert lab.hooks == []
    assert metrics()["QuorumAtRisk"] == [0]


def test_its_group_keeps_its_size(lab: Lab) -> None:
    kept(lab)
    replacement(lab)
    lab.invoke(handler, tick())
    assert lab.asg("core").desired_capacity == 3


def test_a_kept_node_stays_until_its_replacement_votes(lab: Lab) -> None:
    instance_id, name = kept(lab)
    with lab.failing("Nothing") as called:
        assert len(lab.invoke(handler, tick())) == 1
    assert not ended(lab, called, instance_id)
    assert name in lab.consul.voters
    assert lab.said("kept")[0]["reason"] == "Swarm managers: its replacement has no vote yet"


def test_a_kept_node_without_which_there_is_no_majority_is_kept_for_days(lab: Lab, metrics: Any) -> None:
    instance_id, name = kept(lab)
    hang(lab, 1)
    told = Marker(since_s=time.time() - 5 * 86_400)
    lab.consul.keys[f"{names.KV_LEAVING}{name}"] = told.to_json()
    with lab.failing("Nothing") as called:
        assert lab.invoke(handler, tick()) == []
    assert not ended(lab, called, instance_id)
    assert name in lab.consul.voters
    assert lab.swarm.row(name)["Spec"]["Role"] == "manager"
    assert lab.said("kept")[0]["at_risk"] is True
    assert metrics()["QuorumAtRisk"] == [1]


def test_without_a_majority_a_kept_node_is_not_touched(lab: Lab) -> None:
    instance_id, _ = kept(lab)
    lab.consul.has_leader = False
    with lab.failing("Nothing") as called:
        lab.invoke(handler, tick())
    assert not ended(lab, called, instance_id)
    assert (lab.consul.calls, lab.swarm.calls) == ([], [])


def test_a_kept_instance_whose_machine_is_gone_is_ended_in_auto_scaling_too(lab: Lab) -> None:
    kept(lab)
    instance_id, name = lab.die("core"), lab.name("core")
    with lab.failing("Nothing") as called:
        lab.invoke(handler, tick())
    assert ended(lab, called, instance_id)
    assert remains(lab, name) == []


def test_an_instance_that_is_kept_and_never_joined_is_ended(lab: Lab) -> None:
    """No function admitted the instance, and none answered the hook of its end."""
    instance_id, name = kept(lab)
    del lab.consul.states[name], lab.swarm.nodes[f"node-{name}"], lab.consul.keys[f"{names.KV_NODES}{name}"]
    lab.consul.catalogue.discard(name)
    del lab.consul.voters[name]
    with lab.failing("Nothing") as called:
        assert lab.invoke(handler, tick()) == []
    assert ended(lab, called, instance_id)


def test_a_cluster_that_is_being_deleted_keeps_no_instance(lab: Lab) -> None:
    instance_id, _ = kept(lab)
    waiting = lab.set_lifecycle("core", 1, "Terminating:Wait")
    lab.asg("core").desired_capacity = 0
    with lab.failing("Nothing") as called:
        assert lab.invoke(handler, tick()) == []
    assert ended(lab, called, instance_id)
    assert lab.hooks == [("complete", waiting, "CONTINUE")]
    assert (lab.consul.calls, lab.swarm.calls) == ([], [])


def test_an_end_that_aws_refuses_for_now_is_tried_again(lab: Lab) -> None:
    instance_id, _ = kept(lab)
    replacement(lab)
    body = tick()
    with lab.failing("TerminateInstanceInAutoScalingGroup"):
        assert lab.invoke(handler, body) == [body]
    assert instance_id in lab.ids("core")
    assert lab.invoke(handler, body) == []
    assert instance_id not in lab.ids("core")


def test_a_missed_hook_of_a_member_without_which_there_is_no_majority_is_abandoned(lab: Lab) -> None:
    instance_id, name = lab.set_lifecycle("core", 0, "Terminating:Wait"), lab.name("core")
    hang(lab, 1)
    told = Marker(since_s=time.time() - departure.QUORUM_TIMEOUT_S)
    lab.consul.keys[f"{names.KV_LEAVING}{name}"] = told.to_json()
    assert lab.invoke(handler, tick()) == []
    assert lab.hooks == [("complete", instance_id, "ABANDON")]


# -- nodes that are of no use -----------------------------------------------------------------------------


def missed(lab: Lab, seconds_ago: float) -> str:
    name = lab.name("workers")
    lab.consul.states[name] = "failed"
    lab.consul.keys[f"{names.KV_MISSING}{name}"] = str(time.time() - seconds_ago)
    return name


def test_a_node_that_is_missed_is_noted_and_forgotten_when_it_is_back(lab: Lab) -> None:
    name = lab.name("workers")
    lab.consul.states[name] = "failed"
    assert lab.invoke(handler, tick()) == []
    assert lab.consul.notes(names.KV_MISSING) == {name}
    lab.consul.states[name] = "alive"
    assert lab.invoke(handler, tick()) == []
    assert lab.consul.notes(names.KV_MISSING) == set()
    assert [line["node"] for line in lab.said("is back")] == [name]


def test_after_the_grace_time_it_is_replaced(lab: Lab, metrics: Any) -> None:
    missed(lab, 301)
    assert lab.invoke(handler, tick()) == []
    assert lab.states("workers")[0].health_status == "Unhealthy"
    assert lab.states("workers")[1].health_status == "Healthy"
    assert metrics()["Replaced"] == [1]


def test_within_the_grace_time_it_is_not(lab: Lab) -> None:
    missed(lab, 290)
    assert lab.invoke(handler, tick()) == []
    assert lab.states("workers")[0].health_status == "Healthy"


def test_a_note_that_is_rubbish_counts_as_old(lab: Lab) -> None:
    lab.consul.keys[f"{names.KV_MISSING}{missed(lab, 0)}"] = "rubbish"
    assert lab.invoke(handler, tick()) == []
    assert lab.states("workers")[0].health_status == "Unhealthy"


def test_a_breaker_that_is_open_stays_an_alarm(lab: Lab, metrics: Any) -> None:
    auto_scaling.suspend_launches("lab-workers")
    assert lab.invoke(handler, tick()) == []
    assert metrics()["BreakerOpen"] == [1]


# -- what a person changed in the Swarm ---------------------------------------------------------------------


def promote(lab: Lab, name: str) -> None:
    lab.swarm.row(name)["Spec"]["Role"] = "manager"
    lab.swarm.row(name)["ManagerStatus"] = {"Reachability": "reachable"}


def test_a_worker_that_a_person_promoted_is_demoted(lab: Lab) -> None:
    name = lab.name("workers")
    promote(lab, name)
    assert lab.invoke(handler, tick()) == []
    assert lab.swarm.calls == [f"worker active {name}"]
    assert lab.said("demoted")[0]["node"] == name
    assert lab.invoke(handler, tick()) == []
    assert len(lab.swarm.calls) == 1


def test_while_a_manager_is_missing_a_promoted_worker_keeps_its_vote(lab: Lab) -> None:
    promote(lab, lab.name("workers"))
    lab.swarm.die(lab.name("core"))
    assert lab.invoke(handler, tick()) == []
    assert lab.swarm.calls == []


def test_a_promoted_worker_is_demoted_only_under_the_lock_of_the_votes(lab: Lab) -> None:
    promote(lab, lab.name("workers"))
    lab.consul.locks[names.KV_HEALING_LOCK] = ("another-session", 1)
    lab.monkeypatch.setattr(voting_lock, "TRY_PAUSE_S", 0)
    body = tick()
    assert lab.invoke(handler, body) == [body]
    assert lab.swarm.calls == []


def test_under_the_lock_the_votes_are_looked_at_again(lab: Lab) -> None:
    """A manager died between the look and the lock."""
    promote(lab, lab.name("workers"))
    acquire = voting_lock._acquire

    def late(api: Any, session: str) -> bool:
        lab.swarm.die(lab.name("core"))
        return acquire(api, session)

    lab.monkeypatch.setattr(voting_lock, "_acquire", late)
    assert lab.invoke(handler, tick()) == []
    assert lab.swarm.calls == []


def test_the_dead_row_of_a_worker_that_left_and_joined_again_is_removed(lab: Lab) -> None:
    name = lab.name("workers")
    former = lab.swarm.nodes.pop(f"node-{name}")
    lab.swarm.nodes["former"] = {**former, "ID": "former", "Status": {"State": "down"}}
    assert lab.invoke(handler, tick()) == []
    assert lab.swarm.calls == []
    lab.swarm.add(name, manager=False)
    assert lab.invoke(handler, tick()) == []
    assert lab.swarm.calls == [f"remove {name}"]
    assert "former" not in lab.swarm.nodes


# -- events ---------------------------------------------------------------------------------------------


def test_any_number_of_events_is_one_sweep(lab: Lab) -> None:
    lab.die("workers")
    instance_id = lab.ids("workers")[0]
    with lab.failing("Nothing") as called:
        assert lab.invoke(handler, tick(), result(lab), *[state_change(instance_id)] * 6) == []
    assert called.count("DescribeAutoScalingGroups") == 1
    assert len(lab.said("purged")) == 1


def test_an_instance_of_somebody_else_wakes_nobody(lab: Lab) -> None:
    stranger = aws.client("ec2").run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)["Instances"][0]
    with lab.failing("Nothing") as called:
        assert lab.invoke(handler, state_change(stranger["InstanceId"])) == []
    assert "GetParameter" not in called
    assert lab.said("ignored: not of this cluster")


def test_another_clusters_group_wakes_nobody(lab: Lab) -> None:
    assert lab.invoke(handler, result(lab, "another-workers")) == []
    assert lab.said("ignored: not of this cluster")


def test_what_waits_for_long_is_left_to_the_next_schedule(lab: Lab) -> None:
    instance_id = lab.ids("workers")[0]
    lab.set_ec2_state(instance_id, "shutting-down")
    body = state_change(instance_id, seconds_ago=61)
    assert lab.invoke(handler, body) == []


@pytest.mark.parametrize("body", ["rubbish", "{}"])
def test_rubbish_goes_to_the_dead_letters(lab: Lab, body: str) -> None:
    assert lab.invoke(handler, body) == []
    assert [each["Body"] for each in lab.dead_letters()] == [body]


def test_a_cluster_that_is_not_there_yet_or_no_more_is_no_alarm(lab: Lab, metrics: Any) -> None:
    lab.monkeypatch.setattr(auto_scaling, "groups", lambda _: ())
    assert lab.invoke(handler, tick()) == []
    assert metrics()["QuorumAtRisk"] == [0]


# -- AWS fails ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["DescribeAutoScalingGroups", "DescribeInstances", "GetParameter"])
def test_without_a_look_at_aws_nothing_is_done_and_all_messages_come_again(lab: Lab, operation: str) -> None:
    lab.die("workers")
    bodies = [tick(), state_change(lab.ids("workers")[0])]
    with lab.failing(operation):
        assert lab.invoke(handler, *bodies) == bodies
    assert (lab.consul.calls, lab.swarm.calls) == ([], [])


@pytest.mark.parametrize("operation", ["CompleteLifecycleAction", "SetInstanceHealth"])
def test_a_part_that_fails_keeps_no_other_part_from_its_own(lab: Lab, operation: str) -> None:
    """The sweep fixes two of a ghost, a missed hook and an unhealthy node, and retries the third."""
    ghost = "workers-i-0123456789abcdef0"
    lab.consul.add(ghost, server=False)
    lab.consul.states[ghost] = "failed"
    missed(lab, 301)
    leaving = lab.set_lifecycle("workers", 1, "Terminating:Wait")
    body = tick()
    with lab.failing(operation):
        assert lab.invoke(handler, body) == [body]
    assert remains(lab, ghost) == []
    is_marked = lab.states("workers")[0].health_status == "Unhealthy"
    is_answered = ("complete", leaving, "CONTINUE") in lab.hooks
    assert (is_marked, is_answered) == (
        operation != "SetInstanceHealth",
        operation != "CompleteLifecycleAction",
    )
    # Once nobody has looked after it for long enough.
    told = Marker(since_s=time.time() - HOOK_GRACE_S - 1, stop_s=time.time())
    lab.consul.keys[f"{names.KV_LEAVING}{lab.name('workers', 1)}"] = told.to_json()
    assert lab.invoke(handler, body) == []
    assert ("complete", leaving, "CONTINUE") in lab.hooks


def test_aws_is_asked_by_page_and_only_for_what_is_not_simply_well(lab: Lab) -> None:
    with lab.failing("Nothing") as called:
        assert lab.invoke(handler, tick()) == []
    asked = [name for name in called if name.startswith("Describe")]
    assert asked == ["DescribeAutoScalingGroups", "DescribeInstances"]  # groups; servers and managers
