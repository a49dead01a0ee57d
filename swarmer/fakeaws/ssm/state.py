"""State of Run Command and Session Manager in one region. moto's backend keeps it and resets it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Final

from moto.ec2 import ec2_backends
from moto.ssm.models import ssm_backends

from swarmer.fakeaws.base import clock
from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.fakeaws.ec2.states import LIVING, TERMINATED
from swarmer.fakeaws.ssm.commands import Command, settle

LOST_AFTER_S: Final = 10.0
"""Time without a poll after which an agent is not connected, in seconds. AWS takes five minutes and more."""

changed: Final = threading.Condition(threading.RLock())
"""Condition with the lock of every region's state, notified of new and cancelled commands."""


@dataclass(frozen=True, kw_only=True)
class Agent:
    """Agent of a managed node, from its last call."""

    called_s: float
    registered_s: float
    version: str
    host: str
    platform: str
    platform_version: str


@dataclass(kw_only=True)
class Session:
    """Session of Session Manager. No data passes through it."""

    id: str
    target: str
    document: str
    reason: str
    owner: str
    """ARN of the caller."""
    owner_id: str
    """`aws:userid` of the caller."""
    began_s: float
    ended_s: float | None = None


@dataclass
class State:
    """Commands, agents and sessions of a region."""

    region: str
    commands: dict[str, Command] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)

    def instances(self) -> dict[str, Any]:
        """Instances that are not terminated, by ID."""
        found = ec2_backends[ACCOUNT][self.region].all_instances()
        return {each.id: each for each in found if each.state != TERMINATED}

    def instance(self, instance_id: str) -> Any:
        """Instance; None if EC2 does not know it or has terminated it."""
        return self.instances().get(instance_id)

    def is_managed(self, instance_id: str) -> bool:
        """Whether the instance exists and its agent has ever called."""
        return instance_id in self.agents and self.instance(instance_id) is not None

    def is_connected(self, instance_id: str) -> bool:
        """Whether the agent of a running instance has called lately."""
        return self._is_connected(instance_id, self.instance(instance_id))

    def _is_connected(self, instance_id: str, instance: Any) -> bool:
        agent = self.agents.get(instance_id)
        if agent is None or instance is None or instance.state not in LIVING:
            return False
        return clock.now_s() - agent.called_s < LOST_AFTER_S

    def tags(self, instance_id: str) -> dict[str, str]:
        """Tags of the instance."""
        found: dict[str, str] = ec2_backends[ACCOUNT][self.region].tags.get(instance_id, {})
        return found

    def settle(self) -> None:
        """Bring every command up to date."""
        open_ones = [
            command
            for command in self.commands.values()
            if any(not each.is_final for each in command.invocations.values())
        ]
        if not open_ones:
            return
        now_s, known = clock.now_s(), self.instances()
        connected = {each for each in self.agents if self._is_connected(each, known.get(each))}
        for command in open_ones:
            settle(command, now_s, connected, known)


def of(region: str) -> State:
    """State of the region."""
    found: State = ssm_backends[ACCOUNT][region].__dict__.setdefault("run_command", State(region))
    return found


def regions() -> list[str]:
    """Regions with a state, created by a request."""
    backends = list(ssm_backends[ACCOUNT].items())
    return [region for region, backend in backends if "run_command" in backend.__dict__]
