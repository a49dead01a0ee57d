"""Comparison of Swarm's DNS with the running tasks. Pure: answers in, differences out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chaos import task_names
from chaos.lab import Failure, Lab, Node
from chaos.task_names import NETWORK, TaskNames, differences, expected, resolved

SERVICES = [{"ID": "s1", "Spec": {"Name": "a"}}, {"ID": "s2", "Spec": {"Name": "b"}}]
NOTHING: frozenset[str] = frozenset()


def task(service: str, *addresses: str, state: str = "running", desired: str = "running") -> dict[str, Any]:
    return {
        "ServiceID": service,
        "DesiredState": desired,
        "Status": {"State": state},
        "NetworksAttachments": [
            {"Network": {"Spec": {"Name": NETWORK}}, "Addresses": list(addresses)},
            {"Network": {"Spec": {"Name": "ingress"}}, "Addresses": ["10.0.0.9/24"]},
        ],
    }


def test_the_running_tasks_of_a_service_are_its_addresses() -> None:
    tasks = [task("s1", "10.0.1.3/24"), task("s1", "10.0.1.4/24"), task("s3", "10.0.1.5/24")]
    assert expected(SERVICES, tasks) == {"a": {"10.0.1.3", "10.0.1.4"}, "b": set()}


@pytest.mark.parametrize(("state", "desired"), [("running", "shutdown"), ("starting", "running")])
def test_a_task_that_goes_or_comes_is_no_address(state: str, desired: str) -> None:
    assert expected(SERVICES, [task("s1", "10.0.1.3/24", state=state, desired=desired)])["a"] == NOTHING


def test_a_task_that_has_no_network_yet_is_no_address() -> None:
    bare = {key: value for key, value in task("s1").items() if key != "NetworksAttachments"}
    assert expected(SERVICES, [bare])["a"] == NOTHING


ANSWERS = """tasks.a
Server:		127.0.0.11
Address:	127.0.0.11:53

Non-authoritative answer:
Name:	tasks.a
Address: 10.0.1.3
Name:	tasks.a
Address: 10.0.1.4

tasks.b
Server:		127.0.0.11
Address:	127.0.0.11:53

** server can't find tasks.b: NXDOMAIN

"""


def test_the_answers_are_read_without_the_servers_own_address() -> None:
    assert resolved(ANSWERS) == {"a": {"10.0.1.3", "10.0.1.4"}, "b": set()}


def test_a_name_that_is_right_everywhere_is_no_difference() -> None:
    names = {"a": frozenset(("10.0.1.3",))}
    assert differences(names, {"core-1": names, "core-2": names}) == []


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ({}, "tasks.a is nothing on core-1, not 10.0.1.3"),
        ({"a": NOTHING}, "tasks.a is nothing on core-1, not 10.0.1.3"),
        ({"a": frozenset(("10.0.1.3", "10.0.1.4"))}, "tasks.a is 10.0.1.3, 10.0.1.4 on core-1, not 10.0.1.3"),
    ],
    ids=["not asked", "NXDOMAIN", "an address too many"],
)
def test_a_name_that_is_wrong_on_one_node_is_told(seen: task_names.Names, said: str) -> None:
    assert differences({"a": frozenset(("10.0.1.3",))}, {"core-1": seen}) == [said]


def test_a_service_without_a_running_task_is_a_difference_though_no_name_is_wrong() -> None:
    assert differences({"a": NOTHING}, {"core-1": {"a": NOTHING}}) == ["a has no running task"]


class Machine(Node):
    """Answers as a node does whose DNS knows these names."""

    text = ANSWERS
    is_cut = False

    def on(self, *command: str, timeout_s: float = 60) -> str:
        if self.is_cut and command[0] == "sh" and "nslookup" in command[2]:
            raise Failure("nobody answers")
        return self.text


class Swarm(Lab):
    """A Swarm with these tasks."""

    tasks = (task("s1", "10.0.1.3/24"), task("s1", "10.0.1.4/24"), task("s2", "10.0.1.5/24"))

    def ask_swarm(self, path: str) -> Any:
        return SERVICES if path.startswith("/services") else list(self.tasks)


def cut(*, is_cut: bool) -> tuple[TaskNames, Machine]:
    """Names of a Swarm of one node, at the end of a cut."""
    node = Machine("core-1", "10.0.0.1", "core", (), "c", Path())
    node.is_cut = is_cut
    names = TaskNames(Swarm(Path(), [node]))
    names.reconnect([node])
    node.is_cut = False
    return names, node


def test_names_are_whole_after_two_looks_that_find_them_right() -> None:
    names, node = cut(is_cut=True)
    assert not names.are_whole([])
    assert "tasks.b is nothing on core-1, not 10.0.1.5" in names.lacks()
    node.text = ANSWERS.replace(
        "** server can't find tasks.b: NXDOMAIN", "Name:	tasks.b\nAddress: 10.0.1.5"
    )
    assert [names.are_whole([]) for _ in range(2)] == [False, True]
    assert names.lacks() == []
    assert names.whole_s is not None
    assert 0 < names.whole_s < 60
    assert names.notes() == [
        f"every name of a task was right on every node {names.whole_s:.1f} s after the cut (the goal is 10 s)"
    ]


def test_a_cut_that_took_no_name_proves_nothing() -> None:
    names, node = cut(is_cut=True)
    assert "the cut took no name of a task" not in names.lacks()
    node.text = ANSWERS.replace(
        "** server can't find tasks.b: NXDOMAIN", "Name:	tasks.b\nAddress: 10.0.1.5"
    )
    names.reconnect([node])
    assert names.lacks() == ["the cut took no name of a task"]


def test_the_network_returns_though_nobody_can_be_asked() -> None:
    class Silent(Swarm):
        def ask_swarm(self, path: str) -> Any:
            raise OSError("no route")

    names, node = cut(is_cut=True)
    asked: list[tuple[str, ...]] = []
    node.on = lambda *command, timeout_s=60.0: asked.append(command) or ""  # type: ignore[method-assign, func-returns-value]
    names.lab = Silent(Path(), [node])
    with pytest.raises(OSError, match="no route"):
        names.reconnect([node])
    assert any("iptables -D" in " ".join(command) for command in asked)
