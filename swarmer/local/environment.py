"""Facts of the rehearsal: the folders of its state, and the names of its containers and networks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

from swarmer.core import software
from swarmer.core.cluster import Cluster

LABEL_REHEARSAL: Final = "swarmer.rehearsal"
"""Label of every container and network, with the checkout of its owner. Only labelled ones are removed."""
LABEL_CLUSTER: Final = "swarmer.cluster"
LABEL_NODE: Final = "swarmer.node"
LABEL_INSTANCE: Final = "swarmer.instance"
LABEL_FUNCTION: Final = "swarmer.function"
"""Label of the container of a Lambda function. Such a container is no node."""

ROOT: Final = software.ROOT
STATE: Final = ROOT / ".swarmer"
CACHE: Final = software.CACHE
REGION: Final = "us-east-1"
"""Region of a rehearsal whose description pins no zones."""
AWS_PORT: Final = 4566


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Rehearsal of one cluster."""

    cluster: Cluster
    servers: Path
    """Path of the servers.yml that describes it."""
    aws_port: int = AWS_PORT
    is_port_named: bool = False
    """Whether the operator named the port, so that no other may replace it."""

    @property
    def state(self) -> Path:
        """Folder of logs and process IDs; `down` removes it."""
        return STATE / "clusters" / self.cluster.name

    @property
    def network(self) -> str:
        """Name of the docker network that serves as the VPC."""
        return f"swarmer-{self.cluster.name}"

    @property
    def gateway(self) -> str:
        """Address of this machine for the nodes: that of the VPC's router, because instances never get it."""
        return str(IPv4Network(self.cluster.network.cidr)[1])

    @property
    def operator_addresses(self) -> tuple[str, str]:
        """Addresses of operators in the VPC's network: this machine, and one for a machine in a container."""
        return self.gateway, str(IPv4Network(self.cluster.network.cidr)[-2])

    @property
    def region(self) -> str:
        """Region of the pinned zones, or REGION."""
        return self.cluster.network.region or REGION

    @property
    def aws_url(self) -> str:
        """URL of AWS for this machine. Its first label is fixed: moto takes others for a bucket's name."""
        return f"http://localhost:{self.aws_port}"

    @property
    def aws_url_for_nodes(self) -> str:
        """URL of AWS for the nodes."""
        return f"http://{self.gateway}:{self.aws_port}"


def aws_environment(url: str, region: str = REGION) -> dict[str, str]:
    """Environment variables of this process, with an AWS that exists only on this machine."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CDK_"))}
    return kept | aws_variables(url, region)


def aws_variables(url: str, region: str) -> dict[str, str]:
    """Variables that lead AWS's SDKs to an AWS on this machine."""
    return {
        "AWS_ENDPOINT_URL": url,
        # moto accepts any key; no request leaves this machine.
        "AWS_ACCESS_KEY_ID": "rehearsal",
        "AWS_SECRET_ACCESS_KEY": "rehearsal",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
