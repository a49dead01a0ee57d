"""The agent's shell: what it keeps right outside the cluster."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import replace
from typing import Any, cast

import pytest

from node import agent, vitals
from node.agent import Agent
from swarmer.adapters import process
from swarmer.adapters.consul import Consul, Key, Unavailable
from swarmer.adapters.docker import Engine, Swarm, TimedOut
from swarmer.adapters.docker import Unavailable as DockerUnavailable
from swarmer.core import names
from swarmer.core.joining import EndJoin, JoinSwarm, Wait, World
from swarmer.core.node import CloudView
from tests.node.daemons.daemon import machine


class Leading:
    """An engine that leads its Swarm, or does not."""

    def __init__(self, *, leads: bool) -> None:
        self.leads = leads
        self.wanted: list[dict[str, str]] = []

    def is_leader(self, node_id: str) -> bool:
        return self.leads

    def ensure_node(self, node_id: str, **wanted: str) -> bool:
        self.wanted.append(wanted)
        return False

    def swarm_id(self) -> str:
        return "swarm-1"

    def tokens(self) -> tuple[str, str]:
        return "worker", "manager"


class Locks:
    """Consul's sessions and the founder's lock, which is free."""

    def __init__(self) -> None:
        self.sessions: list[str] = []
        self.keys: dict[str, str] = {}
        self.written: list[str] = []
        self.asked: list[str] = []

    def create_session(self, name: str, **_: int) -> str:
        self.sessions.append(name)
        return name

    def renew_session(self, session: str) -> bool:
        return session in self.sessions

    def destroy_session(self, session: str) -> None:
        self.sessions.remove(session)

    def acquire(self, key: str, value: str, session: str) -> bool:
        return True

    def release(self, key: str, value: str, session: str) -> None:
        """With its session."""

    def get(self, key: str) -> Key | None:
        self.asked.append(key)
        return Key(self.keys[key], None, 0, 0) if key in self.keys else None

    def below(self, prefix: str) -> dict[str, Key]:
        self.asked.append(prefix)
        found = [key for key in self.keys if key.startswith(prefix)]
        return {key.removeprefix(prefix): Key(self.keys[key], None, 0, 0) for key in found}

    def put(self, key: str, value: str) -> None:
        self.keys[key] = value
        self.written.append(key)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What was run, without the interpreter."""
    found: list[tuple[str, ...]] = []

    def run(argv: list[str], **_: object) -> str:
        found.append(tuple(argv[1:]))
        return CloudView().to_json() if argv[-1] == "look" else ""

    monkeypatch.setattr(process, "run", run)
    return found


def settled(*, leads: bool, consul: Locks | None = None) -> Agent:
    engine = cast(Engine, Leading(leads=leads))
    made = Agent(machine("10.0.0.4", instance="i-one"), cast(Consul, consul or Locks()), engine)
    made.view = CloudView(identity="swarm-1")
    return made


@pytest.mark.parametrize(
    ("roles", "wanted"),
    [(("swarm-manager", "swarm-worker"), []), (("swarm-manager",), [{"Availability": "drain"}])],
)
def test_a_manager_that_people_drained_stays_so(
    ran: list[tuple[str, ...]], roles: tuple[str, ...], wanted: list[dict[str, str]]
) -> None:
    """It was put back within 3 s. One that is no worker is drained by its description."""
    engine = Leading(leads=False)
    made = Agent(machine("10.0.0.4", roles=roles), cast(Consul, Locks()), cast(Engine, engine))
    made.settle()
    assert engine.wanted == wanted


LOOK = ("-m", "node.cloud", "look")
MARK = ("-m", "node.cloud", "mark", "swarm-1")


def test_a_mark_that_was_taken_away_is_made_again_by_the_swarms_leader(ran: list[tuple[str, ...]]) -> None:
    """CloudFormation writes `unfounded` over it when a tag of the stack changes."""
    settled(leads=True).settle()
    assert ran == [MARK]


def test_no_other_manager_writes_it(ran: list[tuple[str, ...]]) -> None:
    settled(leads=False).settle()
    assert ran == []


def test_it_is_seen_to_from_time_to_time_only(
    ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(agent.time, "monotonic", lambda: now)
    leader = settled(leads=True)
    for _ in range(3):
        leader.settle()
    assert ran == [MARK]
    now += agent.TOKENS_S
    leader.settle()
    assert ran == [MARK], "the tokens were seen to, which costs nothing"
    now += agent.MARK_S
    leader.settle()
    assert ran == [MARK, MARK]


def test_rotated_tokens_are_published_by_the_swarms_leader(ran: list[tuple[str, ...]]) -> None:
    """`docker swarm join-token --rotate`, or a KV store that was restored: nobody could join any more."""
    consul = Locks()
    consul.keys = {names.KV_TOKEN_WORKER: "old", names.KV_SWARM_ID: "swarm-1"}
    settled(leads=True, consul=consul).settle()
    assert consul.keys[names.KV_TOKEN_WORKER] == "worker"
    assert consul.keys[names.KV_TOKEN_MANAGER] == "manager"
    assert consul.written == [names.KV_TOKEN_WORKER, names.KV_TOKEN_MANAGER]


def test_a_ground_that_is_slow_is_not_waited_for_until_dns_forgets_the_manager(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(process, "run", lambda _, *, timeout_s: waited.append(timeout_s) or "")
    settled(leads=True).settle()
    ttl_s = float(agent.DOCKER_TTL.removesuffix("s"))
    # Beside it: the pause between two passes, and what a pass takes.
    assert waited
    assert waited[0] + agent.SETTLED_PAUSE_S + vitals.ANSWER_S < ttl_s


def failing(argv: Any, **_: Any) -> str:
    raise process.Failed("AWS is away")


def test_a_ground_that_does_not_answer_keeps_no_manager_from_its_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(process, "run", failing)
    settled(leads=True).settle()
    said = capsys.readouterr()
    assert "AWS is away" in said.out + said.err
    assert "ready" in said.out + said.err


class Joining:
    """Consul's agent on a node whose peers, all but the first, drop whatever they are sent."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs
        self.asked: list[str] = []
        self.side_by_side = threading.Barrier(agent.MOST_JOINS)

    def members(self) -> list[dict[str, Any]]:
        if self.hangs:
            raise Unavailable("timed out")
        return [{"Addr": "10.0.1.0", "Status": 1}, {"Addr": "10.0.1.1", "Status": 4}]

    def join(self, address: str) -> None:
        """Nobody is let go before `side_by_side` ask at once."""
        self.asked.append(address)
        with contextlib.suppress(threading.BrokenBarrierError):
            self.side_by_side.wait(5)
        raise Unavailable("timed out")


PEERS = tuple(f"10.0.1.{number}" for number in range(2 * agent.MOST_JOINS + 1))


def lonely(consul: Joining) -> Agent:
    made = Agent(machine("10.0.0.4", instance="i-one"), consul=cast(Consul, consul))
    made.view, made._looked_s = CloudView(peers=PEERS), time.monotonic()
    return made


def test_a_zone_full_of_machines_that_do_not_answer_holds_nobody_up() -> None:
    consul = Joining()
    lonely(consul).join_consul()
    assert not consul.side_by_side.broken
    # Who is a member is not asked to become one.
    assert sorted(consul.asked) == sorted(PEERS[1:])


def test_a_consul_that_hangs_itself_is_asked_to_join_nobody() -> None:
    """Each question would cost its time-out, and nobody would see that it hangs meanwhile."""
    consul = Joining(hangs=True)
    lonely(consul).join_consul()
    assert consul.asked == []


class Founding(Leading):
    """An engine that founds a Swarm, and may be slower than it is waited for."""

    def __init__(self, *, is_slow: bool = False, ingress_fails: bool = False) -> None:
        super().__init__(leads=True)
        self.is_slow = is_slow
        self.ingress_fails = ingress_fails
        self.has_founded = False
        self.ingresses = 0

    def ensure_gateway_bridge(self) -> bool:
        return False

    def found_swarm(self, address: str) -> None:
        if self.is_slow:
            raise DockerUnavailable("timed out")

        self.has_founded = True

    def ensure_ingress(self) -> bool:
        self.ingresses += 1
        if self.ingress_fails:
            raise DockerUnavailable("the old ingress network is there still")
        return False


def founder(engine: Founding) -> tuple[Agent, Locks]:
    locks = Locks()
    made = Agent(machine("10.0.0.4", instance="i-one"), cast(Consul, locks), cast(Engine, engine))
    made._looked_s = time.monotonic()
    return made, locks


PUBLISHED = {names.KV_TOKEN_WORKER: "worker", names.KV_TOKEN_MANAGER: "manager", names.KV_SWARM_ID: "swarm-1"}


@pytest.mark.parametrize("lost", [None, *PUBLISHED])
def test_a_manager_sees_at_its_next_pass_which_key_is_lost(lost: str | None) -> None:
    """A lost token of workers was noticed after 5 minutes; no worker could join meanwhile."""
    consul = Locks()
    consul.keys = {key: value for key, value in PUBLISHED.items() if key != lost}
    seen = settled(leads=False, consul=consul).look_at_keys(world("active"))
    assert seen.published is (lost is None)
    assert len(consul.asked) == 2


def test_what_consul_and_the_ground_call_the_swarm_is_compared_with_its_own() -> None:
    consul = Locks()
    consul.keys = {**PUBLISHED, names.KV_SWARM_ID: "swarm-2"}
    seen = settled(leads=False, consul=consul).look_at_keys(replace(world("active"), swarm_id="swarm-1"))
    assert (seen.known, seen.other_swarm) == (("swarm-2",), "swarm-2")


def test_a_manager_of_another_swarm_goes_on_once_people_have_corrected_the_identity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def look(argv: list[str], **_: object) -> str:
        asked.append(argv[-1])
        return CloudView(identity="swarm-1").to_json()

    monkeypatch.setattr(process, "run", look)
    made = settled(leads=True)
    made.view, made._looked_s = CloudView(identity="swarm-0"), time.monotonic() - agent.GROUND_AGAIN_S
    for _ in range(3):
        made.act(Wait("people", for_people=True))
    assert (made.view.identity, asked) == ("swarm-1", ["look"])


def test_a_manager_of_another_swarm_is_in_dns_for_nobody() -> None:
    """Else nodes would try to join through it, and people's commands would reach it."""
    declared: list[tuple[str, bool, str]] = []

    class Declaring(Locks):
        def services(self) -> list[Any]:
            return []

        def register(self, *_: object) -> None:
            """As critical."""

        def confirm(self, name: str, *, passing: bool, note: str) -> None:
            declared.append((name, passing, note))

    seen = replace(world("active"), is_manager=True, swarm_id="swarm-1", known=("swarm-2",))
    settled(leads=True, consul=Declaring()).declare_docker(seen)
    assert declared == [(names.SERVICE_MANAGER, False, "no manager of this cluster now")]


class Reachable(Locks):
    """A Consul with a leader and three members."""

    def leader(self) -> str:
        return "10.0.0.5:8300"

    def members(self) -> list[dict[str, Any]]:
        return 3 * [{"Status": 1}]

    def healthy(self, _: str) -> list[dict[str, Any]]:
        return []


class HalfIn(Leading):
    """An engine that does not get into the Swarm at its first try, though the Swarm lists it by then."""

    def __init__(self) -> None:
        super().__init__(leads=False)
        self.state = "inactive"
        self.rows = {"first": ("core-i-one", "down"), "namesake": ("core-i-one-too", "down")}
        self.demoted: list[str] = []

    def ensure_gateway_bridge(self) -> bool:
        return False

    def swarm(self) -> Swarm:
        return Swarm(self.state, is_manager=False, error="no leader", id="", node="")

    def join_swarm(self, *_: object) -> None:
        self.state = "error"

    def end_join(self) -> None:
        self.state = "inactive"

    def nodes(self, *, name: str) -> list[dict[str, Any]]:
        found = [(node, host, how) for node, (host, how) in self.rows.items() if host.startswith(name)]
        return [
            {"ID": node, "Description": {"Hostname": host}, "Status": {"State": how}}
            for node, host, how in found
        ]

    def ensure_demoted(self, node_id: str) -> bool:
        self.demoted.append(node_id)
        return True

    def ensure_no_node(self, node_id: str) -> bool:
        return bool(self.rows.pop(node_id))


def test_a_node_whose_join_failed_joins_anew_and_removes_what_is_left_of_the_first() -> None:
    engine, consul = HalfIn(), Reachable()
    made = Agent(machine("10.0.0.4", instance="i-one"), cast(Consul, consul), cast(Engine, engine))
    made.impatient = made.engine
    assert made.machine.name == "core-i-one"
    made.act(JoinSwarm(("10.0.0.5",), "token"))
    seen = made.gather()
    assert (seen.swarm_state, seen.joins) == ("error", True)
    made.act(EndJoin("no leader"))
    seen = made.gather()
    assert (seen.swarm_state, seen.joins) == ("inactive", False)
    made._swarm_node, engine.rows["second"] = "second", ("core-i-one", "ready")
    made.settle()
    made.settle()
    assert engine.demoted == ["first"]
    assert engine.rows.keys() == {"namesake", "second"}


def world(state: str | None, *, published: bool = False) -> World:
    return World(has_leader=True, members=3, swarm_state=state, published=published)


def test_a_founder_frees_its_lock_once_all_is_published(ran: list[tuple[str, ...]]) -> None:
    made, locks = founder(Founding())
    made.found_swarm()
    assert ran == [LOOK, MARK]
    assert locks.sessions == []
    assert len(locks.keys) == 3


def test_who_comes_to_the_lock_after_a_founder_that_died_asks_the_ground_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It had marked its Swarm and published nothing; what this node was told at its boot is seconds old."""
    engine = Founding()
    made, locks = founder(engine)
    monkeypatch.setattr(process, "run", lambda *_, **__: CloudView(identity="swarm-0").to_json())
    made.found_swarm()
    assert not engine.has_founded
    assert locks.sessions == []
    assert made.view.is_founded, "so its next decision is to wait"


@pytest.mark.parametrize("view", [CloudView(), CloudView(identity="swarm-1")])
def test_where_the_ground_does_not_answer_no_swarm_is_founded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], view: CloudView
) -> None:
    now, asked = 1000.0, []
    monkeypatch.setattr(agent.time, "monotonic", lambda: now)
    monkeypatch.setattr(process, "run", lambda *_, **__: asked.append(now) or failing(()))
    engine = Founding()
    made, locks = founder(engine)
    made.view = view
    for _ in range(3):
        made.found_swarm()
    said = capsys.readouterr()
    assert "waits for its ground to say whether the cluster was founded: AWS is away" in said.out + said.err
    assert asked == [1000.0], "a question costs half a second of a core"
    now += agent.REDISCOVERY_S
    made.found_swarm()
    assert asked == [1000.0, now]
    assert not engine.has_founded
    assert locks.sessions == []


def test_a_founder_whose_lock_went_while_the_ground_was_asked_founds_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Founding()
    made, locks = founder(engine)
    monkeypatch.setattr(locks, "renew_session", lambda _: False)
    monkeypatch.setattr(process, "run", lambda *_, **__: CloudView().to_json())
    made.found_swarm()
    assert not engine.has_founded


def test_an_ingress_network_that_could_not_be_moved_is_moved_before_anybody_joins(
    ran: list[tuple[str, ...]],
) -> None:
    engine = Founding(ingress_fails=True)
    made, locks = founder(engine)
    with pytest.raises(DockerUnavailable):
        made.found_swarm()
    assert ran == [LOOK], "neither marked nor published"
    assert locks.keys == {}
    engine.ingress_fails = False
    made.publish()
    assert engine.ingresses == 2
    assert len(locks.keys) == 3


def test_the_ingress_network_of_a_swarm_that_has_been_published_is_left_alone(
    ran: list[tuple[str, ...]],
) -> None:
    engine = Founding()
    made, locks = founder(engine)
    locks.keys = {names.KV_SWARM_ID: "swarm-1"}
    made.publish()
    locks.keys = {}
    made.publish()  # the keys are lost; the ground knows the Swarm by now
    assert engine.ingresses == 0
    assert len(locks.keys) == 3


def test_a_manager_that_was_never_told_of_the_founding_asks_before_it_moves_the_ingress_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At its boot the cluster was unfounded, and Consul has lost the Swarm's id since."""
    engine = Founding()
    made, _ = founder(engine)
    view = CloudView(identity="swarm-1")
    monkeypatch.setattr(process, "run", lambda *_, **__: view.to_json())
    made.publish()
    assert engine.ingresses == 0


def test_nobody_publishes_beside_another_swarm(ran: list[tuple[str, ...]]) -> None:
    made, locks = founder(Founding())
    locks.keys = {names.KV_SWARM_ID: "swarm-0"}
    with pytest.raises(DockerUnavailable, match="another Swarm, swarm-0"):
        made.publish()
    assert (ran, locks.written) == ([], [])


def test_a_manager_whose_mark_is_refused_knows_which_swarm_the_cluster_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(argv: list[str], **_: object) -> str:
        return CloudView(identity="swarm-0").to_json() if argv[-1] == "look" else failing(argv)

    monkeypatch.setattr(process, "run", run)
    made, _ = founder(Founding())
    with pytest.raises(DockerUnavailable):
        made.publish()
    assert made.view.identity == "swarm-0"


def throttled(argv: list[str], **_: object) -> str:
    """The ground answers questions, and takes no mark."""
    return CloudView().to_json() if argv[-1] == "look" else failing(argv)


def test_nobody_founds_a_second_swarm_while_the_first_cannot_be_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The identity's parameter is throttled at the first boot: the next manager would come to the lock."""
    made, locks = founder(Founding())
    with monkeypatch.context() as away:
        away.setattr(process, "run", throttled)
        with pytest.raises(DockerUnavailable):
            made.found_swarm()
        for _ in range(3):
            made.keep_lock(world("active"))
            assert locks.sessions == ["swarm"]
    made.keep_lock(world("active", published=True))
    assert locks.sessions == []


def test_a_swarm_that_takes_longer_than_it_is_waited_for_is_founded_once(ran: list[tuple[str, ...]]) -> None:
    made, locks = founder(Founding(is_slow=True))
    with pytest.raises(DockerUnavailable):
        made.found_swarm()
    made.keep_lock(world("pending"))
    assert locks.sessions == ["swarm"]


def test_a_founder_to_whom_nothing_came_of_it_leaves_it_to_another(ran: list[tuple[str, ...]]) -> None:
    made, locks = founder(Founding(is_slow=True))
    with pytest.raises(DockerUnavailable):
        made.found_swarm()
    made.keep_lock(world("inactive"))
    assert locks.sessions == []


def test_a_founder_whose_lock_is_gone_goes_on_without(ran: list[tuple[str, ...]]) -> None:
    made, locks = founder(Founding(is_slow=True))
    with pytest.raises(DockerUnavailable):
        made.found_swarm()
    locks.sessions.clear()
    made.keep_lock(world("active"))
    made.keep_lock(world("inactive"))
    assert locks.sessions == []


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

    def swarm(self) -> Swarm:
        self.asked.append("info")
        return Swarm("active", is_manager=False, error="no leader", id="", node="node-2")


def looking(failure: Exception | None = None, *, node: str = "node-1") -> tuple[Agent, Asked]:
    engine = Asked(failure)
    found = Agent(machine("10.0.0.4"), cast(Consul, Locks()), cast(Engine, engine), cast(Engine, engine))
    found._swarm_node = node
    return found, engine


def test_a_manager_asks_its_swarms_leader_and_not_what_may_come_20_s_late() -> None:
    made, engine = looking()
    assert made.look_at_swarm() == Swarm("active", is_manager=True, error="", id="swarm-1", node="node-1")
    assert engine.asked == ["swarm"]


def test_where_nobody_answers_for_the_leader_it_asks_again_at_its_next_pass() -> None:
    made, engine = looking(TimedOut("timed out"))
    found = made.look_at_swarm()
    assert (found.state, found.is_manager, found.error) == ("active", False, "their leader does not answer")
    assert engine.asked == ["swarm"]


@pytest.mark.parametrize(
    ("failure", "node", "asked"),
    [(DockerUnavailable("not a swarm manager"), "node-1", ["swarm", "info"]), (None, "", ["info"])],
)
def test_one_that_is_no_manager_or_does_not_know_learns_what_it_is(
    failure: Exception | None, node: str, asked: list[str]
) -> None:
    made, engine = looking(failure, node=node)
    assert made.look_at_swarm().node == "node-2"
    assert engine.asked == asked
