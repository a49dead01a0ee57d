"""What a node is told (node.json) and who it is: the contract of cloud-init and node software.

Standard library only: it runs on nodes.
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
    """Where the registry keeps its blobs: a bucket of S3, or a directory that all managers share."""

    bucket: str = ""
    region: str = ""
    directory: str = ""
    """Where there is one, the bucket is empty."""


UNFOUNDED = "unfounded"
"""The identity of a cluster that nobody has founded yet."""


@dataclass(frozen=True)
class Manager:
    """One of the Swarm's managers, as its leader lists them."""

    node: str
    """Its id in the Swarm."""
    address: str
    leads: bool = False


@dataclass(frozen=True, kw_only=True)
class CloudView:
    """What the ground says about the cluster."""

    peers: tuple[str, ...] = ()
    """Addresses of its machines, this one left out."""
    identity: str = UNFOUNDED
    """The Swarm's id, once it was founded: written once in a cluster's life."""

    @property
    def is_founded(self) -> bool:
        """Consul bootstraps, and a Swarm is made, only where this is False."""
        return self.identity != UNFOUNDED

    def to_json(self) -> str:
        """What `python -m node.cloud look` prints."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> CloudView:
        """Raises ValueError, KeyError or TypeError where the text is none."""
        raw = json.loads(text)
        return cls(peers=tuple(raw["peers"]), identity=str(raw["identity"]))


@dataclass(frozen=True, kw_only=True)
class NodeDescription:
    """The same for every node of a group; user-data carries it as JSON."""

    cluster: str
    domain: str
    group: str
    roles: tuple[str, ...]
    """Sorted."""
    consul_servers: int
    """How many Consul servers the cluster has."""
    network_cidr: str
    storage: Storage
    peers: tuple[str, ...] = field(default=())
    """Addresses of peers; empty: found by the EC2 tag of the cluster."""
    identity: str = ""
    """Where the ground keeps the cluster's identity: an SSM parameter, or `file:PATH` on a folder of the
    machine's host; empty: nowhere."""
    registrator: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """`registrator:` of servers.yml, what differs from the defaults."""

    def to_json(self) -> str:
        """JSON text of node.json."""
        # The one character that JSON leaves as it is and YAML, in which user-data carries it, refuses.
        return json.dumps(asdict(self), indent=1, sort_keys=True).replace("\x7f", r"\u007f")

    @classmethod
    def from_json(cls, text: str) -> NodeDescription:
        """Raises ValueError, KeyError or TypeError where the text is not a node description."""
        raw: dict[str, Any] = json.loads(text)
        raw["storage"] = Storage(**raw["storage"])
        raw["roles"] = tuple(raw["roles"])
        raw["peers"] = tuple(raw.get("peers", ()))
        return cls(**raw)
