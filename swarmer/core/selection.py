"""Selection of nodes by role, group, name or address. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from swarmer.core.errors import UserError
from swarmer.core.health import Expected


def select(nodes: Sequence[Expected], *, cluster: str, role: str | None, text: str | None) -> list[Expected]:
    """Running nodes, in the order of their names. Raises UserError if there is none.

    `text`: the name of a group, a node's name or address, or a part of only one node's name.
    """
    named = _named(nodes, cluster, text) if text else list(nodes)
    having = [node for node in named if role is None or role in node.roles]
    if not having:
        what = f"{text} has no node" if text else f"{cluster} has no node"
        raise UserError(f"{what} with the role {role}" if role else what, status=1)
    running = sorted((node for node in having if node.runs), key=lambda node: node.name)
    if not running:
        names = ", ".join(node.name for node in having)
        raise UserError(f"no machine runs of {names}: `swarmer up` starts them", status=1)
    return running


def one(nodes: Sequence[Expected], *, cluster: str, text: str) -> Expected:
    """The one node, dead or alive, whose name or address is or contains `text`. Raises UserError."""
    exact = [node for node in nodes if text in (node.name, node.address)]
    found = exact or [node for node in nodes if text in node.name]
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} nodes have {text!r} in their name" if found else f"no node is called {text!r}"
    raise UserError(f"{what}; the nodes of {cluster}: {', '.join(sorted(node.name for node in nodes))}")


def _named(nodes: Sequence[Expected], cluster: str, text: str) -> list[Expected]:
    of_group = [node for node in nodes if node.group == text]
    exact = [node for node in nodes if text in (node.name, node.address)]
    found = of_group or exact or [node for node in nodes if text in node.name]
    if not of_group and len(found) > 1:
        listed = ", ".join(sorted(node.name for node in found))
        raise UserError(f"{len(found)} nodes have {text!r} in their name: {listed}")
    if not found:
        groups = ", ".join(sorted({node.group for node in nodes}))
        names = ", ".join(sorted(node.name for node in nodes))
        raise UserError(f"{cluster} has no group or node {text!r}; groups: {groups}; nodes: {names}")
    return found
