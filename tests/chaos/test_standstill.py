"""A process that stood still: when its node counts as healed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from chaos.actions import Standstill
from chaos.lab import Failure, Node


@dataclass
class StandIn:
    """Node with one process of a program."""

    name: str = "core-1"
    process: int | None = 7
    stopped: set[int] = field(default_factory=set)

    def pid(self, _: str) -> int:
        if self.process is None:
            raise Failure("it does not run")
        return self.process

    def signal(self, name: str, pid: int) -> None:
        assert name == "STOP"
        self.stopped.add(pid)

    def is_stopped(self, pid: int) -> bool:
        return pid in self.stopped

    def replaces(self, process: int | None) -> None:
        self.process = process
        self.stopped.clear()


@pytest.mark.parametrize("comes_back", [True, False])
@pytest.mark.parametrize(
    ("after", "is_healed"), [(8, (True, True)), (None, (False, True))], ids=["started again", "ended"]
)
def test_a_node_is_healed_once_the_process_is_gone_and_runs_again_if_it_should(
    comes_back: bool, after: int | None, is_healed: tuple[bool, bool]
) -> None:
    node, still = StandIn(), Standstill("docker-registry", comes_back)
    nodes = [cast("Node", node)]
    still.begin(nodes)
    assert not still.is_over(nodes)
    node.replaces(after)
    assert still.is_over(nodes) is is_healed[not comes_back]
