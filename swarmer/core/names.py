"""Names, ports, keys and paths that two parts share; they are defined only here."""

from __future__ import annotations

from typing import Final

# -- tags ------------------------------------------------------------------------------
TAG_CLUSTER: Final = "swarmer:cluster"
"""Tag of an instance, put on it by its Auto Scaling group: the cluster's name."""
TAG_GROUP: Final = "swarmer:group"
"""Tag of an instance: the name of the node's group."""
TAG_ROLES: Final = "swarmer:roles"
"""Tag of an instance: the group's roles, sorted and joined by one space."""
TAG_SECURITY_GROUP: Final = "swarmer:security-group"
"""Tag of a security group: its part in the cluster."""
VPN_GROUP_DESCRIPTION: Final = "The end of the VPN inside the VPC"
"""Description of the security group of the operators' VPN, the same in every release."""

# -- outputs ------------------------------------------------------------------------------
OUTPUT_VERSION: Final = "Version"
"""Output of the cluster's stack: the release of Swarmer that deployed it."""
OUTPUT_BUCKET: Final = "BucketName"
"""Output of the registry's stack: its bucket."""
OUTPUT_VIEWER: Final = "ViewerPolicy"
"""Output of the functions' stack: ARN of the policy of people who look at the cluster."""
OUTPUT_OPERATOR: Final = "OperatorPolicy"
"""Output of the functions' stack: ARN of the policy of people who run the cluster."""

# -- hooks ------------------------------------------------------------------------------
HOOK_LAUNCH: Final = "swarmer-launch"
"""Name of the launch hook."""
HOOK_TERMINATE: Final = "swarmer-terminate"
"""Name of the termination hook."""

# -- ports ------------------------------------------------------------------------------
DNS_PORT: Final = 53
"""Port of DNS on every node (tcp and udp): systemd-resolved answers the cluster's names."""
SWARM_CLUSTER_PORT: Final = 2377
"""Port of Swarm's control plane, on managers (tcp)."""
DOCKER_PORT: Final = 4000
"""Port of Docker's API, on managers (tcp)."""
DOCKER_API: Final = (1, 41)
"""Version of Docker's API in node software, functions and Debian 12's command line: that of Docker 20.10."""
REGISTRY_PORT: Final = 5000
"""Port of the registry, on managers (tcp)."""
SWARM_GOSSIP_PORT: Final = 7946
"""Port of Swarm's gossip (tcp and udp)."""
OVERLAY_PORT: Final = 4789
"""Port of overlay networks: VXLAN (udp)."""
CONSUL_RPC_PORT: Final = 8300
"""Port of the calls between Consul's agents and servers (tcp)."""
CONSUL_GOSSIP_PORT: Final = 8301
"""Port of Consul's gossip (tcp and udp)."""
CONSUL_HTTP_PORT: Final = 8500
"""Port of Consul's API and UI, on every node (tcp)."""
CONSUL_DNS_PORT: Final = 8600
"""Port of Consul's DNS, on loopback only; systemd-resolved forwards the domain there."""

# -- services ----------------------------------------------------------------------
SERVICE_DOCKER: Final = f"swarm-{DOCKER_PORT}"
"""Service of the Docker API on Swarm's leader alone. A client looks the name up for each connection, and
an interactive container needs two of them to the same engine."""
SERVICE_MANAGER: Final = "swarm-manager"
"""Service of the Docker API on every manager with control over its Swarm."""
SERVICE_REGISTRY: Final = "registry"
"""Service of the container registry."""
SERVICE_NODE: Final = "swarmer-node"
"""Service of every node. It is critical while the node reports a problem of its own."""
OWN_SERVICES: Final = (SERVICE_DOCKER, SERVICE_MANAGER, SERVICE_REGISTRY, SERVICE_NODE, "consul")
"""Names and IDs of the cluster's own services, which no container may take. Consul's servers declare
themselves."""

# -- keys ------------------------------------------------------------------------------
KV_SWARM_LOCK: Final = "swarmer/swarm/lock"
"""Key of the lock under which the Swarm is initialized."""
KV_SWARM_ID: Final = "swarmer/swarm/id"
"""Key of the Swarm's ID."""
KV_TOKENS: Final = "swarmer/swarm/token/"
"""Prefix of the join tokens."""
KV_TOKEN_WORKER: Final = "swarmer/swarm/token/worker"  # noqa: S105 - the key, not the token
"""Key of the join token of workers."""
KV_TOKEN_MANAGER: Final = "swarmer/swarm/token/manager"  # noqa: S105
"""Key of the join token of managers."""
KV_SWARM: Final = (KV_TOKEN_WORKER, KV_TOKEN_MANAGER, KV_SWARM_ID)
"""Keys under which a Swarm is published."""
KV_REGISTRY: Final = "swarmer/registry/"
"""Prefix of the registry's keys."""
KV_REGISTRY_LOCK: Final = "swarmer/registry/lock"
"""Key of the lock of the registry: its owner serves the registry."""
KV_REGISTRY_HANDOVER: Final = "swarmer/registry/handover"
"""Key of a lease's number, by which its holder is asked to hand over."""
KV_REGISTRY_SECRET: Final = "swarmer/registry-secret"  # noqa: S105
"""Key of the secret with which holders sign the state of uploads. The next holder can then continue an
upload."""

KV_SWARM_MESH: Final = "swarmer/swarm/mesh"
"""Key of the list of nodes and of services in Swarm's routing mesh. The Swarm's leader writes it."""

KV_HEALING_LOCK: Final = "swarmer/healing/lock"
"""Key of the lock under which a function changes the voting members."""
KV_LEAVING: Final = "swarmer/healing/leaving/"
"""Key of the marker of a node in removal: the node stops joining the cluster."""
LEAVING_STAY_OUT: Final = "stay-out"
"""First phase of a removal: the node must join nothing any more."""
LEAVING_STOP: Final = "stop"
"""Last phase of a removal: the node stops its Consul, because a running agent would join again."""
KV_MISSING: Final = "swarmer/healing/missing/"
"""Key of the time at which a node was first missing from Consul or Swarm."""
KV_NODES: Final = "swarmer/healing/nodes/"
"""Key of the record of an admitted node."""
KV_REGISTRY_SUSPECT: Final = "swarmer/healing/registry"
"""Key of a suspected lease and the time since which its holder has failed to serve."""

# -- headers --------------------------------------------------------------------------------
HEADER_NODE: Final = "X-Swarmer-Node"
"""Header on every answer of the registry: the node that gave it."""
HEADER_LEASE: Final = "X-Swarmer-Lease"
"""Header on every answer of the registry: the lease of that node."""

# -- paths --------------------------------------------------------------------------
NODE_DESCRIPTION: Final = "/etc/swarmer/node.json"
"""Path of the node description. Cloud-init writes it from the user-data."""
INSTANCE_DATA: Final = "/run/cloud-init/instance-data.json"
"""Path of the machine's identity, written by cloud-init."""
INSTALL_ROOT: Final = "/opt/swarmer"
"""Folder of the node software: a virtualenv, with the source tree below `src`."""
SOFTWARE_DIGEST: Final = "/opt/swarmer/digest"
"""Path of the SHA-256 of the installed archive of the node software."""

REGISTRY_SOCKET: Final = "/run/swarmer-registry.sock"
"""Socket of docker-registry. Only the proxy connects to it (node/registry_proxy.py)."""

IMPORT_PROBE: Final = """
docker image inspect swarmer/probe >/dev/null 2>&1 ||
    docker import -c 'CMD ["/bin/sh"]' /opt/swarmer/probe.tar swarmer/probe >/dev/null
"""
"""Shell command on a node that ensures the image swarmer/probe; every node carries its archive."""

PROVIDER_VIEW: Final = "/run/swarmer/cloud.json"
"""Path of the provider's view at boot: peers and cluster ID."""

SHARE: Final = "/srv/swarmer"
"""Mount point of the folder of all machines, without AWS."""

# -- units --------------------------------------------------------------------
TARGET: Final = "swarmer.target"
"""Target that starts every unit of a node."""
UNIT_CONSUL: Final = "consul.service"
"""Unit of Consul's agent."""
UNIT_DOCKER: Final = "docker.service"
"""Unit of dockerd."""
UNIT_CONTAINERD: Final = "containerd.service"
"""Unit of containerd, below dockerd."""


# -- composed ----------------------------------------------------------------------------------


def identity_parameter(cluster: str) -> str:
    """Return the SSM parameter with the cluster ID. It proves outside Consul that the cluster exists."""
    return f"/swarmer/{cluster}/identity"


def stack_names(cluster: str) -> tuple[str, ...]:
    """Return the names of the cluster's stacks, in the order in which they are deployed."""
    return tuple(f"{cluster}-{suffix}" for suffix in ("registry", "network", "healing", "cluster"))


def status_document(cluster: str) -> str:
    """Return the command document for a node's report, without parameters."""
    return f"{cluster}-status"


def exec_document(cluster: str) -> str:
    """Return the command document for a command on a node."""
    return f"{cluster}-exec"


def exec_log_group(cluster: str) -> str:
    """Return the log group with the output of commands on nodes."""
    return f"/swarmer/{cluster}/exec"


def events_log_group(cluster: str) -> str:
    """Return the log group with the cluster's lifecycle events. EventBridge writes below /aws/events only."""
    return f"/aws/events/swarmer/{cluster}"


def viewer_policy(cluster: str, region: str) -> str:
    """Return the managed policy for viewers. Its name has the region, because IAM has one list of names for
    all regions."""
    return f"{cluster}-viewer-{region}"


def operator_policy(cluster: str, region: str) -> str:
    """Return the managed policy for operators."""
    return f"{cluster}-operator-{region}"


def software_prefix(cluster: str) -> str:
    """Return the beginning of the S3 keys of this cluster's node software."""
    return f"swarmer/{cluster}/"


def share_directory(cluster: str) -> str:
    """Return the folder below SHARE with the images and the cluster ID of a cluster without AWS."""
    return f"{SHARE}/{cluster}"


def registry_name(domain: str) -> str:
    """Return the `host:port` under which every client reaches the cluster's registry."""
    return f"{SERVICE_REGISTRY}.service.{domain}:{REGISTRY_PORT}"


def docker_host(domain: str) -> str:
    """Return the `host:port` of the Docker API of the Swarm's leader."""
    return f"{SERVICE_DOCKER}.service.{domain}:{DOCKER_PORT}"


def consul_ui(domain: str) -> str:
    """Return the `host:port/path` of Consul's UI."""
    return f"consul.service.{domain}:{CONSUL_HTTP_PORT}/ui"


def group_asg_name(cluster: str, group: str) -> str:
    """Return the name of a group's Auto Scaling group. EventBridge rules match its beginning."""
    return f"{cluster}-{group}"


def function_log_group(cluster: str, purpose: str) -> str:
    """Return the name of a function's log group, equal to Lambda's default."""
    return f"/aws/lambda/{cluster}-{purpose}"


def group_prefix(cluster: str) -> str:
    """Return the prefix of the names of this cluster's Auto Scaling groups, and of no others."""
    return f"{cluster}-"


def node_name(group: str, instance_id: str) -> str:
    """Return the host name of a node. Consul and Swarm know it by the same name."""
    return f"{group}-{instance_id}"


def instance_id(node: str) -> str:
    """Return the instance ID in a node's name; the name itself if it holds none."""
    _, mark, rest = node.rpartition("-i-")
    return f"i-{rest}" if mark else node
