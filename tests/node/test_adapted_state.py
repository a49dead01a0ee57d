"""Values that the adapters make of the JSON of Consul and of Docker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from swarmer.adapters import consul_json, docker_json
from swarmer.adapters.consul import Consul
from swarmer.adapters.consul import Unavailable as ConsulUnavailable
from swarmer.adapters.docker import Engine, Unavailable
from swarmer.core.service import Service
from swarmer.core.state import (
    ConsulMember,
    Container,
    ContainerSummary,
    EngineInfo,
    MemberStatus,
    PortBinding,
    RaftServer,
    ServiceInstance,
    ServicePort,
    SwarmNode,
    SwarmService,
    SwarmStatus,
)

ROW: dict[str, Any] = {
    "ID": "n1",
    "Description": {"Hostname": "core-i-1"},
    "Spec": {"Role": "manager", "Availability": "drain"},
    "Status": {"State": "ready"},
    "ManagerStatus": {"Leader": True, "Reachability": "reachable", "Addr": "10.0.0.1:2377"},
}


class Listing(Engine):
    """An engine whose answer is given."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = list(rows)

    def listed(self, path: str, **_: list[str]) -> list[dict[str, Any]]:
        return self.rows


def test_a_row_of_the_swarm_becomes_a_node() -> None:
    assert Listing(ROW).nodes() == (
        SwarmNode(
            id="n1",
            name="core-i-1",
            role="manager",
            state="ready",
            availability="drain",
            reachability="reachable",
            is_leader=True,
            address="10.0.0.1",
        ),
    )


@pytest.mark.parametrize(
    ("status", "reachability"),
    [(None, ""), ({}, ""), ({"Reachability": "unreachable"}, "unreachable"), ({"Addr": "a:1"}, "unknown")],
    ids=["no status", "an empty one", "unreachable", "not known"],
)
def test_only_a_member_of_the_managers_raft_is_reachable_or_not(
    status: dict[str, str] | None, reachability: str
) -> None:
    (node,) = Listing({**ROW, "ManagerStatus": status}).nodes()
    assert (node.reachability, node.is_leader, node.is_manager) == (reachability, False, True)


def test_a_node_that_joins_has_no_name_yet() -> None:
    (node,) = Listing({**ROW, "Description": {}}).nodes()
    assert node.name == ""


@pytest.mark.parametrize("key", ["ID", "Description", "Spec", "Status"])
def test_a_row_of_another_shape_is_no_answer_of_dockers(key: str) -> None:
    with pytest.raises(Unavailable, match="not Docker's"):
        Listing({**ROW, key: None} if key != "ID" else {}).nodes()


MANAGER: dict[str, Any] = {
    "ID": "E",
    "DockerRootDir": "/var/lib/docker",
    "Swarm": {
        "NodeID": "n1",
        "LocalNodeState": "active",
        "ControlAvailable": True,
        "Error": "",
        "RemoteManagers": [{"NodeID": "n1", "Addr": "10.0.0.1:2377"}],
        "Cluster": {"ID": "swarm-1"},
    },
}


class Informing(Engine):
    """An engine whose `docker info` is given, and whose ping says nothing of its Swarm."""

    def __init__(self, found: Any) -> None:
        self.found = found

    def swarm_state(self) -> str:
        return ""

    def ask_engine(self, method: str, path: str, body: object = None) -> Any:
        return self.found


def test_docker_info_becomes_an_engine_and_its_swarm() -> None:
    swarm = SwarmStatus("active", True, "", "swarm-1", "n1", managers=("10.0.0.1",))
    expected = EngineInfo(id="E", data_folder="/var/lib/docker", swarm=swarm, claims_control=True)
    assert Informing(MANAGER).info() == expected
    assert (Informing(MANAGER).swarm(), Informing(MANAGER).data_folder()) == (swarm, "/var/lib/docker")


def test_a_manager_without_a_quorum_claims_control_and_has_none() -> None:
    without = {**MANAGER, "Swarm": {**MANAGER["Swarm"], "Error": "no leader"}}
    found = Informing(without).info()
    assert (found.swarm.is_manager, found.swarm.error, found.claims_control) == (False, "no leader", True)


@pytest.mark.parametrize("found", [{"ID": "E"}, {"ID": "E", "Swarm": None}], ids=["none", "null"])
def test_an_engine_without_a_swarm_still_has_an_id(found: dict[str, Any]) -> None:
    engine = Informing(found)
    assert engine.info().id == "E"
    for ask in (engine.swarm, engine.data_folder):
        with pytest.raises(Unavailable, match="not Docker's"):
            ask()


@pytest.mark.parametrize("found", [None, [], {"Swarm": 7}, {"Swarm": {"RemoteManagers": [1]}}], ids=repr)
def test_docker_info_of_another_shape_is_no_answer_of_dockers(found: Any) -> None:
    with pytest.raises(Unavailable, match="not Docker's"):
        Informing(found).info()


def test_a_row_of_docker_ps_becomes_a_summary() -> None:
    row = {
        "Id": "c1",
        "Names": ["/web"],
        "State": "running",
        "Status": "Up 3 minutes",
        "Ports": [{"PrivatePort": 80, "PublicPort": 8000}, {"PrivatePort": 443}],
        "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}, "none": None}},
    }
    expected = ContainerSummary(
        id="c1",
        names=("/web",),
        state="running",
        status="Up 3 minutes",
        ports=("8000:80", ":443"),
        addresses={"bridge": "172.17.0.2", "none": ""},
    )
    assert Listing(row, {"Id": "c2", "Ports": None}).containers() == (expected, ContainerSummary(id="c2"))
    with pytest.raises(Unavailable, match="not Docker's"):
        Listing({}).containers()


def test_a_row_of_docker_service_ls_becomes_a_service() -> None:
    container = {"Env": ["A=1"], "Labels": {"a": "container", "b": "container"}}
    row = {
        "ID": "s1",
        "Spec": {"Name": "web", "Labels": {"a": "service"}, "TaskTemplate": {"ContainerSpec": container}},
        "Endpoint": {
            "Ports": [
                {"Protocol": "udp", "TargetPort": 53, "PublishedPort": 5353, "PublishMode": "ingress"},
                {"TargetPort": 80, "PublishMode": "host"},
            ]
        },
        "ServiceStatus": {"RunningTasks": 0, "DesiredTasks": 2},
    }
    expected = SwarmService(
        id="s1",
        name="web",
        env=("A=1",),
        labels={"a": "service", "b": "container"},
        ports=(
            ServicePort(protocol="udp", target=53, published=5353, is_ingress=True),
            ServicePort(protocol="tcp", target=80, published=0, is_ingress=False),
        ),
        running_tasks=0,
        desired_tasks=2,
    )
    plain = {"ID": "s2", "Spec": {"Name": "plain"}, "Endpoint": {}, "ServiceStatus": None}
    assert Listing(row, plain).services() == (expected, SwarmService(id="s2", name="plain"))
    assert Listing(row, plain).swarm_service_ids() == {"s1", "s2"}


def test_docker_inspect_becomes_a_container() -> None:
    raw = {
        "Id": "c1",
        "Name": "/web",
        "Image": "sha256:1",
        "State": {"Running": False, "Status": "exited", "ExitCode": 3},
        "Config": {
            "Image": "web:1",
            "Env": ["A=1", 2],
            "Labels": {"a": "b", "c": 3},
            "ExposedPorts": {"80/tcp": {}},
        },
        "HostConfig": {"NetworkMode": "host"},
        "NetworkSettings": {
            "IPAddress": "172.17.0.2",
            "Ports": {"80/tcp": [{"HostIp": "", "HostPort": "8000"}], "81/tcp": None},
            "Networks": {"bridge": {"IPAddress": "172.17.0.2", "GlobalIPv6Address": "fd00::2"}, "none": None},
        },
    }
    assert docker_json.container(raw) == Container(
        id="c1",
        name="web",
        image="web:1",
        image_id="sha256:1",
        document=raw,
        env=("A=1",),
        labels={"a": "b"},
        not_text=("c", "2"),
        exposed_ports=("80/tcp",),
        ports={"80/tcp": (PortBinding(host_ip="", host_port="8000"),), "81/tcp": ()},
        network_mode="host",
        networks={"bridge": ("172.17.0.2", "fd00::2"), "none": ()},
        address="172.17.0.2",
        is_running=False,
        has_exited=True,
        exit_status=3,
    )


@pytest.mark.parametrize(
    "status", ["x", "²", "9" * 5000, None, True, -1, {}], ids=lambda value: repr(value)[:9]
)
def test_an_exit_status_that_is_none_counts_as_success(status: Any) -> None:
    assert docker_json.container({"State": {"ExitCode": status}}).exit_status == 0


def consul(**answers: Any) -> Consul:
    """A client whose answers are given."""
    made = Consul()
    made._api = SimpleNamespace(
        agent=SimpleNamespace(members=lambda: answers.get("members")),
        operator=SimpleNamespace(raft_config=lambda: answers.get("raft")),
        health=SimpleNamespace(service=lambda *_, **__: (None, answers.get("health"))),
    )
    return made


@pytest.mark.parametrize(("number", "status"), [*enumerate(MemberStatus), (9, MemberStatus.NONE)])
def test_serfs_numbers_become_its_words(number: int, status: MemberStatus) -> None:
    raw = {"Name": "core-i-1", "Addr": "10.0.0.1", "Status": number, "Tags": {"role": "consul"}}
    assert consul(members=[raw]).members() == (
        ConsulMember(name="core-i-1", address="10.0.0.1", status=status, is_server=True),
    )


@pytest.mark.parametrize("tags", [None, {}, {"role": "node"}], ids=repr)
def test_a_member_without_a_servers_tag_is_none(tags: dict[str, str] | None) -> None:
    raw = {"Name": "workers-i-1", "Addr": "10.0.0.9", "Status": 1, "Tags": tags}
    (member,) = consul(members=[raw]).members()
    assert (member.is_server, member.is_alive) == (False, True)


def test_servers_and_instances_become_values() -> None:
    server = {"ID": "x", "Node": "core-i-1", "Address": "10.0.0.1:8300", "Leader": True, "Voter": False}
    assert consul(raft={"Servers": [server]}).raft_servers() == (
        RaftServer(name="core-i-1", address="10.0.0.1:8300", is_leader=True, is_voter=False),
    )
    entry = {"Node": {"Node": "core-i-1"}, "Service": {"Address": "10.0.0.1", "Port": 5000}}
    assert consul(health=[entry]).healthy("registry") == (
        ServiceInstance(node="core-i-1", address="10.0.0.1", port=5000),
    )


def test_an_entry_of_the_agent_becomes_a_service() -> None:
    raw = {"Service": "web", "Address": "10.0.0.1", "Port": 80, "Tags": None, "Meta": None, "Weights": {}}
    assert consul_json.agent_service("w1", raw) == Service(id="w1", name="web", address="10.0.0.1", port=80)
    found = consul_json.agent_service("w1", {**raw, "Tags": ["a"], "Meta": {"k": "v"}})
    assert (found.tags, found.meta) == (("a",), {"k": "v"})


def test_an_answer_of_another_shape_is_no_answer_of_consuls() -> None:
    for ask in (Consul.members, Consul.raft_servers):
        with pytest.raises(ConsulUnavailable, match="not Consul's"):
            ask(consul())


def test_a_container_of_this_machine_has_the_address_that_was_chosen_for_it() -> None:
    networks = {
        "vpc": {"IPAMConfig": {"IPv4Address": "10.42.0.4"}, "IPAddress": ""},
        "bridge": {"IPAMConfig": None, "IPAddress": "172.17.0.2"},
    }
    raw = {
        "Id": "c1",
        "Name": "/swarmer.core-i-1",
        "Config": {"Labels": {"swarmer.node": "core-i-1"}},
        "State": {"Running": False, "StartedAt": "2026-11-30T12:00:00Z"},
        "NetworkSettings": {"Networks": networks},
    }
    found = docker_json.host_container(raw)
    assert (found.id, found.name, found.is_running) == ("c1", "swarmer.core-i-1", False)
    assert (found.labels, found.started_at) == ({"swarmer.node": "core-i-1"}, "2026-11-30T12:00:00Z")
    assert found.chosen_addresses == {"vpc": "10.42.0.4"}
