"""Answers of Docker or of a real Consul are lost while the Swarm is initialized: one Swarm, no lock left."""

from __future__ import annotations

from typing import Any, cast

import pytest

from node import provider
from node.agent import Agent
from node.registry import RegistryElector
from swarmer.adapters.consul import Unavailable
from swarmer.adapters.docker import Engine, NotFound
from swarmer.adapters.docker import Unavailable as DockerUnavailable
from swarmer.core import joining, names
from swarmer.core.state import SwarmStatus
from tests.node.conftest import ConsulServer, free_port
from tests.node.daemons.daemon import machine
from tests.node.losing import AFTER, ALWAYS, INSTEAD, LOSABLE, ONCE, LosingConsul, LosingEngine, Loss
from tests.node.swarms import node_state

SWARM_CALLS = ("init_swarm", "ensure_gateway_bridge", "swarm_id", "tokens", "ensure_ingress")
ENOUGH_PASSES = 12


class OneEngine:
    """An engine that is in one Swarm at most, and forgets none that it initialized."""

    def __init__(self, *losses: Loss) -> None:
        self.losses = losses
        self.swarms = 0

    def _lose(self, call: str, act: Any = lambda: None) -> Any:
        loss = next((each for each in self.losses if each.hits(call)), None)
        found = act() if loss is None or loss.how == AFTER else None
        if loss:
            raise DockerUnavailable(loss.text)
        return found

    def _found(self) -> None:
        if self.swarms:
            raise DockerUnavailable("This node is already part of a swarm.")
        self.swarms += 1

    def _need(self) -> None:
        if not self.swarms:
            raise DockerUnavailable("This node is not a swarm manager.")

    def ensure_gateway_bridge(self, mtu: int) -> bool:
        return bool(self._lose("ensure_gateway_bridge"))

    def init_swarm(self, address: str) -> None:
        self._lose("init_swarm", self._found)

    def swarm_id(self) -> str:
        self._need()
        return str(self._lose("swarm_id", lambda: "swarm-1") or "swarm-1")

    def tokens(self) -> tuple[str, str]:
        self._need()
        self._lose("tokens")
        return "worker", "manager"

    def ensure_ingress(self) -> bool:
        self._need()
        return bool(self._lose("ensure_ingress"))

    def swarm(self) -> SwarmStatus:
        if self.swarms:
            return SwarmStatus("active", is_manager=True, error="", id="swarm-1", node="node-1")
        return SwarmStatus("inactive", is_manager=False, error="", id="", node="")


def agent(consul: LosingConsul, engine: OneEngine) -> Agent:
    made = Agent(machine("10.0.0.4", instance="i-one"), consul, cast(Engine, engine))
    made.initializer.provider = made.provider
    return made


def passes(made: Agent, engine: OneEngine, number: int = ENOUGH_PASSES) -> None:
    """Passes of `Agent.run`, as far as they are about the Swarm."""
    for _ in range(number):
        try:
            seen = node_state("active" if engine.swarms else "inactive", is_published=is_published(made))
            made.initializer.keep_lock(seen)
            if not engine.swarms:
                made.act(joining.InitializeSwarm())
            elif not seen.is_published:
                made.act(joining.Publish())
        except (Unavailable, DockerUnavailable):
            continue


def is_published(made: Agent) -> bool:
    return all(made.consul.get(key) for key in names.KV_SWARM)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch, ran: list[tuple[str, ...]]) -> None:
    monkeypatch.setattr(provider, "REFRESH_INTERVAL_S", 0.0)


@pytest.fixture
def clean(consul_for_module: ConsulServer) -> ConsulServer:
    client = consul_for_module.client()
    for key in (*names.KV_SWARM, names.KV_SWARM_LOCK, names.KV_REGISTRY_SECRET):
        client.delete(key)
    return consul_for_module


@pytest.fixture(scope="module")
def consul_for_module(tmp_path_factory: pytest.TempPathFactory) -> Any:
    server = ConsulServer(tmp_path_factory.mktemp("consul"), free_port())
    server.start()
    yield server
    server.stop()


def is_lock_free(consul: ConsulServer) -> bool:
    key = consul.client().get(names.KV_SWARM_LOCK)
    return key is None or key.session is None


@pytest.mark.parametrize("how", [AFTER, INSTEAD])
@pytest.mark.parametrize("call", [*LOSABLE, *SWARM_CALLS])
def test_an_answer_that_is_lost_once_leaves_one_swarm_published_and_no_lock(
    clean: ConsulServer, call: str, how: str
) -> None:
    loss = Loss(f"^{call}$", how, ONCE)
    engine, consul = OneEngine(loss), LosingConsul(clean.port, loss)
    passes(agent(consul, engine), engine)
    assert engine.swarms == 1
    assert {key: consul.get(key).value for key in names.KV_SWARM} == {  # type: ignore[union-attr]
        names.KV_SWARM_ID: "swarm-1",
        names.KV_TOKEN_WORKER: "worker",
        names.KV_TOKEN_MANAGER: "manager",
    }
    assert is_lock_free(clean)


@pytest.mark.parametrize("how", [AFTER, INSTEAD])
@pytest.mark.parametrize("call", [*LOSABLE, *SWARM_CALLS])
def test_answers_that_are_always_lost_never_make_a_second_swarm(
    clean: ConsulServer, call: str, how: str
) -> None:
    loss = Loss(f"^{call}$", how, ALWAYS)
    first, second = OneEngine(loss), OneEngine(loss)
    for engine in (first, second, first, second):
        passes(agent(LosingConsul(clean.port, loss), engine), engine, 3)
    assert first.swarms + second.swarms <= 1


# -- rows of nodes that are gone ------------------------------------------------------------------------


class Rows(LosingEngine):
    """A manager that lists one dead worker."""

    rows = frozenset(("node-1",))

    def ask_engine(self, method: str, path: str, body: object = None) -> Any:
        loss = next((each for each in self.losses if each.hits(f"{method} {path}")), None)
        if method == "GET" and not self.rows:
            raise NotFound("docker: no such node")
        if method == "DELETE" and (loss is None or loss.how == AFTER):
            self.rows = frozenset()
        if loss:
            raise DockerUnavailable("docker: connection reset")
        return {}


@pytest.mark.parametrize("times", [ONCE, ALWAYS], ids=["once", "always"])
def test_a_row_that_was_removed_although_the_answer_was_lost_is_removed(times: int) -> None:
    engine = Rows("unix:///nowhere", Loss("^DELETE", AFTER, times))
    assert engine.ensure_no_node("node-1")
    assert not engine.rows


@pytest.mark.parametrize("times", [ONCE, ALWAYS], ids=["once", "always"])
def test_a_row_that_could_not_be_removed_is_an_error(times: int) -> None:
    engine = Rows("unix:///nowhere", Loss("^DELETE", INSTEAD, times))
    with pytest.raises(DockerUnavailable, match="connection reset"):
        engine.ensure_no_node("node-1")
    assert engine.rows


# -- the registry's secret ---------------------------------------------------------------------------


def candidate(consul: LosingConsul) -> RegistryElector:
    return RegistryElector(machine("10.0.0.4", instance="i-one"), consul=consul)


def test_the_holders_secret_is_never_overwritten(clean: ConsulServer) -> None:
    """A holder that stood still between look and write would: uploads of the next one would break."""
    late = candidate(LosingConsul(clean.port))
    made: list[str] = []
    real = late.consul.get

    def look(key: str, **named: Any) -> Any:
        if made:
            return real(key, **named)
        made.append(candidate(LosingConsul(clean.port)).secret())
        return None

    late.consul.get = look  # type: ignore[method-assign]
    assert [late.secret()] == made


def test_a_secret_that_was_written_although_the_answer_was_lost_is_used(clean: ConsulServer) -> None:
    made = candidate(LosingConsul(clean.port, Loss("^create$", AFTER, ONCE)))
    with pytest.raises(Unavailable):
        made.secret()
    assert made.secret() == clean.client().get(names.KV_REGISTRY_SECRET).value  # type: ignore[union-attr]
