"""Changes that an operator made in the Swarm, and that the sweep reverts.

The description defines the managers. A node of another group that an operator promoted is demoted, but only
while as many managers as described answer without it. Until then its vote may be needed. The Swarm's leader
promotes demoted managers (swarmer/core/swarm_roles.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from swarmer.core import names
from swarmer.core.healing import quorum
from swarmer.core.healing.quorum import Verdict
from swarmer.core.healing.world import Group, Swarm, wanted
from swarmer.core.node import SWARM_MANAGER
from swarmer.core.state import SwarmNode

DOWN: Final = "down"
"""State in Swarm of a node that left or is lost."""


def to_demote(groups: Collection[Group], swarm: Swarm, leaving: Collection[str]) -> tuple[SwarmNode, ...]:
    """Return the rows of promoted workers that can be demoted now. `leaving` are the names of nodes that a
    function removes."""
    described = wanted(groups, SWARM_MANAGER)
    return tuple(
        row
        for group, row in _in_service(groups, swarm)
        if SWARM_MANAGER not in group.roles
        and row.role == "manager"
        and row.name not in leaving
        and quorum.without_manager(swarm, row.name, wanted=described) is Verdict.SAFE
    )


def leftovers(groups: Collection[Group], swarm: Swarm) -> tuple[SwarmNode, ...]:
    """Return the dead rows of workers that left the Swarm and joined again. Managers remove their own dead
    rows."""
    return tuple(
        row
        for _, row in _in_service(groups, swarm)
        if row.state == DOWN and not row.is_manager and any(each.is_ready for each in swarm.of(row.name))
    )


def _in_service(groups: Collection[Group], swarm: Swarm) -> Iterator[tuple[Group, SwarmNode]]:
    """Yield the rows of instances in service, each with its group."""
    for group in groups:
        for instance_id, member in group.members.items():
            if member.lifecycle == "InService":
                yield from ((group, row) for row in swarm.of(names.node_name(group.name, instance_id)))
