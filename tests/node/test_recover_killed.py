"""A recovery that is killed at any of its calls is finished by the same command, typed again."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from node import recover
from swarmer.adapters import docker, process
from swarmer.adapters.docker import SwarmSettings
from swarmer.core.configuration import Machine
from swarmer.core.state import RaftServer, SwarmNode, SwarmStatus
from tests.node.daemons.daemon import machine


class Killed(BaseException):
    """SIGKILL: no handler of the program runs."""


@dataclass
class Cluster:
    """One survivor of three, as Consul, systemd and dockerd show it."""

    folder: Path
    kill_at: int
    kills_after: bool = False
    """The call that is killed was carried out."""
    calls: list[str] = field(default_factory=list)
    has_leader: bool = False
    is_sole_manager: bool = False
    members: set[str] = field(default_factory=lambda: {"core-i-2", "core-i-3"})
    rows: dict[str, str] = field(default_factory=lambda: {"row-2": "core-i-2", "row-3": "core-i-3"})

    def call(self, name: str, act: Callable[[], Any] = lambda: None) -> Any:
        self.calls.append(name)
        is_last = len(self.calls) == self.kill_at
        if is_last and not self.kills_after:
            raise Killed
        found = act()
        if is_last:
            raise Killed
        return found

    # -- systemd --

    def run(self, argv: list[str], **_: Any) -> str:
        assert argv[:2] == ["systemctl", "restart"]
        self.call("restart", lambda: setattr(self, "has_leader", (self.folder / "raft/peers.json").exists()))
        return ""

    # -- Consul --

    def leader(self) -> str:
        return str(self.call("leader", lambda: "10.0.0.1:8300" if self.has_leader else ""))

    def raft_servers(self) -> tuple[RaftServer, ...]:
        server = RaftServer(name="core-i-1", address="10.0.0.1:8300", is_voter=True)
        return tuple(self.call("raft", lambda: [server] if self.has_leader else []))

    def last_entry(self) -> tuple[int, int]:
        return self.call("entry", lambda: (2, 70))  # type: ignore[no-any-return]

    def get(self, _: str) -> None:
        self.call("get")

    def force_leave(self, name: str) -> None:
        self.call("force-leave", lambda: self.members.discard(name))

    # -- dockerd --

    def swarm(self) -> SwarmStatus:
        found = SwarmStatus(
            "active", self.is_sole_manager, "", "swarm-1" if self.is_sole_manager else "", "row-1"
        )
        return self.call("swarm", lambda: found)  # type: ignore[no-any-return]

    def data_folder(self) -> str:
        return str(self.folder)

    def force_new_cluster(self, _: str) -> None:
        self.call("init", lambda: setattr(self, "is_sole_manager", True))

    def nodes(self) -> tuple[SwarmNode, ...]:
        if not self.is_sole_manager:
            raise docker.Unavailable("the swarm does not have a leader")
        rows = [SwarmNode(id=key, name=name, role="manager", state="down") for key, name in self.rows.items()]
        return tuple(self.call("nodes", lambda: rows))

    def ensure_demoted(self, row: str) -> bool:
        return bool(self.call("demote"))

    def ensure_no_node(self, row: str) -> bool:
        return self.call("remove", lambda: self.rows.pop(row, None)) is not None

    def settings(self) -> SwarmSettings:
        return SwarmSettings(pools=("172.20.0.0/14",), network_prefix=24, data_port=4789)

    def swarm_service_ids(self) -> set[str]:
        return set()

    def service_ids(self) -> set[str]:
        return set()


ASKED = argparse.Namespace(consul=True, swarm=True, lost=["core-i-2", "core-i-3"])
ME: Machine = machine("10.0.0.1", instance="i-1")


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, bool], Cluster]:
    (tmp_path / "raft").mkdir()
    (tmp_path / "node-id").write_text("id-1\n")
    monkeypatch.setattr(recover, "CONSUL_DATA", tmp_path)
    monkeypatch.setattr(recover, "ELECTION_TIMEOUT_S", 0.0)
    monkeypatch.setattr("shutil.chown", lambda *_: None)
    monkeypatch.setattr("time.sleep", lambda _: None)

    def start(kill_at: int, kills_after: bool) -> Cluster:
        (tmp_path / "raft/peers.json").unlink(missing_ok=True)
        made = Cluster(tmp_path, kill_at, kills_after)
        monkeypatch.setattr(recover, "Consul", lambda: made)
        monkeypatch.setattr(recover, "Engine", lambda **_: made)
        monkeypatch.setattr(process, "run", made.run)
        return made

    return start


def is_recovered(cluster: Cluster) -> bool:
    return cluster.has_leader and cluster.is_sole_manager and not cluster.members and not cluster.rows


def test_undisturbed_it_takes_every_step_once(begin: Callable[[int, bool], Cluster]) -> None:
    cluster = begin(0, False)
    recover.recover(ASKED, ME)
    assert is_recovered(cluster)
    counted = {each: cluster.calls.count(each) for each in ("restart", "init", "force-leave", "remove")}
    assert counted == {"restart": 1, "init": 1, "force-leave": 2, "remove": 2}


@pytest.mark.parametrize("kills_after", [False, True], ids=["before the call", "after the call"])
def test_killed_at_any_call_it_goes_on_when_it_is_typed_again(
    begin: Callable[[int, bool], Cluster], kills_after: bool
) -> None:
    whole = begin(0, False)
    recover.recover(ASKED, ME)
    for number in range(1, len(whole.calls) + 1):
        cluster = begin(number, kills_after)
        with pytest.raises(Killed):
            recover.recover(ASKED, ME)
        recover.recover(ASKED, ME)
        assert is_recovered(cluster), f"killed at call {number}, {whole.calls[number - 1]}"
        assert cluster.calls.count("init") <= 2


def test_a_cluster_that_is_recovered_is_left_alone(begin: Callable[[int, bool], Cluster]) -> None:
    cluster = begin(0, False)
    recover.recover(ASKED, ME)
    recover.recover(ASKED, ME)
    assert [cluster.calls.count(each) for each in ("restart", "init", "remove")] == [1, 1, 2]
