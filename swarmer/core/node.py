"""Description of a node (node.json) and of its cluster: the contract of cloud-init and node software.

The module uses only the standard library, because it runs on nodes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

CONSUL_SERVER = "consul-server"
SWARM_MANAGER = "swarm-manager"
SWARM_WORKER = "swarm-worker"
ROLES = (CONSUL_SERVER, SWARM_MANAGER, SWARM_WORKER)


@dataclass(frozen=True, kw_only=True)
class Storage:
    """Storage of the registry's blobs: an S3 bucket, or a directory that all managers share."""

    bucket: str = ""
    region: str = ""
    endpoint: str = ""
    """URL of S3 in that region."""
    directory: str = ""
    """Path of the directory; the bucket is then empty."""


UNFOUNDED = "unfounded"
"""Cluster ID of a cluster that was never initialized."""


@dataclass(frozen=True, kw_only=True)
class ProviderView:
    """The provider's record of the cluster."""

    peers: tuple[str, ...] = ()
    """Addresses of the cluster's machines, without this one."""
    cluster_id: str = UNFOUNDED
    """ID of the Swarm after its initialization; written once in a cluster's life."""

    @property
    def is_initialized(self) -> bool:
        """Whether the cluster has had a Swarm. Only if this is False, Consul bootstraps and a Swarm is
        initialized."""
        return self.cluster_id != UNFOUNDED

    def to_json(self) -> str:
        """Return the text that `python -m node.cloud describe` prints."""
        return json.dumps({"peers": self.peers, "identity": self.cluster_id})

    @classmethod
    def from_json(cls, text: str) -> ProviderView:
        """Parse the text of `to_json`. Raises ValueError, KeyError or TypeError if it has another format."""
        raw = json.loads(text)
        return cls(peers=tuple(raw["peers"]), cluster_id=str(raw["identity"]))


@dataclass(frozen=True, kw_only=True)
class NodeDescription:
    """Description of every node of a group; user-data carries it as JSON."""

    cluster: str
    domain: str
    group: str
    roles: tuple[str, ...]
    """Roles of the node, sorted."""
    consul_servers: int
    """Number of Consul servers in the cluster."""
    network_cidr: str
    storage: Storage
    peers: tuple[str, ...] = field(default=())
    """Addresses of peers; if empty, peers are found by the EC2 tag of the cluster."""
    identity: str = ""
    """Place of the provider's cluster ID: an SSM parameter, or `file:PATH` in a folder of the machine's host;
    empty if there is none."""
    registrator: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Values of `registrator:` in servers.yml that differ from the defaults."""

    def to_json(self) -> str:
        """Return the JSON text of node.json."""
        # User-data carries the text in YAML. JSON writes this one character although YAML refuses it.
        return json.dumps(asdict(self), indent=1, sort_keys=True).replace("\x7f", r"\u007f")

    @classmethod
    def from_json(cls, text: str) -> NodeDescription:
        """Parse node.json. Raises ValueError, KeyError or TypeError if the text is not a node description."""
        raw: dict[str, Any] = json.loads(text)
        raw["storage"] = Storage(**raw["storage"])
        raw["roles"] = tuple(raw["roles"])
        raw["peers"] = tuple(raw.get("peers", ()))
        return cls(**raw)
