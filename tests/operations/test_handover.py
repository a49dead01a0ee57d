"""`swarmer handover`: which node does it, and what is said if none can."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from swarmer.core.errors import UserError
from swarmer.core.health import Expected
from swarmer.operations.handover import hand_over
from swarmer.provider import Provider

MOVED = (0, json.dumps({"before": "core-i-1", "after": "core-i-2"}), "")
AWAY = (os.EX_UNAVAILABLE, "", "Consul does not answer: refused\n")


def node(name: str, *roles: str, runs: bool = True) -> Expected:
    return Expected(
        name=name, instance_id=name, group="g", roles=roles, address="10.0.0.1", zone="a", runs=runs
    )


@dataclass
class Machines:
    """Nodes whose programs end as it is written here: exit status, output, errors."""

    ends: Mapping[str, tuple[int, str, str]]
    known: Sequence[Expected]
    asked: list[str] = field(default_factory=list)

    def nodes(self) -> Sequence[Expected]:
        return self.known

    def run(
        self,
        node: Expected,
        argv: Sequence[str],
        *,
        timeout_s: float,
        write: Callable[[str, bytes], None],
    ) -> int:
        assert argv == ("/opt/swarmer/bin/python", "-m", "node.handover")
        assert timeout_s > 15
        self.asked.append(node.name)
        status, output, errors = self.ends[node.name]
        write("out", output.encode())
        write("err", errors.encode())
        return status


def test_a_server_is_asked_first_and_a_machine_without_power_never() -> None:
    machines = Machines(
        {"s": MOVED}, [node("off", "consul-server", runs=False), node("w"), node("s", "consul-server")]
    )
    assert hand_over(cast(Provider, machines)) == ("core-i-1", "core-i-2")
    assert machines.asked == ["s"]


def test_a_node_without_consul_is_passed_over() -> None:
    machines = Machines({"a": AWAY, "b": MOVED}, [node("a"), node("b")])
    assert hand_over(cast(Provider, machines)) == ("core-i-1", "core-i-2")
    assert machines.asked == ["a", "b"]


def test_a_failure_of_the_handover_is_told_and_not_repeated_elsewhere() -> None:
    machines = Machines({"a": (1, "", "no node holds the registry\n"), "b": MOVED}, [node("a"), node("b")])
    with pytest.raises(UserError, match=r"^a: no node holds the registry$"):
        hand_over(cast(Provider, machines))
    assert machines.asked == ["a"]


def test_if_consul_answers_nowhere_one_line_says_so() -> None:
    with pytest.raises(UserError, match="Consul answers on no node"):
        hand_over(cast(Provider, Machines({"a": AWAY}, [node("a")])))
