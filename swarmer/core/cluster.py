"""The cluster that servers.yml describes: its shape and every rule about it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Role(StrEnum):
    """What a node does; a group combines them freely."""

    CONSUL_SERVER = "consul-server"
    SWARM_MANAGER = "swarm-manager"
    SWARM_WORKER = "swarm-worker"


class Egress(StrEnum):
    """How nodes reach the outside; nothing reaches them from there."""

    ONE_NAT = "one-nat-gateway"
    NAT_PER_ZONE = "nat-gateway-per-zone"


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Network(Model):
    cidr: str = "10.42.0.0/16"
    zones: int = 3
    egress: Egress = Egress.ONE_NAT
    service_ports: str = "30000-60999"
    """Ports that people's services may use between nodes and from the VPN."""
    vpn_cidr: str = "10.43.0.0/22"


class Registry(Model):
    bucket: str | None = None
    """Name of the S3 bucket; None: CloudFormation makes one up."""


class Group(Model):
    name: str
    """Its key below `groups:`."""
    roles: frozenset[Role]
    size: int | None = None
    """Fixed size; or `min` and `max`."""
    min: int | None = None
    max: int | None = None
    instance_type: str = "t3.small"
    spot: bool = False
    disk: int = 20
    """GiB of the root volume."""


class Cluster(Model):
    name: str = "swarmer"
    domain: str = "swarmer"
    network: Network = Network()
    registry: Registry = Registry()
    groups: tuple[Group, ...]
