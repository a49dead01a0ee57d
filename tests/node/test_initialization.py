"""The cluster's one Swarm: its initialization, and what the provider and Consul record of it."""

from __future__ import annotations

import time
from typing import cast

import pytest

from node import agent, health, initialization, provider
from node.agent import Agent
from swarmer.adapters import process
from swarmer.adapters.consul import Consul
from swarmer.adapters.docker import Engine
from swarmer.adapters.docker import Unavailable as DockerUnavailable
from swarmer.core import names
from swarmer.core.joining import InitializeSwarm, Publish
from swarmer.core.node import ProviderView
from tests.node.daemons.daemon import machine
from tests.node.swarms import Leading, Locks, failing, node_state, settled

DESCRIBE = ("-m", "node.cloud", "describe")


RECORD = ("-m", "node.cloud", "record", "swarm-1")


def test_a_record_that_was_taken_away_is_made_again_by_the_swarms_leader(ran: list[tuple[str, ...]]) -> None:
    """CloudFormation writes `unfounded` over it when a tag of the stack changes."""
    settled(leads=True).settle()
    assert ran == [RECORD]


def test_no_other_manager_writes_it(ran: list[tuple[str, ...]]) -> None:
    settled(leads=False).settle()
    assert ran == []


def test_it_is_seen_to_from_time_to_time_only(
    ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    leader = settled(leads=True)
    for _ in range(3):
        leader.settle()
    assert ran == [RECORD]
    now += initialization.PUBLISH_INTERVAL_S
    leader.settle()
    assert ran == [RECORD], "the tokens were seen to, which costs nothing"
    now += provider.RECORD_CHECK_INTERVAL_S
    leader.settle()
    assert ran == [RECORD, RECORD]


def test_rotated_tokens_are_published_by_the_swarms_leader(ran: list[tuple[str, ...]]) -> None:
    """`docker swarm join-token --rotate`, or a KV store that was restored: nobody could join any more."""
    consul = Locks()
    consul.keys = {names.KV_TOKEN_WORKER: "old", names.KV_SWARM_ID: "swarm-1"}
    settled(leads=True, consul=consul).settle()
    assert consul.keys[names.KV_TOKEN_WORKER] == "worker"
    assert consul.keys[names.KV_TOKEN_MANAGER] == "manager"
    assert consul.written == [names.KV_TOKEN_WORKER, names.KV_TOKEN_MANAGER]


def test_a_provider_that_is_slow_is_not_waited_for_until_dns_forgets_the_manager(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []

    def note(_: object, *, timeout_s: float) -> str:
        waited.append(timeout_s)
        return ""

    monkeypatch.setattr(process, "run", note)
    settled(leads=True).settle()
    ttl_s = float(agent.DOCKER_TTL.removesuffix("s"))
    # Beside it: the pause between two passes, and what a pass takes.
    assert waited
    assert waited[0] + agent.SETTLED_PAUSE_S + health.PROBE_TIMEOUT_S < ttl_s


def test_a_provider_that_does_not_answer_keeps_no_manager_from_its_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(process, "run", failing)
    settled(leads=True).settle()
    said = capsys.readouterr()
    assert "AWS is away" in said.out + said.err
    assert "ready" in said.out + said.err


class InitializingEngine(Leading):
    """An engine that initializes a Swarm, and may be slower than it is waited for."""

    def __init__(self, *, is_slow: bool = False, ingress_fails: bool = False) -> None:
        super().__init__(leads=True)
        self.is_slow = is_slow
        self.ingress_fails = ingress_fails
        self.has_initialized = False
        self.ingresses = 0

    def ensure_gateway_bridge(self, mtu: int) -> bool:
        return False

    def init_swarm(self, address: str) -> None:
        if self.is_slow:
            raise DockerUnavailable("timed out")

        self.has_initialized = True

    def ensure_ingress(self) -> bool:
        self.ingresses += 1
        if self.ingress_fails:
            raise DockerUnavailable("the old ingress network is there still")
        return False


def initializing(engine: InitializingEngine) -> tuple[Agent, Locks]:
    locks = Locks()
    made = Agent(machine("10.0.0.4", instance="i-one"), cast(Consul, locks), cast(Engine, engine))
    made.provider._queried_s = time.monotonic()
    return made, locks


def test_an_initializing_manager_frees_its_lock_once_all_is_published(ran: list[tuple[str, ...]]) -> None:
    made, locks = initializing(InitializingEngine())
    made.act(InitializeSwarm())
    assert ran == [DESCRIBE, RECORD]
    assert locks.sessions == []
    assert len(locks.keys) == 3


def test_the_next_lock_holder_asks_the_provider_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The dead one had recorded its Swarm and not published it; this node's answer from its boot is older."""
    engine = InitializingEngine()
    made, locks = initializing(engine)
    monkeypatch.setattr(process, "run", lambda *_, **__: ProviderView(cluster_id="swarm-0").to_json())
    made.act(InitializeSwarm())
    assert not engine.has_initialized
    assert locks.sessions == []
    assert made.provider.view.is_initialized, "so its next decision is to wait"


@pytest.mark.parametrize("view", [ProviderView(), ProviderView(cluster_id="swarm-1")])
def test_where_the_provider_does_not_answer_no_swarm_is_initialized(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], view: ProviderView
) -> None:
    now = 1000.0
    asked: list[float] = []

    def fail(*_: object, **__: object) -> str:
        asked.append(now)
        return failing(())

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(process, "run", fail)
    engine = InitializingEngine()
    made, locks = initializing(engine)
    made.provider.view = view
    for _ in range(3):
        made.act(InitializeSwarm())
    said = capsys.readouterr()
    assert (
        "waits for the provider to report whether the cluster was initialized: AWS is away"
        in said.out + said.err
    )
    assert asked == [1000.0], "a question costs half a second of a core"
    now += provider.REFRESH_INTERVAL_S
    made.act(InitializeSwarm())
    assert asked == [1000.0, now]
    assert not engine.has_initialized
    assert locks.sessions == []


def test_a_manager_that_lost_the_lock_during_a_query_initializes_no_swarm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = InitializingEngine()
    made, locks = initializing(engine)
    monkeypatch.setattr(locks, "renew_session", lambda _: False)
    monkeypatch.setattr(process, "run", lambda *_, **__: ProviderView().to_json())
    made.act(InitializeSwarm())
    assert not engine.has_initialized


def test_an_ingress_network_that_could_not_be_moved_is_moved_before_anybody_joins(
    ran: list[tuple[str, ...]],
) -> None:
    engine = InitializingEngine(ingress_fails=True)
    made, locks = initializing(engine)
    with pytest.raises(DockerUnavailable):
        made.act(InitializeSwarm())
    assert ran == [DESCRIBE], "neither recorded nor published"
    assert locks.keys == {}
    engine.ingress_fails = False
    made.act(Publish())
    assert engine.ingresses == 2
    assert len(locks.keys) == 3


def test_the_ingress_network_of_a_swarm_that_has_been_published_is_left_alone(
    ran: list[tuple[str, ...]],
) -> None:
    engine = InitializingEngine()
    made, locks = initializing(engine)
    locks.keys = {names.KV_SWARM_ID: "swarm-1"}
    made.act(Publish())
    locks.keys = {}
    made.act(Publish())  # the keys are lost; the provider knows the Swarm by now
    assert engine.ingresses == 0
    assert len(locks.keys) == 3


def test_a_manager_that_was_never_told_of_the_swarm_asks_before_it_moves_the_ingress_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cluster was uninitialized at this manager's boot, and Consul has lost the Swarm's ID since."""
    engine = InitializingEngine()
    made, _ = initializing(engine)
    view = ProviderView(cluster_id="swarm-1")
    monkeypatch.setattr(process, "run", lambda *_, **__: view.to_json())
    made.act(Publish())
    assert engine.ingresses == 0


def test_nobody_publishes_beside_another_swarm(ran: list[tuple[str, ...]]) -> None:
    made, locks = initializing(InitializingEngine())
    locks.keys = {names.KV_SWARM_ID: "swarm-0"}
    with pytest.raises(DockerUnavailable, match="another Swarm, swarm-0"):
        made.act(Publish())
    assert (ran, locks.written) == ([], [])


def test_a_manager_whose_record_is_refused_knows_which_swarm_the_cluster_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(argv: list[str], **_: object) -> str:
        return ProviderView(cluster_id="swarm-0").to_json() if argv[-1] == "describe" else failing(argv)

    monkeypatch.setattr(process, "run", run)
    made, _ = initializing(InitializingEngine())
    with pytest.raises(DockerUnavailable):
        made.act(Publish())
    assert made.provider.view.cluster_id == "swarm-0"


def throttled(argv: list[str], **_: object) -> str:
    """The provider answers questions, and records nothing."""
    return ProviderView().to_json() if argv[-1] == "describe" else failing(argv)


def test_nobody_initializes_a_second_swarm_while_the_first_cannot_be_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The identity's parameter is throttled at the first boot: the next manager would come to the lock."""
    made, locks = initializing(InitializingEngine())
    with monkeypatch.context() as away:
        away.setattr(process, "run", throttled)
        with pytest.raises(DockerUnavailable):
            made.act(InitializeSwarm())
        for _ in range(3):
            made.initializer.keep_lock(node_state("active"))
            assert locks.sessions == ["swarm"]
    made.initializer.keep_lock(node_state("active", is_published=True))
    assert locks.sessions == []


def test_a_swarm_that_takes_longer_than_it_is_waited_for_is_initialized_once(
    ran: list[tuple[str, ...]],
) -> None:
    made, locks = initializing(InitializingEngine(is_slow=True))
    with pytest.raises(DockerUnavailable):
        made.act(InitializeSwarm())
    made.initializer.keep_lock(node_state("pending"))
    assert locks.sessions == ["swarm"]


def test_a_manager_whose_initialization_failed_frees_the_lock(
    ran: list[tuple[str, ...]],
) -> None:
    made, locks = initializing(InitializingEngine(is_slow=True))
    with pytest.raises(DockerUnavailable):
        made.act(InitializeSwarm())
    made.initializer.keep_lock(node_state("inactive"))
    assert locks.sessions == []


def test_a_manager_whose_agent_lost_its_lock_publishes_nothing_while_another_has_it(
    ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Restarted before it recorded its Swarm: the lock's holder by now initializes another one."""
    made, locks = initializing(InitializingEngine())
    with monkeypatch.context() as held:
        held.setattr(locks, "acquire", lambda *_: False)
        made.act(Publish())
    assert (ran, locks.keys, locks.sessions) == ([], {}, [])
    made.act(Publish())
    assert ran == [DESCRIBE, RECORD]
    made.initializer.keep_lock(node_state("active", is_published=True))
    assert locks.sessions == []


def test_an_initializing_manager_whose_lock_is_gone_goes_on_without(ran: list[tuple[str, ...]]) -> None:
    made, locks = initializing(InitializingEngine(is_slow=True))
    with pytest.raises(DockerUnavailable):
        made.act(InitializeSwarm())
    locks.sessions.clear()
    made.initializer.keep_lock(node_state("active"))
    made.initializer.keep_lock(node_state("inactive"))
    assert locks.sessions == []
