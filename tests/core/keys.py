"""Keys of servers.yml, computed from the models, in which two descriptions agree."""

from __future__ import annotations

from collections.abc import Hashable

from swarmer.core.cluster import Cluster, Group
from swarmer.core.sections import Key, Model

SMALLEST = "groups: {core: {roles: [consul-server, swarm-manager, swarm-worker], size: 1}}\n"
"""Description with nothing but the required keys."""


def common_keys(one: Cluster, other: Cluster) -> list[Key]:
    """Keys whose values in `one` are all values in `other` too. A group's key has a value for each group."""
    theirs = _values(other)
    return [key for key, values in _values(one).items() if values <= theirs[key]]


def _values(cluster: Cluster) -> dict[Key, set[Hashable]]:
    """Values by key: ("name",), ("network", "cidr"), ("groups", "size")."""
    found: dict[Key, set[Hashable]] = {}
    for name in Cluster.model_fields:
        part = getattr(cluster, name)
        if name == "groups":
            found |= {(name, key): {getattr(each, key) for each in part} for key in Group.model_fields}
        elif isinstance(part, Model):
            found |= {(name, key): {getattr(part, key)} for key in type(part).model_fields}
        else:
            found[name,] = {part}
    return found
