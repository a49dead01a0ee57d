"""The one place for every name, port, key and path that two parts must agree on."""

from __future__ import annotations

from typing import Final

# -- AWS tags, put on the instances by their Auto Scaling group ------------------------
TAG_CLUSTER: Final = "swarmer:cluster"
"""The cluster's name."""
TAG_GROUP: Final = "swarmer:group"
TAG_ROLES: Final = "swarmer:roles"
"""The group's roles, sorted, joined by one space."""

# -- ports ------------------------------------------------------------------------------
DNS_PORT: Final = 53
SWARM_CLUSTER_PORT: Final = 2377
"""Swarm's control plane, on managers (tcp)."""
DOCKER_PORT: Final = 4000
"""Docker's API, on managers (tcp)."""
REGISTRY_PORT: Final = 5000
SWARM_GOSSIP_PORT: Final = 7946
"""tcp and udp."""
OVERLAY_PORT: Final = 4789
"""VXLAN, udp."""
CONSUL_RPC_PORT: Final = 8300
CONSUL_GOSSIP_PORT: Final = 8301
"""tcp and udp."""
CONSUL_HTTP_PORT: Final = 8500
CONSUL_DNS_PORT: Final = 8600
"""On loopback only; systemd-resolved forwards the domain there."""

# -- Consul services ----------------------------------------------------------------------
SERVICE_DOCKER: Final = f"swarm-{DOCKER_PORT}"
SERVICE_REGISTRY: Final = "registry"

# -- Consul KV ------------------------------------------------------------------------------
KV_SWARM_LOCK: Final = "swarmer/swarm/lock"
KV_SWARM_ID: Final = "swarmer/swarm/id"
KV_TOKEN_WORKER: Final = "swarmer/swarm/token/worker"  # noqa: S105 - the key, not the token
KV_TOKEN_MANAGER: Final = "swarmer/swarm/token/manager"  # noqa: S105
KV_REGISTRY: Final = "swarmer/registry/"
KV_REGISTRY_LOCK: Final = "swarmer/registry/lock"
KV_REGISTRY_HANDOVER: Final = "swarmer/registry/handover"
"""Number of the lease that its holder shall hand over."""

HEADER_NODE: Final = "X-Swarmer-Node"
HEADER_LEASE: Final = "X-Swarmer-Lease"
"""On every answer of the registry: who gave it, under which lease."""

# -- paths on a node --------------------------------------------------------------------------
NODE_DESCRIPTION: Final = "/etc/swarmer/node.json"
"""Written by cloud-init from the user-data."""
INSTANCE_DATA: Final = "/run/cloud-init/instance-data.json"
"""Written by cloud-init: who this machine is."""
INSTALL_ROOT: Final = "/opt/swarmer"
"""The node software: a virtualenv, with the source tree below `src`."""
SOFTWARE_DIGEST: Final = "/opt/swarmer/digest"
"""SHA-256 of the node software's archive that is installed."""

REGISTRY_SOCKET: Final = "/run/swarmer-registry.sock"
"""Where docker-registry listens: reachable through the gate (node/gate.py) only."""

CLOUD_VIEW: Final = "/run/swarmer/cloud.json"
"""What the ground knew when the node booted: peers, and whether the cluster was ever founded."""

# -- systemd units on a node --------------------------------------------------------------------
TARGET: Final = "swarmer.target"
UNIT_CONSUL: Final = "consul.service"


def identity_parameter(cluster: str) -> str:
    """SSM parameter that knows, outside Consul, which cluster this is and that it was founded."""
    return f"/swarmer/{cluster}/identity"


def registry_name(domain: str) -> str:
    """`host:port` under which everyone reaches the cluster's registry."""
    return f"{SERVICE_REGISTRY}.service.{domain}:{REGISTRY_PORT}"


def docker_host(domain: str) -> str:
    """`host:port` of a manager's Docker API."""
    return f"{SERVICE_DOCKER}.service.{domain}:{DOCKER_PORT}"


def group_asg_name(cluster: str, group: str) -> str:
    """Name of a group's Auto Scaling group: `<cluster>-<group>` (rules match the prefix)."""
    return f"{cluster}-{group}"


def node_name(group: str, instance_id: str) -> str:
    """A node's host name, its name in Consul and in Swarm."""
    return f"{group}-{instance_id}"


def instance_id(node: str) -> str:
    """The instance of a node's name; the name itself where it holds none."""
    _, mark, rest = node.rpartition("-i-")
    return f"i-{rest}" if mark else node
