"""`swarmer recover` on the survivor: what it is told, who is forgotten."""

from __future__ import annotations

from typing import cast

import pytest

from node.machine import Unusable
from node.recover import check_roles, forget_in_consul, forget_in_swarm, is_empty, parse, wait_for_leader
from swarmer.adapters.consul import Consul, Unavailable
from swarmer.adapters.docker import Engine
from swarmer.core.state import RaftServer, SwarmNode


class Members:
    """A Consul and an engine that note who is taken out."""

    def __init__(self, rows: tuple[SwarmNode, ...]) -> None:
        self.of_swarm = rows
        self.left: list[str] = []
        self.removed: list[str] = []

    def force_leave(self, name: str) -> None:
        self.left.append(name)

    def nodes(self) -> tuple[SwarmNode, ...]:
        return self.of_swarm

    def ensure_demoted(self, node_id: str) -> None:
        assert node_id not in self.removed

    def ensure_no_node(self, node_id: str) -> None:
        self.removed.append(node_id)


def test_the_lost_are_forgotten_and_a_node_that_joins_and_has_no_name_yet_is_not() -> None:
    members = Members(
        (
            SwarmNode(id="joins", name="", role="manager", state="unknown"),
            SwarmNode(id="lost", name="core-i-1", role="manager", state="down"),
            SwarmNode(id="survivor", name="core-i-2", role="manager", state="ready"),
        )
    )
    forget_in_consul(["core-i-1"], cast(Consul, members))
    forget_in_swarm(["core-i-1"], cast(Engine, members))
    assert members.left == ["core-i-1"]
    assert members.removed == ["lost"]


@pytest.mark.parametrize("options", [["--consul"], ["--swarm"], ["--consul", "--swarm"]], ids=" ".join)
def test_it_is_told_which_quorum_is_lost(options: list[str]) -> None:
    asked = parse([*options, "core-i-1", "core-i-2"])
    assert [f"--{each}" for each in ("consul", "swarm") if getattr(asked, each)] == options
    assert asked.lost == ["core-i-1", "core-i-2"]


@pytest.mark.parametrize("argv", [[], ["core-i-1"], ["--consul"]], ids=" ".join)
def test_without_quorum_or_names_nothing_is_done(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(argv)
    assert ended.value.code == 2
    assert "usage: python -m node.recover" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "roles"),
    [("--consul", ("swarm-manager",)), ("--swarm", ("consul-server", "swarm-worker"))],
    ids=["no server", "no manager"],
)
def test_a_node_without_the_role_has_nothing_to_go_on_with(option: str, roles: tuple[str, ...]) -> None:
    with pytest.raises(Unusable, match=option):
        check_roles(parse([option, "core-i-1"]), roles)
    check_roles(parse([option, "core-i-1"]), ("consul-server", "swarm-manager"))


class Electing:
    """A Consul that has a leader at the `after`-th question."""

    def __init__(self, after: int) -> None:
        self.after = after

    def leader(self) -> str:
        self.after -= 1
        return "10.0.0.2:8300" if self.after < 0 else ""

    def raft_servers(self) -> tuple[RaftServer, ...]:
        return (RaftServer(name="core-i-2", address="10.0.0.2:8300", is_voter=True),)


@pytest.mark.parametrize(("after", "found"), [(0, True), (1, True), (1000, False)])
def test_servers_that_only_elect_a_leader_are_not_gone_on_without(after: int, *, found: bool) -> None:
    assert wait_for_leader(cast(Consul, Electing(after)), within_s=0.8) is found


class Raft:
    """A Consul whose log ends there; "silent": it does not answer."""

    def __init__(self, entry: tuple[int, int] | str | None) -> None:
        self.entry = entry

    def last_entry(self) -> tuple[int, int] | str | None:
        if self.entry == "silent":
            raise Unavailable("connection refused")
        return self.entry


@pytest.mark.parametrize(("entry", "empty"), [(None, True), ((2, 70), False), ("silent", False)])
def test_a_replacement_that_never_joined_is_no_survivor(
    entry: tuple[int, int] | str | None, *, empty: bool
) -> None:
    assert is_empty(cast(Consul, Raft(entry))) is empty
