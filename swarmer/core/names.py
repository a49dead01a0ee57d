"""The one place for every name, port, key and path that two parts must agree on."""

from __future__ import annotations

from typing import Final

# -- AWS tags, put on the instances by their Auto Scaling group ------------------------
TAG_CLUSTER: Final = "swarmer:cluster"
"""The cluster's name."""
TAG_GROUP: Final = "swarmer:group"
TAG_ROLES: Final = "swarmer:roles"
"""The group's roles, sorted, joined by one space."""

# -- CloudFormation ------------------------------------------------------------------------
OUTPUT_VERSION: Final = "Version"
"""Output of the cluster's stack: the release of this project that deployed it."""

# -- Auto Scaling's lifecycle hooks -----------------------------------------------------
HOOK_LAUNCH: Final = "swarmer-launch"
HOOK_TERMINATE: Final = "swarmer-terminate"

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
"""Swarm's leader alone: each connection of a client looks the name up, and `docker run -it` needs two of them
to the same engine."""
SERVICE_MANAGER: Final = "swarm-manager"
"""Docker's API of every manager that controls its Swarm."""
SERVICE_REGISTRY: Final = "registry"
SERVICE_NODE: Final = "swarmer-node"
"""Of every node: critical while it says itself that something ails it."""
OWN_SERVICES: Final = (SERVICE_DOCKER, SERVICE_MANAGER, SERVICE_REGISTRY, SERVICE_NODE, "consul")
"""Names and ids of the cluster's own: no container takes them. Consul's servers declare themselves."""

# -- Consul KV ------------------------------------------------------------------------------
KV_SWARM_LOCK: Final = "swarmer/swarm/lock"
KV_SWARM_ID: Final = "swarmer/swarm/id"
KV_TOKENS: Final = "swarmer/swarm/token/"
KV_TOKEN_WORKER: Final = "swarmer/swarm/token/worker"  # noqa: S105 - the key, not the token
KV_TOKEN_MANAGER: Final = "swarmer/swarm/token/manager"  # noqa: S105
KV_SWARM: Final = (KV_TOKEN_WORKER, KV_TOKEN_MANAGER, KV_SWARM_ID)
"""What is published of a Swarm."""
KV_REGISTRY: Final = "swarmer/registry/"
KV_REGISTRY_LOCK: Final = "swarmer/registry/lock"
KV_REGISTRY_HANDOVER: Final = "swarmer/registry/handover"
"""Number of the lease that its holder shall hand over."""
KV_REGISTRY_SECRET: Final = "swarmer/registry-secret"  # noqa: S105
"""What every holder signs the state of uploads with: the next one can go on with them."""

KV_SWARM_MESH: Final = "swarmer/swarm/mesh"
"""What is published through Swarm's routing mesh, and by which nodes: written by the Swarm's leader."""

KV_HEALING_LOCK: Final = "swarmer/healing/lock"
"""Held by the function that changes who votes."""
KV_LEAVING: Final = "swarmer/healing/leaving/"
"""Below it, by the node's name: its instance is going, it joins nothing any more."""
LEAVING_STAY_OUT: Final = "stay-out"
"""What a leaving node is told first: it joins nothing any more."""
LEAVING_STOP: Final = "stop"
"""And last: it stops its Consul, which would be taken in again."""
KV_MISSING: Final = "swarmer/healing/missing/"
"""Below it, by the node's name: since when it has been out of Consul or Swarm."""
KV_NODES: Final = "swarmer/healing/nodes/"
"""Below it, by the node's name: the nodes that were let in."""
KV_REGISTRY_SUSPECT: Final = "swarmer/healing/registry"
"""The lease whose holder does not serve, and since when."""

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

SHARE: Final = "/srv/swarmer"
"""Without AWS: where the folder that all machines share is mounted."""

# -- systemd units on a node --------------------------------------------------------------------
TARGET: Final = "swarmer.target"
UNIT_CONSUL: Final = "consul.service"
UNIT_DOCKER: Final = "docker.service"
UNIT_CONTAINERD: Final = "containerd.service"


def identity_parameter(cluster: str) -> str:
    """SSM parameter that knows, outside Consul, which cluster this is and that it was founded."""
    return f"/swarmer/{cluster}/identity"


def share_directory(cluster: str) -> str:
    """What a cluster without AWS keeps for good, below SHARE: its images and its identity."""
    return f"{SHARE}/{cluster}"


def registry_name(domain: str) -> str:
    """`host:port` under which everyone reaches the cluster's registry."""
    return f"{SERVICE_REGISTRY}.service.{domain}:{REGISTRY_PORT}"


def docker_host(domain: str) -> str:
    """`host:port` of the Docker API of the Swarm's leader."""
    return f"{SERVICE_DOCKER}.service.{domain}:{DOCKER_PORT}"


def consul_ui(domain: str) -> str:
    """`host:port/path` of Consul's UI."""
    return f"consul.service.{domain}:{CONSUL_HTTP_PORT}/ui"


def group_asg_name(cluster: str, group: str) -> str:
    """Name of a group's Auto Scaling group: `<cluster>-<group>` (rules match the prefix)."""
    return f"{cluster}-{group}"


def group_prefix(cluster: str) -> str:
    """What the names of a cluster's Auto Scaling groups begin with, and no other cluster's."""
    return f"{cluster}-"


def node_name(group: str, instance_id: str) -> str:
    """A node's host name, its name in Consul and in Swarm."""
    return f"{group}-{instance_id}"


def instance_id(node: str) -> str:
    """The instance of a node's name; the name itself where it holds none."""
    _, mark, rest = node.rpartition("-i-")
    return f"i-{rest}" if mark else node
