"""One observation of the cluster from the reports of its nodes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from swarmer.core.health import Expected, Observation
from swarmer.core.node import SWARM_MANAGER
from swarmer.core.node_report import NodeFacts
from swarmer.core.state import MemberStatus, SwarmNode

NOBODY: Final = NodeFacts()
"""Facts if no node reports."""


def merge(
    reports: Mapping[str, NodeFacts], expected: Iterable[Expected], silent: Mapping[str, str]
) -> Observation:
    """Merge reports by node name. Facts about Consul come from the best-informed node, facts about the Swarm
    from a manager.

    `silent`: reason why a node sent no report, by its name.
    """
    nodes = list(expected)
    consul = max(reports.values(), key=_insight, default=NOBODY)
    swarm = max(reports.values(), key=lambda each: len(each.swarm) + each.more_ready, default=NOBODY)
    return Observation(
        members=_members(consul, reports, nodes),
        leader=consul.leader,
        voters=consul.voters,
        swarm=_swarm(swarm, reports, nodes),
        holder=consul.holder,
        registry_address=consul.registry_address,
        unhealthy=consul.unhealthy,
        idle_managers=consul.idle_managers,
        maintained=consul.maintained,
        answers={name: each.registry_answers for name, each in reports.items()},
        silent=silent,
    )


def _insight(facts: NodeFacts) -> tuple[bool, bool, int]:
    """Order of reports: servers that see a leader, other nodes that see one, then the number of members."""
    sees_leader = bool(facts.leader)
    return sees_leader and facts.is_server, sees_leader, len(facts.members) + facts.more_alive


def _members(
    facts: NodeFacts, reports: Mapping[str, NodeFacts], nodes: Iterable[Expected]
) -> dict[str, MemberStatus]:
    left_out = [node.name for node in nodes if node.name not in facts.members]
    if len(left_out) > facts.more_alive:  # so some of them are unknown
        left_out = [name for name in left_out if reports.get(name, NOBODY).leader]
    return dict(facts.members) | dict.fromkeys(left_out[: facts.more_alive], MemberStatus.ALIVE)


def _swarm(
    facts: NodeFacts, reports: Mapping[str, NodeFacts], nodes: Iterable[Expected]
) -> dict[str, SwarmNode]:
    left_out = [node.name for node in nodes if node.name not in facts.swarm and _works(node)]
    if len(left_out) > facts.more_ready:
        left_out = [name for name in left_out if reports.get(name, NOBODY).registry_answers]
    usual = {
        name: SwarmNode(id="", name=name, role="worker", state="ready")
        for name in left_out[: facts.more_ready]
    }
    return dict(facts.swarm) | usual


def _works(node: Expected) -> bool:
    """Whether the node is only a worker, because managers are never left out."""
    return SWARM_MANAGER not in node.roles
