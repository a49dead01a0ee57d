"""The registrator works if a new container has its name, and loses it after its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chaos.lab import Failure, Node
from chaos.newcomer import Newcomer


class Machine(Node):
    """Answers as a node does whose containers are declared, or not."""

    is_declaring = True
    has_engine = True
    runs = False
    entries: tuple[str, ...] = ()

    def on(self, *command: str, timeout_s: float = 60) -> str:
        if not self.has_engine:
            raise Failure("docker does not answer")
        self.runs = "docker run" in command[-1]
        return ""

    def consul(self, path: str) -> Any:
        if self.is_declaring:
            self.entries = (self.name,) if self.runs else ()
        return [{"Node": name} for name in ("other", *self.entries)]


def machine() -> Machine:
    return Machine("core-i-1", "10.0.0.1", "core", (), "c", Path())


def test_it_is_started_where_nobody_did_and_seen_come_and_go() -> None:
    node, newcomer = machine(), Newcomer()
    assert newcomer.came_and_went([node])
    assert not node.runs
    assert newcomer.came_and_went([node])


def test_a_name_that_does_not_come_is_waited_for() -> None:
    node, newcomer = machine(), Newcomer()
    node.is_declaring = False
    newcomer.start([node])
    assert not newcomer.came_and_went([node])
    assert node.runs
    node.is_declaring = True
    assert newcomer.came_and_went([node])


def test_a_name_that_stays_is_not_healed() -> None:
    node, newcomer = machine(), Newcomer()
    newcomer.start([node])
    node.consul("")
    node.is_declaring = False
    assert not newcomer.came_and_went([node])
    assert not newcomer.came_and_went([node])
    node.is_declaring = True
    assert newcomer.came_and_went([node])


def test_an_engine_that_does_not_answer_is_not_healed_yet() -> None:
    node, newcomer = machine(), Newcomer()
    node.has_engine = False
    assert not newcomer.came_and_went([node])
    node.has_engine = True
    assert newcomer.came_and_went([node])
