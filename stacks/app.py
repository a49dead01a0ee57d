"""The app: which stacks a cluster has, in which order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from stacks.cluster import ClusterStack
from stacks.healing import HealingStack
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
    healing: HealingStack
    cluster: ClusterStack


def new_app(*, outdir: str | None = None, validate: bool = False) -> cdk.App:
    """An app with the context of cdk.json even where the CDK command did not start us.

    What the command passes wins over it. `validate`: run CDK's own checks of the templates too; tests do,
    a deployment need not (2 to 4 s, more than the rest of a synthesis).
    """
    app = cdk.App(
        context=json.loads(CDK_JSON.read_text())["context"],
        outdir=outdir,
        builtin_cloud_formation_validation=validate,
        analytics_reporting=False,
        tree_metadata=False,
    )
    # In every synthesis, not only in tests (0.3 s): what it finds is never deployed.
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


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
    healing = HealingStack(
        app,
        f"{cluster.name}-healing",
        cluster=cluster,
        network=network,
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
    # Said, not left to the references: nodes need routes before their first boot.
    registry.add_stack_dependency(network)
    healing.add_stack_dependency(registry)
    # The first instance waits at a hook that only a function answers.
    nodes.add_stack_dependency(healing)
    cdk.Tags.of(app).add(names.TAG_CLUSTER, cluster.name)
    return Stacks(network=network, registry=registry, healing=healing, cluster=nodes)
