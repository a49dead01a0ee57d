"""The agent's shell: what it keeps right outside the cluster."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from node import agent
from node.agent import Agent
from swarmer.adapters import process
from swarmer.adapters.consul import Consul, Unavailable
from swarmer.adapters.docker import Engine, TimedOut
from swarmer.adapters.docker import Unavailable as DockerUnavailable
from swarmer.core import names
from swarmer.core.joining import EndJoin, JoinSwarm, Wait
from swarmer.core.node import ProviderView
from swarmer.core.state import ConsulMember, MemberStatus, ServiceInstance, SwarmNode, SwarmStatus
from tests.node.daemons.daemon import machine
from tests.node.swarms import Leading, Locks, node_state, settled


@pytest.mark.parametrize(
    ("roles", "wanted"),
    [(("swarm-manager", "swarm-worker"), []), (("swarm-manager",), [{"Availability": "drain"}])],
)
def test_a_manager_that_operators_drained_stays_so(
    ran: list[tuple[str, ...]], roles: tuple[str, ...], wanted: list[dict[str, str]]
) -> None:
    """The agent reverted it within 3 s. A manager that is no worker is drained by its description."""
    engine = Leading(leads=False)
    made = Agent(machine("10.0.0.4", roles=roles), cast(Consul, Locks()), cast(Engine, engine))
    made.settle()
    assert engine.wanted == wanted


class Joining:
    """Consul's agent on a node whose peers, all but the first, drop whatever they are sent."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs
        self.asked: list[str] = []
        self.side_by_side = threading.Barrier(agent.MOST_JOINS)

    def members(self) -> tuple[ConsulMember, ...]:
        if self.hangs:
            raise Unavailable("timed out")
        return (
            ConsulMember(name="a", address="10.0.1.0", status=MemberStatus.ALIVE, is_server=True),
            ConsulMember(name="b", address="10.0.1.1", status=MemberStatus.FAILED, is_server=True),
        )

    def join(self, address: str) -> None:
        """Nobody is let go before `side_by_side` ask at once."""
        self.asked.append(address)
        with contextlib.suppress(threading.BrokenBarrierError):
            self.side_by_side.wait(5)
        raise Unavailable("timed out")


PEERS = tuple(f"10.0.1.{number}" for number in range(2 * agent.MOST_JOINS + 1))


def lonely(consul: Joining) -> Agent:
    made = Agent(machine("10.0.0.4", instance="i-one"), consul=cast(Consul, consul))
    made.provider.view, made.provider._queried_s = ProviderView(peers=PEERS), time.monotonic()
    return made


def test_a_zone_full_of_machines_that_do_not_answer_holds_nobody_up() -> None:
    consul = Joining()
    lonely(consul).join_consul()
    assert not consul.side_by_side.broken
    # Members are not joined again.
    assert sorted(consul.asked) == sorted(PEERS[1:])


def test_a_consul_that_hangs_itself_is_asked_to_join_nobody() -> None:
    """Each question would cost its time-out, and nobody would see that it hangs meanwhile."""
    consul = Joining(hangs=True)
    lonely(consul).join_consul()
    assert consul.asked == []


PUBLISHED = {names.KV_TOKEN_WORKER: "worker", names.KV_TOKEN_MANAGER: "manager", names.KV_SWARM_ID: "swarm-1"}


@pytest.mark.parametrize("lost", [None, *PUBLISHED])
def test_a_manager_sees_at_its_next_pass_which_key_is_lost(lost: str | None) -> None:
    """A lost token of workers was noticed after 5 minutes; no worker could join meanwhile."""
    consul = Locks()
    consul.keys = {key: value for key, value in PUBLISHED.items() if key != lost}
    seen = settled(leads=False, consul=consul).observe_keys(node_state("active"))
    assert seen.is_published is (lost is None)
    assert len(consul.asked) == 2


def test_what_consul_and_the_provider_call_the_swarm_is_compared_with_its_own() -> None:
    consul = Locks()
    consul.keys = {**PUBLISHED, names.KV_SWARM_ID: "swarm-2"}
    seen = settled(leads=False, consul=consul).observe_keys(replace(node_state("active"), swarm_id="swarm-1"))
    assert (seen.known_swarms, seen.other_swarm) == (("swarm-2",), "swarm-2")


def test_a_manager_of_another_swarm_goes_on_once_operators_have_corrected_the_cluster_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def look(argv: list[str], **_: object) -> str:
        asked.append(argv[-1])
        return ProviderView(cluster_id="swarm-1").to_json()

    monkeypatch.setattr(process, "run", look)
    made = settled(leads=True)
    made.provider.view, made.provider._queried_s = (
        ProviderView(cluster_id="swarm-0"),
        time.monotonic() - agent.RECHECK_INTERVAL_S,
    )
    for _ in range(3):
        made.act(Wait("people", needs_operator=True))
    assert (made.provider.view.cluster_id, asked) == ("swarm-1", ["describe"])


def test_a_manager_of_another_swarm_is_in_dns_for_nobody() -> None:
    """Else nodes would try to join through it, and operators' commands would reach it."""
    declared: list[tuple[str, bool, str]] = []

    class Declaring(Locks):
        def services(self) -> list[Any]:
            return []

        def register(self, *_: object) -> None:
            """Register the service as critical."""

        def confirm(self, name: str, *, passing: bool, note: str) -> None:
            declared.append((name, passing, note))

    seen = replace(node_state("active"), is_manager=True, swarm_id="swarm-1", known_swarms=("swarm-2",))
    settled(leads=True, consul=Declaring()).declare_docker(seen)
    reason = "it manages Swarm swarm-1, but the cluster's Swarm is swarm-2"
    assert declared == [(names.SERVICE_MANAGER, False, reason)]


class Reachable(Locks):
    """A Consul with a leader and three members."""

    def leader(self) -> str:
        return "10.0.0.5:8300"

    def members(self) -> tuple[ConsulMember, ...]:
        return 3 * (ConsulMember(name="", address="", status=MemberStatus.ALIVE, is_server=True),)

    def healthy(self, _: str) -> tuple[ServiceInstance, ...]:
        return ()


class HalfIn(Leading):
    """An engine that does not get into the Swarm at its first try, though the Swarm lists it by then."""

    def __init__(self) -> None:
        super().__init__(leads=False)
        self.state = "inactive"
        self.removal_fails = False
        self.rows = {"first": ("core-i-one", "down"), "namesake": ("core-i-one-too", "down")}
        self.demoted: list[str] = []

    def ensure_gateway_bridge(self, mtu: int) -> bool:
        return False

    def swarm(self) -> SwarmStatus:
        return SwarmStatus(self.state, is_manager=False, error="no leader", id="", node="first")

    def join_swarm(self, *_: object) -> None:
        self.state = "error"

    def end_join(self) -> None:
        self.state = "inactive"

    def nodes(self, *, name: str) -> tuple[SwarmNode, ...]:
        return tuple(
            SwarmNode(id=node, name=host, role="manager", state=how)
            for node, (host, how) in self.rows.items()
            if host.startswith(name)
        )

    def ensure_demoted(self, node_id: str) -> bool:
        if self.removal_fails:
            raise DockerUnavailable("no leader")
        self.demoted.append(node_id)
        return True

    def ensure_no_node(self, node_id: str) -> bool:
        return bool(self.rows.pop(node_id))


@pytest.fixture
def join_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(agent, "JOIN_FILE", tmp_path / "join")
    return tmp_path / "join"


def half_in(engine: HalfIn) -> Agent:
    found = cast(Engine, engine)
    return Agent(machine("10.0.0.4", instance="i-one"), cast(Consul, Reachable()), found, found)


class Leaderless(Reachable):
    """A Consul that has just started."""

    def leader(self) -> str:
        return ""


class Starting(HalfIn):
    """An engine that would answer late."""

    def swarm(self) -> SwarmStatus:
        raise AssertionError("it was asked")


def test_a_node_whose_consul_has_no_leader_does_not_wait_for_an_engine_that_starts() -> None:
    """Its next pass purges the catalogue, as soon as there is a leader."""
    engine = cast(Engine, Starting())
    made = Agent(machine("10.0.0.4", instance="i-one"), cast(Consul, Leaderless()), engine, engine)
    seen = made.gather()
    assert (seen.has_leader, seen.swarm_state) == (False, None)


@pytest.mark.usefixtures("join_file")
def test_an_agent_that_is_started_anew_ends_the_join_that_failed() -> None:
    engine = HalfIn()
    half_in(engine).act(JoinSwarm(("10.0.0.5",), "token"))
    seen = half_in(engine).gather()
    assert (seen.swarm_state, seen.is_joining) == ("error", True)


def test_an_engine_that_was_in_is_not_taken_for_one_whose_join_failed(join_file: Path) -> None:
    """The engine would lose the Swarm's state: its managers, and as the only manager the services, too."""
    engine = HalfIn()
    made = half_in(engine)
    made.act(JoinSwarm(("10.0.0.5",), "token"))
    engine.state = "active"
    assert not made.gather().is_joining
    assert not join_file.exists()
    engine.state = "error"
    assert not half_in(engine).gather().is_joining


def test_an_engine_that_is_still_joining_is_not_taken_for_in_because_its_leader_hangs(
    monkeypatch: pytest.MonkeyPatch, join_file: Path
) -> None:
    engine = HalfIn()
    made = half_in(engine)
    made.act(JoinSwarm(("10.0.0.5",), "token"))
    engine.state = "pending"
    monkeypatch.setattr(engine, "swarm_id", failing_late)
    for _ in range(2):
        assert made.gather().swarm_state == "pending"
    assert join_file.exists()


def failing_late() -> str:
    raise TimedOut("timed out")


@pytest.mark.usefixtures("join_file")
def test_a_node_whose_join_failed_joins_anew_and_removes_what_is_left_of_the_first() -> None:
    engine = HalfIn()
    made = half_in(engine)
    assert made.machine.name == "core-i-one"
    made.act(JoinSwarm(("10.0.0.5",), "token"))
    seen = made.gather()
    assert (seen.swarm_state, seen.is_joining) == ("error", True)
    made.act(EndJoin("no leader"))
    seen = made.gather()
    assert (seen.swarm_state, seen.is_joining) == ("inactive", False)
    made._swarm_node, engine.rows["second"] = "second", ("core-i-one", "ready")
    engine.rows["first"] = ("core-i-one", "ready")
    made.settle()  # the Swarm has not noticed yet
    engine.rows["first"] = ("core-i-one", "down")
    engine.removal_fails = True
    made.settle()  # it fails for nobody else: this manager goes on to declare itself
    engine.removal_fails = False
    for _ in range(2):
        made.settle()
    assert engine.demoted == ["first"]
    assert engine.rows.keys() == {"namesake", "second"}


class Asked:
    """A manager's engine, and what it is asked."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.asked: list[str] = []

    def swarm_id(self) -> str:
        self.asked.append("swarm")
        if self.failure:
            raise self.failure
        return "swarm-1"

    def swarm(self) -> SwarmStatus:
        self.asked.append("info")
        return SwarmStatus("active", is_manager=False, error="no leader", id="", node="node-2")


def looking(failure: Exception | None = None, *, node: str = "node-1") -> tuple[Agent, Asked]:
    engine = Asked(failure)
    found = Agent(machine("10.0.0.4"), cast(Consul, Locks()), cast(Engine, engine), cast(Engine, engine))
    found._swarm_node = node
    return found, engine


def test_a_manager_asks_its_swarms_leader_and_not_what_may_come_20_s_late() -> None:
    made, engine = looking()
    assert made.observe_swarm() == SwarmStatus(
        "active", is_manager=True, error="", id="swarm-1", node="node-1"
    )
    assert engine.asked == ["swarm"]


def test_where_nobody_answers_for_the_leader_it_asks_again_at_its_next_pass() -> None:
    made, engine = looking(TimedOut("timed out"))
    found = made.observe_swarm()
    assert (found.state, found.is_manager, found.error) == ("active", False, "their leader does not answer")
    assert engine.asked == ["swarm"]


@pytest.mark.parametrize(
    ("failure", "node", "asked"),
    [(DockerUnavailable("not a swarm manager"), "node-1", ["swarm", "info"]), (None, "", ["info"])],
)
def test_a_node_that_is_no_manager_reads_its_role_from_docker_info(
    failure: Exception | None, node: str, asked: list[str]
) -> None:
    made, engine = looking(failure, node=node)
    assert made.observe_swarm().node == "node-2"
    assert engine.asked == asked
