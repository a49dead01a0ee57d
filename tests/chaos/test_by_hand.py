"""Faults by hand: each counts as survived only if the change was seen, and was taken back."""

from __future__ import annotations

from typing import Any, cast

import pytest

from chaos import by_hand
from chaos.by_hand import Demotion, Leave, ManyChanges
from chaos.lab import Failure, Node

SERVER = {"Voter": True, "Address": "10.0.0.2:8300"}


class Machine:
    """A node whose engine gives `answers`, one after the other; the last one stays."""

    def __init__(self, name: str, *answers: str, address: str = "") -> None:
        self.name = name
        self.address = address
        self.answers = list(answers)
        self.typed: list[str] = []
        self.rows = "new"
        self.servers: list[dict[str, Any]] = [SERVER]

    def on(self, *command: str) -> str:
        if "ls" in command:
            return self.rows
        if command[1] != "info":
            self.typed.append(" ".join(command))
            return ""
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == "hangs":
            raise Failure("dockerd hangs")
        return f"{answer}\n"

    def consul(self, _: str) -> dict[str, Any]:
        return {"Servers": self.servers}


def nodes(*machines: Machine) -> list[Node]:
    return [cast(Node, machine) for machine in machines]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(by_hand, "CHANGED_S", 0.05)


def test_a_manager_that_was_a_worker_and_is_a_manager_again_is_healed() -> None:
    node, fault = Machine("core-1", "true", "false", "false", "hangs", "true"), Demotion()
    fault.begin(nodes(node))
    assert node.typed == ["docker node demote core-1"]
    assert [fault.is_over(nodes(node)) for _ in range(3)] == [False, False, True]


def test_a_demotion_that_did_not_happen_proves_nothing() -> None:
    node, fault = Machine("core-1", "true"), Demotion()
    with pytest.raises(Failure, match="did not become a worker"):
        fault.begin(nodes(node))
    assert not fault.is_over(nodes(node))


def test_a_node_that_left_is_healed_once_swarm_knows_it_by_another_id() -> None:
    node, fault = Machine("core-1", "former", "", "hangs", "former", "new"), Leave(also=by_hand.leave_consul)
    assert not fault.is_over(nodes(node))
    node.answers = ["former", "", "hangs", "former", "new"]
    fault.begin(nodes(node))
    assert node.typed == ["docker swarm leave --force", "consul leave"]
    assert [fault.is_over(nodes(node)) for _ in range(4)] == [False, False, False, True]


@pytest.mark.parametrize("lacks", ["nothing", "the replacement", "the join", "the dead row", "the vote"])
def test_many_changes_are_healed_once_each_of_them_is(lacks: str) -> None:
    fault, manager = ManyChanges(), Machine("core-1", "true")
    server = Machine("core-2", "true", address="10.0.0.2")
    promoted = Machine("workers-1", "error", "error" if lacks == "the replacement" else "hangs")
    leaving = Machine("workers-2", "former", "former" if lacks == "the join" else "new")
    fault.managers = nodes(manager)
    manager.rows = "former\nnew" if lacks == "the dead row" else "new"
    manager.servers = [{**SERVER, "Voter": lacks != "the vote"}]
    victims = nodes(server, promoted, leaving)
    fault.begin(victims)
    assert manager.typed == [
        "docker node promote workers-1",
        "consul operator raft remove-peer -address=10.0.0.2:8300",
    ]
    assert leaving.typed == ["docker swarm leave --force"]
    assert fault.is_over(victims) is (lacks == "nothing")
