"""Statuses of a cluster, from the reports of its nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from swarmer.core.health import Status, judge
from swarmer.provider import Provider


def observations(provider: Provider) -> Iterator[Status]:
    """Observe the cluster for each next status. Raises UserError."""
    release = provider.version()
    while True:
        nodes = tuple(provider.nodes())
        found = judge(provider.cluster.name, nodes, provider.observe(nodes))
        yield replace(found, version=release)
