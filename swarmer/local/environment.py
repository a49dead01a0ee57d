"""Facts of the rehearsal: where its state is, how its containers and networks are called."""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

from swarmer.core import software
from swarmer.core.cluster import Cluster

LABEL_REHEARSAL: Final = "swarmer.rehearsal"
"""On every container and network: the checkout they belong to. Nothing without it is ever removed."""
LABEL_CLUSTER: Final = "swarmer.cluster"
LABEL_NODE: Final = "swarmer.node"
LABEL_INSTANCE: Final = "swarmer.instance"
LABEL_FUNCTION: Final = "swarmer.function"
"""On the container of a Lambda function, which is no node."""

ROOT: Final = software.ROOT
STATE: Final = ROOT / ".swarmer"
CACHE: Final = STATE / "cache"
REGION: Final = "us-east-1"
AWS_PORT: Final = 4566


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One cluster's rehearsal."""

    cluster: Cluster
    servers: Path
    """The servers.yml that describes it."""
    aws_port: int = AWS_PORT
    is_port_named: bool = False
    """A person asked for it: no other is taken instead."""

    @property
    def state(self) -> Path:
        """Logs and process ids; gone after `down`."""
        return STATE / "clusters" / self.cluster.name

    @property
    def network(self) -> str:
        """The docker network that stands for the VPC."""
        return f"swarmer-{self.cluster.name}"

    @property
    def gateway(self) -> str:
        """This machine as the nodes see it: the VPC's router, an address that AWS never gives away."""
        return str(IPv4Network(self.cluster.network.cidr)[1])

    @property
    def aws_url(self) -> str:
        """AWS for this machine. The name matters: moto takes the first label of others for a bucket."""
        return f"http://localhost:{self.aws_port}"

    @property
    def aws_url_for_nodes(self) -> str:
        """AWS for the nodes."""
        return f"http://{self.gateway}:{self.aws_port}"


def aws_environment(url: str) -> dict[str, str]:
    """This process' environment, with an AWS that exists on this machine only."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CDK_"))}
    return kept | {
        "AWS_ENDPOINT_URL": url,
        # moto takes any; nothing outside this machine is ever asked.
        "AWS_ACCESS_KEY_ID": "rehearsal",
        "AWS_SECRET_ACCESS_KEY": "rehearsal",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
