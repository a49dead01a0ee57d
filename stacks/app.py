"""The app: which stacks a cluster has, in which order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aws_cdk as cdk

from stacks.cluster import ClusterStack
from stacks.network import NetworkStack
from stacks.registry import RegistryStack
from swarmer.core import names
from swarmer.core.cluster import Cluster

CDK_JSON: Final = Path(__file__).parents[1] / "cdk.json"


@dataclass(frozen=True, kw_only=True)
class Stacks:
    """A cluster's stacks, in the order in which they are deployed."""

    network: NetworkStack
    registry: RegistryStack
    cluster: ClusterStack


def new_app(*, context: dict[str, Any] | None = None, outdir: str | None = None) -> cdk.App:
    """An app with the context of cdk.json even where the CDK command did not start us.

    What the command passes wins over it; `context` is added to it.
    """
    settings: dict[str, Any] = json.loads(CDK_JSON.read_text())["context"]
    return cdk.App(
        context=settings | (context or {}),
        outdir=outdir,
        # Neither is of use to anyone here, and both cost time in every synthesis.
        analytics_reporting=False,
        tree_metadata=False,
    )


def build(app: cdk.App, cluster: Cluster) -> Stacks:
    """Every stack of one cluster. No account or region is known here, nothing is looked up."""
    network = NetworkStack(
        app,
        f"{cluster.name}-network",
        cluster=cluster,
        description=f"Swarmer cluster {cluster.name}: VPC, egress, every security group and rule",
    )
    registry = RegistryStack(
        app,
        f"{cluster.name}-registry",
        cluster=cluster,
        description=f"Swarmer cluster {cluster.name}: storage of the container registry",
    )
    nodes = ClusterStack(
        app,
        f"{cluster.name}-cluster",
        cluster=cluster,
        network=network,
        registry=registry,
        description=f"Swarmer cluster {cluster.name}: its groups of nodes",
    )
    # Said, not left to the references: nodes need routes before their first boot.
    registry.add_stack_dependency(network)
    nodes.add_stack_dependency(registry)
    cdk.Tags.of(app).add(names.TAG_CLUSTER, cluster.name)
    return Stacks(network=network, registry=registry, cluster=nodes)
