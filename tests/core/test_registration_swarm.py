"""Tasks of a Swarm, and what it publishes through the routing mesh."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from swarmer.core.registration import MARKER, routing_mesh
from swarmer.core.registration.templates import Template
from swarmer.core.state import ServicePort, SwarmNode, SwarmService
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


INGRESS = ServicePort(protocol="tcp", target=80, published=8080, is_ingress=True)
WEB = SwarmService(
    id="s1",
    name="shop_web",
    labels={"com.docker.stack.namespace": "shop"},
    ports=(INGRESS,),
    running_tasks=1,
    desired_tasks=2,
)


def value(*services: SwarmService) -> Any:
    return routing_mesh.published(services, NODES).value


def declared(*services: SwarmService, node: str = "b") -> list[Any]:
    return routing_mesh.services(json.dumps(value(*services)), node, options())


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
    (found,) = declared(WEB)
    assert (found.id, found.name, found.address, found.port) == (
        *("n1:mesh.shop_web:80", "shop_web", "10.0.0.4", 8080),
    )
    assert found.tags == ("service-shop_web", "stack-shop", "node-n1", "mesh")
    assert found.meta[MARKER] == "n1"
    assert declared(WEB, node="c") == []  # down
    assert declared(WEB, node="z") == []  # of another Swarm
    assert declared(WEB, node="") == []  # of none


def test_a_service_of_the_mesh_is_named_like_any_other() -> None:
    web = replace(WEB, env=("SERVICE_NAME=web", "SERVICE_CHECK_TCP=1", "SECRET=x"))
    assert declared(web)[0].name == "web"
    assert declared(replace(web, labels={"SERVICE_80_NAME": "front"}))[0].name == "front"
    assert declared(web)[0].check == {"TCP": "10.0.0.4:8080", "Interval": "10s"}
    assert declared(replace(web, env=("SERVICE_IGNORE=1",))) == []
    assert "SECRET" not in json.dumps(value(web))


def test_a_template_of_tags_reads_a_service_of_the_mesh_like_a_container() -> None:
    who = options(tags=Template("{{ .Name }},{{ .Config.Image }}"))
    (found,) = routing_mesh.services(json.dumps(value(WEB)), "b", who)
    assert found.tags[:2] == ("/mesh.shop_web", "shop_web")


def test_only_what_the_mesh_publishes_is_written() -> None:
    on_hosts, unassigned = replace(INGRESS, is_ingress=False), replace(INGRESS, published=0)
    assert value(*(replace(WEB, ports=ports) for ports in ((on_hosts,), (unassigned,), ()))) == {
        "nodes": ["a", "b"],
        "services": [],
    }


def test_what_is_written_is_sorted_and_the_first_port_counts() -> None:
    other, again = replace(INGRESS, target=443, published=8443), replace(INGRESS, published=9090)
    first = replace(WEB, name="api", ports=(INGRESS, other, again))
    assert [each["name"] for each in value(WEB, first)["services"]] == ["api", "shop_web"]
    assert list(value(first)["services"][0]["ports"].items()) == [("443/tcp", 8443), ("80/tcp", 8080)]


def test_a_service_without_a_running_task_waits() -> None:
    starting, stopped = replace(WEB, running_tasks=0), replace(WEB, running_tasks=0, desired_tasks=0)
    nothing = {"nodes": ["a", "b"], "services": []}
    assert routing_mesh.published([starting], NODES) == routing_mesh.Published(nothing, True)
    assert not routing_mesh.published([stopped], NODES).is_waiting
    # An engine before 20.10 does not count them.
    assert value(replace(WEB, running_tasks=None, desired_tasks=0))["services"]


def test_only_the_leader_writes() -> None:
    assert routing_mesh.is_leader(NODES, "a")
    assert not routing_mesh.is_leader(NODES, "b")


def test_whatever_else_stands_in_the_key_declares_nothing() -> None:
    for text in ("", "x", "[]", "{}", "[" * 100000, '{"nodes": ["b"], "services": [1, {"ports": 3}, {}]}'):
        assert routing_mesh.services(text, "b", options()) == []
