"""Minimal engine and Consul of a manager, for tests that run neither."""

from __future__ import annotations

from typing import Any, cast

from node.agent import Agent
from swarmer.adapters import process
from swarmer.adapters.consul import Consul, Key
from swarmer.adapters.docker import Engine
from swarmer.core.joining import NodeState
from swarmer.core.node import ProviderView
from swarmer.core.state import SwarmNode
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

    def nodes(self, *, name: str) -> tuple[SwarmNode, ...]:
        return ()

    def swarm_id(self) -> str:
        return "swarm-1"

    def tokens(self) -> tuple[str, str]:
        return "worker", "manager"


class Locks:
    """Consul's sessions and the initializing node's lock, which is free."""

    def __init__(self) -> None:
        self.sessions: list[str] = []
        self.keys: dict[str, str] = {}
        self.written: list[str] = []
        self.asked: list[str] = []
        self.reports: dict[str, str] = {}
        """Managers by their description that control no Swarm, with the output of their checks."""

    def unhealthy(self, _: str) -> dict[str, str]:
        return self.reports

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
        """Release a lock, together with its session."""

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


def settled(*, leads: bool, consul: Locks | None = None) -> Agent:
    engine = cast(Engine, Leading(leads=leads))
    made = Agent(machine("10.0.0.4", instance="i-one"), cast(Consul, consul or Locks()), engine)
    made.provider.view = ProviderView(cluster_id="swarm-1")
    return made


def failing(argv: Any, **_: Any) -> str:
    raise process.Failed("AWS is away")


def node_state(state: str | None, *, is_published: bool = False) -> NodeState:
    return NodeState(has_leader=True, members=3, swarm_state=state, is_published=is_published)
