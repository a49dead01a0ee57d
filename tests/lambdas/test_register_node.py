"""Launch hooks: admitted, waited for, given up."""

from __future__ import annotations

import time
from typing import Any

import pytest
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult

from lambdas.register_node.environment import Environment
from lambdas.register_node.handler import handler
from lambdas.shared.environment import InvalidEnvironment, read
from swarmer.adapters import aws
from swarmer.core import names
from tests.lambdas.lab import Lab, event

ABANDONED = {
    "Description": "Launching a new EC2 instance: i-0123456789abcdef0",
    "StatusCode": "Cancelled",
    "StatusMessage": "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token 1 was "
    "abandoned: Lifecycle Action Completed with ABANDON Result",
}


def launched(lab: Lab, group: str = "workers") -> str:
    instance_id = lab.set_lifecycle(group, 0, "Pending:Wait")
    lab.launched(instance_id, 20)
    return instance_id


def announced(lab: Lab, instance_id: str, group: str = "workers", seconds_ago: float = 20) -> str:
    return lab.lifecycle_event("launch", instance_id, asg=f"lab-{group}", seconds_ago=seconds_ago)


@pytest.mark.parametrize("group", ["core", "workers"])
def test_a_member_in_its_role_is_recorded_and_admitted(lab: Lab, group: str, metrics: Any) -> None:
    instance_id = launched(lab, group)
    lab.consul.keys.clear()
    assert lab.invoke(handler, announced(lab, instance_id, group)) == []
    assert lab.hooks == [("complete", instance_id, "CONTINUE")]
    assert lab.consul.notes(names.KV_NODES) == {lab.name(group)}
    assert metrics() == {"Messages": [1], "Admitted": [1]}
    assert [line["node"] for line in lab.said("admitted")] == [lab.name(group)]


def test_one_that_is_no_member_yet_is_waited_for_without_a_word_to_its_hook(lab: Lab) -> None:
    instance_id = launched(lab)
    del lab.consul.states[lab.name("workers")]
    body = announced(lab, instance_id)
    assert lab.invoke(handler, body) == [body]
    assert lab.hooks == []
    assert lab.said("waits")[0]["reason"] == "Consul sees it nowhere"
    assert lab.delays == [2]  # seconds until the message is visible again


def test_a_server_without_a_vote_is_waited_for(lab: Lab) -> None:
    instance_id = launched(lab, "core")
    lab.consul.voters[lab.name("core")] = False
    assert len(lab.invoke(handler, announced(lab, instance_id, "core"))) == 1


def test_a_manager_that_is_not_reachable_is_waited_for(lab: Lab) -> None:
    instance_id = launched(lab, "core")
    lab.swarm.row(lab.name("core"))["ManagerStatus"]["Reachability"] = "unreachable"
    assert len(lab.invoke(handler, announced(lab, instance_id, "core"))) == 1


def test_a_swarm_that_is_not_the_clusters_own_counts_for_nothing(lab: Lab) -> None:
    """An address may be another machine's by now."""
    instance_id = launched(lab)
    lab.swarm.id = "another"
    assert len(lab.invoke(handler, announced(lab, instance_id))) == 1
    assert lab.said("waits")[0]["reason"] == "no Swarm manager with a quorum answers"


def test_a_founding_is_noticed_at_once(lab: Lab) -> None:
    instance_id = launched(lab)
    ssm, name = aws.client("ssm"), names.identity_parameter("lab")
    ssm.put_parameter(Name=name, Value="unfounded", Overwrite=True)
    body = announced(lab, instance_id)
    assert lab.invoke(handler, body) == [body]
    ssm.put_parameter(Name=name, Value=lab.swarm.id, Overwrite=True)
    assert lab.invoke(handler, body) == []


def test_a_cluster_whose_identity_is_not_there_has_no_swarm(lab: Lab) -> None:
    instance_id = launched(lab)
    aws.client("ssm").delete_parameter(Name=names.identity_parameter("lab"))
    assert len(lab.invoke(handler, announced(lab, instance_id))) == 1


def test_after_the_deadline_it_is_given_up_and_its_console_is_kept(lab: Lab, metrics: Any) -> None:
    instance_id = launched(lab)
    lab.launched(instance_id, 601)
    del lab.consul.states[lab.name("workers")]
    assert lab.invoke(handler, announced(lab, instance_id, seconds_ago=601)) == []
    assert lab.hooks == [("complete", instance_id, "ABANDON")]
    (line,) = lab.said("given up")
    assert line["reason"].startswith("Consul sees it nowhere, 60")
    assert line["console"]
    assert metrics()["Abandoned"] == [1]
    assert suspended(lab, "workers") == []


@pytest.mark.parametrize("founded", [True, False], ids=["founded", "never founded"])
def test_a_replacement_outlasts_a_lost_majority(lab: Lab, founded: bool) -> None:
    instance_id = launched(lab, "core")
    lab.launched(instance_id, 601)
    for at in range(3):
        if lab.ids("core")[at] != instance_id and not founded:
            lab.set_lifecycle("core", at, "Pending:Wait")
    lab.consul.has_leader = False
    body = announced(lab, instance_id, "core", seconds_ago=601)
    assert lab.invoke(handler, body) == ([body] if founded else [])
    assert lab.hooks == [("heartbeat", instance_id, "") if founded else ("complete", instance_id, "ABANDON")]


def test_a_replacement_that_was_held_is_given_time_after_the_recovery(lab: Lab) -> None:
    instance_id = launched(lab)
    lab.launched(instance_id, 700)
    del lab.consul.states[lab.name("workers")]
    body = announced(lab, instance_id, seconds_ago=700)
    assert lab.invoke(handler, body) == [body]
    assert lab.name("workers") in lab.consul.notes(names.KV_MISSING)
    lab.consul.keys[f"{names.KV_MISSING}{lab.name('workers')}"] = str(time.time() - 61)
    assert lab.invoke(handler, body) == []
    assert lab.hooks[-1] == ("complete", instance_id, "ABANDON")


def suspended(lab: Lab, group: str) -> list[str]:
    return [process["ProcessName"] for process in lab.asg(group).suspended_processes]


def fail_launches(lab: Lab, count: int) -> None:
    lab.monkeypatch.setattr(
        AutoScalingResponse,
        "describe_scaling_activities",
        lambda self: ActionResult({"Activities": [ABANDONED] * count}),
    )


@pytest.mark.parametrize(("before", "stops"), [(1, False), (2, True)])
def test_the_third_failed_boot_in_a_row_stops_the_launching(
    lab: Lab, before: int, stops: bool, metrics: Any
) -> None:
    instance_id = launched(lab)
    lab.launched(instance_id, 601)
    del lab.consul.states[lab.name("workers")]
    fail_launches(lab, before)
    assert lab.invoke(handler, announced(lab, instance_id)) == []
    assert suspended(lab, "workers") == (["Launch"] if stops else [])
    assert metrics().get("BreakerOpen", []) == ([1] if stops else [])
    assert lab.hooks == [("complete", instance_id, "ABANDON")]


def test_launching_is_stopped_before_the_instance_is_given_up(lab: Lab) -> None:
    """The other way round Auto Scaling would have launched the next one already."""
    instance_id = launched(lab)
    lab.launched(instance_id, 601)
    del lab.consul.states[lab.name("workers")]
    fail_launches(lab, 2)
    body = announced(lab, instance_id)
    with lab.failing("SuspendProcesses"):
        assert lab.invoke(handler, body) == [body]
    assert lab.hooks == []


def test_a_console_that_cannot_be_read_keeps_nothing_alive(lab: Lab) -> None:
    instance_id = launched(lab)
    lab.launched(instance_id, 601)
    lab.terminate(instance_id)
    with lab.failing("GetConsoleOutput", "UnauthorizedOperation"):
        assert lab.invoke(handler, announced(lab, instance_id)) == []
    assert lab.hooks == [("complete", instance_id, "ABANDON")]
    assert "UnauthorizedOperation" in lab.said("given up")[0]["console"]


def test_machines_of_older_kinds_tell_their_console_too(lab: Lab) -> None:
    instance_id = launched(lab)
    lab.terminate(instance_id)
    with lab.failing("GetConsoleOutput", "UnsupportedOperation") as called:
        assert lab.invoke(handler, announced(lab, instance_id)) == []
    assert called.count("GetConsoleOutput") == 2


def test_an_event_that_comes_twice_has_one_effect(lab: Lab) -> None:
    instance_id = launched(lab)
    body = announced(lab, instance_id)
    assert lab.invoke(handler, body, body) == []
    assert lab.invoke(handler, body) == []
    assert lab.hooks == [("complete", instance_id, "CONTINUE")]


@pytest.mark.parametrize("state", ["InService", "Terminating:Wait"])
def test_an_event_that_comes_too_late_is_ignored(lab: Lab, state: str) -> None:
    instance_id = lab.set_lifecycle("workers", 0, state)
    assert lab.invoke(handler, announced(lab, instance_id, seconds_ago=999)) == []
    assert lab.hooks == []


@pytest.mark.parametrize("asg", ["lab-gone", "another-workers"])
def test_a_foreign_group_is_left_alone(lab: Lab, asg: str) -> None:
    body = lab.lifecycle_event("launch", lab.ids("workers")[0], asg=asg)
    assert lab.invoke(handler, body) == []
    assert lab.hooks == []
    assert lab.said("ignored: no group of this cluster")[0]["asg"] == asg


def test_a_group_with_the_clusters_prefix_and_another_clusters_tag_is_foreign(lab: Lab) -> None:
    lab.asg("workers").tags[0]["value"] = "other"
    for tag in lab.asg("workers").tags:
        tag["Value"] = "other" if tag.get("Key") == names.TAG_CLUSTER else tag.get("Value")
    instance_id = launched(lab)
    assert lab.invoke(handler, announced(lab, instance_id)) == []
    assert lab.hooks == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no JSON",
        "{}",
        event("aws.autoscaling", "EC2 Instance-launch Lifecycle Action", {}),
        event("aws.ec2", "EC2 Instance State-change Notification", {"instance-id": "i-1", "state": "x"}),
    ],
)
def test_what_is_no_launch_goes_to_the_dead_letters_at_once_with_the_reason(
    lab: Lab, body: str, metrics: Any
) -> None:
    body = body or " "
    assert lab.invoke(handler, body) == []
    (dead,) = lab.dead_letters()
    assert dead["Body"] == body
    assert dead["MessageAttributes"]["reason"]["StringValue"]
    assert metrics()["Malformed"] == [1]


def test_a_termination_in_the_wrong_queue_is_malformed(lab: Lab) -> None:
    assert lab.invoke(handler, lab.lifecycle_event("terminate", lab.ids("workers")[0])) == []
    assert len(lab.dead_letters()) == 1


def test_one_bad_message_does_not_keep_the_others_from_theirs(lab: Lab) -> None:
    instance_id = launched(lab)
    waiting = lab.set_lifecycle("workers", 1, "Pending:Wait")
    del lab.consul.states[lab.name("workers", 1)]
    late = announced(lab, waiting)
    assert lab.invoke(handler, "rubbish", late, announced(lab, instance_id)) == [late]
    assert lab.hooks == [("complete", instance_id, "CONTINUE")]


def test_where_even_the_delay_fails_the_message_stays(lab: Lab) -> None:
    instance_id = launched(lab)
    del lab.consul.states[lab.name("workers")]
    body = announced(lab, instance_id)
    with lab.failing("ChangeMessageVisibility"):
        assert lab.invoke(handler, body) == [body]
    assert lab.said("cannot delay")


def test_where_the_dead_letters_cannot_be_reached_the_message_stays(lab: Lab) -> None:
    with lab.failing("SendMessage"):
        answer = handler(
            {
                "Records": [
                    {
                        "messageId": "1",
                        "receiptHandle": "r",
                        "body": "rubbish",
                        "attributes": {"ApproximateReceiveCount": "1"},
                    }
                ]
            },
            lab.context,
        )
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}


def test_consul_that_fails_half_way_is_tried_again(lab: Lab) -> None:
    instance_id = launched(lab)
    body = announced(lab, instance_id)
    lab.consul.broken.add("put")
    assert lab.invoke(handler, body) == [body]
    assert lab.hooks == []
    lab.consul.broken.clear()
    assert lab.invoke(handler, body) == []


def test_consul_that_fails_once_after_a_dozen_looks_is_asked_again_soon(lab: Lab) -> None:
    """Seen as the message's age: what it was received for were waits."""
    now_ms = time.time() * 1000
    body = announced(lab, launched(lab))
    attributes = {"ApproximateReceiveCount": "12", "SentTimestamp": str(round(now_ms - 30_000))}
    message = {"messageId": "1", "receiptHandle": "r", "body": body, "attributes": attributes}
    lab.consul.broken.add("put")
    handler({"Records": [message]}, lab.context)
    (delay_s,) = lab.delays
    assert 15 <= delay_s <= 20


def test_a_fault_of_ours_is_told_and_tried_again(lab: Lab, metrics: Any) -> None:
    instance_id = launched(lab)
    lab.monkeypatch.setattr("lambdas.shared.launches.observe", lambda *_: 1 / 0)
    body = announced(lab, instance_id)
    assert lab.invoke(handler, body) == [body]
    assert metrics()["Failures"] == [1]
    assert "ZeroDivisionError" in lab.said("failed")[0]["exception"]


def test_no_message_is_begun_without_the_time_for_it(lab: Lab) -> None:
    instance_id = launched(lab)
    lab.context.left_ms = 14_000
    body = announced(lab, instance_id)
    assert lab.invoke(handler, body) == [body]
    assert lab.hooks == []


def test_an_environment_that_lacks_something_is_told_completely(lab: Lab) -> None:
    lab.monkeypatch.delenv("CLUSTER")
    lab.monkeypatch.setenv("FAILED_BOOTS", "many")
    lab.monkeypatch.setenv("QUEUE_URL", "")
    with pytest.raises(InvalidEnvironment) as caught:
        read(Environment)
    assert "CLUSTER is not set" in str(caught.value)
    assert "FAILED_BOOTS" in str(caught.value)
    assert "QUEUE_URL: it is empty" in str(caught.value)


def test_while_the_cluster_is_being_made_a_worker_waits_for_the_first_server(lab: Lab) -> None:
    """CloudFormation makes the groups in any order."""
    instance_id = launched(lab)
    lab.forget_group("core")
    lab.consul.answers = False
    body = announced(lab, instance_id)
    assert lab.invoke(handler, body) == [body]
    assert lab.said("waits")[0]["reason"] == "no Consul server answers"


def test_into_a_cluster_that_is_being_deleted_nobody_is_let(lab: Lab) -> None:
    instance_id = launched(lab)
    lab.asg("core").desired_capacity = 0
    lab.consul.answers = False
    assert lab.invoke(handler, announced(lab, instance_id)) == []
    assert lab.hooks == [("complete", instance_id, "ABANDON")]
