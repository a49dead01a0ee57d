"""Selection of nodes by an operator's words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmer.core.errors import UserError
from swarmer.core.health import Expected
from swarmer.core.selection import one, select


def node(group: str, number: int, *roles: str) -> Expected:
    name, address = f"{group}-i-{number}", f"10.42.0.{number}"
    return Expected(name=name, instance_id=f"i-{number}", group=group, roles=roles, address=address, zone="a")


CORE = [node("core", number, "consul-server", "swarm-manager") for number in (2, 1, 3)]
WORKERS = [node("workers", number, "swarm-worker") for number in (5, 4)]
NODES = [*CORE, *WORKERS]


def addresses(text: str | None = None, role: str | None = None, nodes: list[Expected] = NODES) -> list[int]:
    found = select(nodes, cluster="test", role=role, text=text)
    return [int(each.address.rpartition(".")[2]) for each in found]


@pytest.mark.parametrize(
    ("text", "role", "found"),
    [
        (None, None, [1, 2, 3, 4, 5]),
        (None, "swarm-worker", [4, 5]),
        ("core", None, [1, 2, 3]),
        ("core-i-2", None, [2]),
        ("10.42.0.5", None, [5]),
        ("i-4", "swarm-worker", [4]),
    ],
)
def test_nodes_are_named_by_role_group_name_address_or_part_of_a_name(
    text: str | None, role: str | None, found: list[int]
) -> None:
    assert addresses(text, role) == found


def test_a_node_that_does_not_run_is_left_out() -> None:
    assert addresses("workers", nodes=[*CORE, WORKERS[0], replace(WORKERS[1], runs=False)]) == [5]


@pytest.mark.parametrize(
    ("text", "role", "status", "said"),
    [
        ("core", "swarm-worker", 1, "core has no node with the role swarm-worker"),
        ("ore", None, 2, "3 nodes have 'ore' in their name: core-i-1, core-i-2, core-i-3"),
        ("web", None, 2, "test has no group or node 'web'; groups: core, workers; nodes: core-i-1"),
    ],
)
def test_what_names_no_node_is_one_line_with_what_would_be_right(
    text: str, role: str | None, status: int, said: str
) -> None:
    with pytest.raises(UserError, match=said) as refused:
        addresses(text, role)
    assert refused.value.status == status


def test_a_group_whose_machines_are_all_off_says_what_starts_them() -> None:
    off = [replace(each, runs=False) for each in NODES]
    with pytest.raises(
        UserError, match="no machine runs of workers-i-5, workers-i-4: `swarmer up` starts them"
    ):
        addresses("workers", nodes=off)


def test_a_cluster_without_nodes_has_none() -> None:
    with pytest.raises(UserError, match="test has no node"):
        addresses(nodes=[])


@pytest.mark.parametrize("text", ["core-i-2", "i-2", "10.42.0.2"])
def test_one_node_is_meant_dead_or_alive(text: str) -> None:
    dead = [replace(each, runs=False) for each in NODES]
    assert one(dead, cluster="test", text=text).name == "core-i-2"


@pytest.mark.parametrize(
    ("text", "said"), [("core", "3 nodes have 'core' in their name"), ("none", "no node is called 'none'")]
)
def test_several_nodes_and_none_are_told_with_all_names(text: str, said: str) -> None:
    with pytest.raises(UserError, match=f"{said}; the nodes of test: core-i-1, core-i-2") as refused:
        one(NODES, cluster="test", text=text)
    assert refused.value.status == 2
