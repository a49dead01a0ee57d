"""Values that the adapters make of the JSON of Consul and of Docker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from swarmer.adapters.consul import Consul
from swarmer.adapters.consul import Unavailable as ConsulUnavailable
from swarmer.adapters.docker import Engine, Unavailable
from swarmer.core.state import ConsulMember, MemberStatus, RaftServer, ServiceInstance, SwarmNode

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


def test_an_answer_of_another_shape_is_no_answer_of_consuls() -> None:
    for ask in (Consul.members, Consul.raft_servers):
        with pytest.raises(ConsulUnavailable, match="not Consul's"):
            ask(consul())
