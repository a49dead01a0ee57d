"""Prints this node's report for `swarmer status`: python -m node.report

The cluster's status document runs it through Run Command. It changes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

from node.machine import read_machine
from swarmer.adapters import process
from swarmer.adapters.consul import Consul
from swarmer.adapters.consul import Unavailable as ConsulUnavailable
from swarmer.adapters.docker import Engine
from swarmer.adapters.docker import Unavailable as DockerUnavailable
from swarmer.core import names, swarm_roles
from swarmer.core.configuration import Machine
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER
from swarmer.core.node_report import NodeFacts, encode
from swarmer.core.state import SwarmNode

ANSWER_TIMEOUT_S: Final = 3.0
"""Timeout for an answer of Consul or dockerd, in seconds."""
PROBE_TIMEOUT_S: Final = 8.0
"""Timeout for the probe inside a container, in seconds."""
PROBE: Final = f"""{names.IMPORT_PROBE}
exec docker run --rm --label swarmer.probe swarmer/probe wget -q -T 4 -O /dev/null "$1"
"""
"""Shell script that succeeds if the URL, its only argument, answers inside a container."""


def probe(url: str) -> bool:
    """Whether the URL answers inside a container on this node."""
    try:
        process.run(["sh", "-c", PROBE, "probe", url], timeout_s=PROBE_TIMEOUT_S)
    except process.Failed:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class Reporter:
    """Queries for the report of this node: to Consul's agent, dockerd and the registry's name."""

    machine: Machine
    consul: Consul = field(default_factory=lambda: Consul(timeout_s=ANSWER_TIMEOUT_S))
    engine: Callable[[], Engine] = lambda: Engine(timeout_s=ANSWER_TIMEOUT_S)
    """Function that connects to dockerd. Raises docker.Unavailable."""
    probe: Callable[[str], bool] = probe

    def report(self) -> NodeFacts:
        """Ask Consul, the Swarm and the registry at the same time."""
        url = f"http://{names.registry_name(self.machine.node.domain)}/v2/"
        with ThreadPoolExecutor(max_workers=3) as pool:
            answers = pool.submit(self.probe, url)
            swarm = pool.submit(self._swarm)
            consul = pool.submit(self._consul)
        return replace(consul.result(), swarm=swarm.result(), registry_answers=answers.result())

    def _consul(self) -> NodeFacts:
        """Facts from Consul's agent. A server also reports the services."""
        facts = NodeFacts(is_server=CONSUL_SERVER in self.machine.node.roles)
        # Without a leader Consul answers only some of these queries. The earlier answers stay valid.
        with contextlib.suppress(ConsulUnavailable):
            facts = replace(facts, members={each.name: each.status for each in self.consul.members()})
            facts = replace(facts, leader=self.consul.leader())
            if facts.is_server:
                facts = self._services(facts)
        return facts

    def _services(self, facts: NodeFacts) -> NodeFacts:
        voters = frozenset(each.name for each in self.consul.raft_servers() if each.is_voter)
        facts = replace(
            facts,
            voters=voters,
            unhealthy=self.consul.unhealthy(names.SERVICE_NODE),
            idle_managers=self.consul.unhealthy(names.SERVICE_MANAGER),
            maintained=self.consul.maintained(),
        )
        for each in self.consul.healthy(names.SERVICE_REGISTRY):
            facts = replace(facts, holder=each.node, registry_address=f"{each.address}:{each.port}")
        return facts

    def _swarm(self) -> dict[str, SwarmNode]:
        """Nodes of the Swarm by host name, if this node controls it."""
        with contextlib.suppress(DockerUnavailable):
            if SWARM_MANAGER in self.machine.node.roles and (engine := self.engine()).swarm().is_manager:
                return swarm_roles.by_name(engine.nodes())
        return {}


if __name__ == "__main__":
    print(encode(Reporter(machine=read_machine()).report()))  # noqa: T201 - the report is its output
