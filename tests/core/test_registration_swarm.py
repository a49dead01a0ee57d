"""Tasks of a Swarm, and what it publishes through the routing mesh."""

from __future__ import annotations

import json
from typing import Any

from swarmer.core.registration import MARKER, routing_mesh
from swarmer.core.state import SwarmNode
from tests.core.inspected import container, options, service

LABELS = {
    "com.docker.swarm.service.name": "shop_web",
    "com.docker.stack.namespace": "shop",
    "com.docker.swarm.task.name": "shop_web.2.x7k3",
}
NODES = [
    SwarmNode(id="a", name="a", role="manager", state="ready", reachability="reachable", is_leader=True),
    SwarmNode(id="b", name="b", role="manager", state="ready", reachability="reachable"),
    SwarmNode(id="c", name="c", role="worker", state="down"),
]


def published(**values: Any) -> dict[str, Any]:
    """A service of Swarm's, as a manager's API gives it."""
    return {
        "Spec": {
            "Name": "shop_web",
            "Labels": {"com.docker.stack.namespace": "shop", **values.pop("labels", {})},
            "TaskTemplate": {"ContainerSpec": {"Image": "nginx:1", "Env": values.pop("env", [])}},
        },
        "Endpoint": {
            "Ports": values.pop(
                "ports",
                [{"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "ingress"}],
            )
        },
        "ServiceStatus": {"RunningTasks": 1, "DesiredTasks": 2},
        **values,
    }


def declared(*services: dict[str, Any], node: str = "b") -> list[Any]:
    return routing_mesh.services(json.dumps(routing_mesh.published(services, NODES).value), node, options())


def test_a_task_carries_its_service_stack_node_and_slot() -> None:
    found = service(container(labels=LABELS, env=["SERVICE_TAGS=own"]))
    assert found.tags == ("own", "service-shop_web", "stack-shop", "node-n1", "slot-2")
    assert found.meta.items() >= {
        ("swarm-service", "shop_web"),
        ("swarm-stack", "shop"),
        ("swarm-node", "n1"),
        ("swarm-slot", "2"),
    }


def test_a_task_of_a_global_service_has_no_slot_and_one_of_no_stack_no_stack() -> None:
    task = {"com.docker.swarm.service.name": "web", "com.docker.swarm.task.name": "web.n0de1d.x7k3"}
    assert service(container(labels=task)).tags == ("service-web", "node-n1")


def test_a_container_outside_a_swarm_carries_none_of_it() -> None:
    assert service(container(labels={"com.docker.stack.namespace": "shop"})).tags == ()


def test_a_service_of_the_mesh_is_declared_by_each_node_that_answers() -> None:
    (found,) = declared(published())
    assert (found.id, found.name, found.address, found.port) == (
        *("n1:mesh.shop_web:80", "shop_web", "10.0.0.4", 8080),
    )
    assert found.tags == ("service-shop_web", "stack-shop", "node-n1", "mesh")
    assert found.meta[MARKER] == "n1"
    assert declared(published(), node="c") == []  # down
    assert declared(published(), node="z") == []  # of another Swarm
    assert declared(published(), node="") == []  # of none


def test_a_service_of_the_mesh_is_named_like_any_other() -> None:
    env = ["SERVICE_NAME=web", "SERVICE_CHECK_TCP=1", "SECRET=x"]
    assert declared(published(env=env))[0].name == "web"
    assert declared(published(labels={"SERVICE_80_NAME": "front"}, env=env))[0].name == "front"
    assert declared(published(env=env))[0].check == {"TCP": "10.0.0.4:8080", "Interval": "10s"}
    assert declared(published(env=["SERVICE_IGNORE=1"])) == []
    assert "SECRET" not in json.dumps(routing_mesh.published([published(env=env)], NODES).value)


def test_only_what_the_mesh_publishes_is_written() -> None:
    host = {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "host"}
    assert (
        routing_mesh.published([published(ports=[host]), published(ports=None)], NODES).value["services"]
        == []
    )


def test_a_service_without_a_running_task_waits() -> None:
    starting = published(ServiceStatus={"RunningTasks": 0, "DesiredTasks": 1})
    stopped = published(ServiceStatus={"RunningTasks": 0, "DesiredTasks": 0})
    assert routing_mesh.published([starting], NODES) == routing_mesh.Published(
        {"nodes": ["a", "b"], "services": []}, True
    )
    assert not routing_mesh.published([stopped], NODES).is_waiting
    # An engine before 20.10 does not count them.
    assert routing_mesh.published([published(ServiceStatus=None)], NODES).value["services"]


def test_only_the_leader_writes() -> None:
    assert routing_mesh.is_leader(NODES, "a")
    assert not routing_mesh.is_leader(NODES, "b")


def test_whatever_else_stands_in_the_key_declares_nothing() -> None:
    for text in ("", "x", "[]", "{}", "[" * 100000, '{"nodes": ["b"], "services": [1, {"ports": 3}, {}]}'):
        assert routing_mesh.services(text, "b", options()) == []
