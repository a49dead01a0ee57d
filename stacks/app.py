"""The CDK app: the stacks of a cluster, in their order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from stacks import account_demands
from stacks.cluster import ClusterStack
from stacks.healing import HealingStack
from stacks.network import NetworkStack
from stacks.registry import RegistryStack
from swarmer.core.cluster import Cluster

CDK_JSON: Final = Path(__file__).parents[1] / "cdk.json"
"""Path of cdk.json, which holds the context."""


@dataclass(frozen=True, kw_only=True)
class Stacks:
    """Stacks of a cluster, in the order in which they are deployed."""

    registry: RegistryStack
    network: NetworkStack
    healing: HealingStack
    cluster: ClusterStack


def new_app(*, outdir: str | None = None, validate: bool = False) -> cdk.App:
    """Return an app with the context of cdk.json, also in processes that the CDK command did not start.

    Values from the command take precedence. `validate` also runs CDK's own checks of the templates. Tests use
    it. A deployment skips it, because it takes 2 to 4 s, more than the rest of a synthesis.
    """
    app = cdk.App(
        context=json.loads(CDK_JSON.read_text())["context"],
        outdir=outdir,
        builtin_cloud_formation_validation=validate,
        analytics_reporting=False,
        tree_metadata=False,
    )
    # The checks (0.3 s) run in every synthesis, not only in tests. So a template with a finding is never
    # deployed.
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


def build(app: cdk.App, cluster: Cluster) -> Stacks:
    """Create every stack of one cluster. Account and region are unknown here, and nothing is looked up."""
    registry = RegistryStack(
        app,
        f"{cluster.name}-registry",
        cluster=cluster,
        description=f"Swarmer cluster {cluster.name}: storage of the container registry",
    )
    network = NetworkStack(
        app,
        f"{cluster.name}-network",
        cluster=cluster,
        description=f"Swarmer cluster {cluster.name}: VPC, egress, every security group and rule",
    )
    healing = HealingStack(
        app,
        f"{cluster.name}-healing",
        cluster=cluster,
        network=network,
        registry=registry,
        description=f"Swarmer cluster {cluster.name}: the functions that look after it",
    )
    nodes = ClusterStack(
        app,
        f"{cluster.name}-cluster",
        cluster=cluster,
        network=network,
        registry=registry,
        description=f"Swarmer cluster {cluster.name}: its groups of nodes",
    )
    # The order is explicit, because references alone do not imply it. The first two stacks hold the guards,
    # so that a refused deploy has changed nothing. Nodes need routes before their first boot.
    network.add_stack_dependency(registry)
    healing.add_stack_dependency(network)
    # The first instance waits at a hook until a function answers it.
    nodes.add_stack_dependency(healing)
    account_demands.add_tags(app, account_demands.demanded_tags(cluster))
    if cluster.permissions_boundary:
        all_stacks = (network, registry, healing, nodes)
        account_demands.set_permissions_boundary(all_stacks, cluster.permissions_boundary)
    return Stacks(registry=registry, network=network, healing=healing, cluster=nodes)
