"""Node containers for instances, with the instance's address, user-data and identity."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarmer.adapters import process
from swarmer.core import names, network_plan
from swarmer.core.errors import UserError
from swarmer.core.health import Expected
from swarmer.core.state import GroupInstance, HostContainer
from swarmer.local import engine, environment
from swarmer.local.environment import Environment

CAPABILITIES: Final = ("--cap-add=ALL", "--cap-drop=SYS_RESOURCE")
"""Options for all capabilities but one. A host may lack that one itself, and `--privileged` fails there."""
ISOLATION: Final = tuple(
    word
    for option in ("seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined")
    for word in ("--security-opt", option)
)
SEED: Final = "/var/lib/cloud/seed/nocloud"
"""Folder of a machine with its seed."""
FILTER_FILE: Final = "security-groups.nft"
"""Name of the file in the seed with the packet filter of the machine's security groups."""
LOAD_FILTER: Final = ("flock", SEED, "nft", "-f", f"{SEED}/{FILTER_FILE}")
"""Command that loads the packet filter. The lock orders two loads: the later one reads the newer file."""
GUARDED_INIT: Final = ("sh", "-c", f"{' '.join(LOAD_FILTER)} && exec /lib/systemd/systemd")
"""First process of a node container: no program runs before the packet filter is loaded."""
MOUNTS: Final = ("--tmpfs", "/run", "--tmpfs", "/tmp", "-v", "/var/lib/docker")  # noqa: S108 - inside the node


@dataclass(frozen=True, kw_only=True)
class Node:
    """Instance, with the container that serves as its machine."""

    expected: Expected
    user_data: str

    @property
    def name(self) -> str:
        return self.expected.name


def container_name(env: Environment, node: str) -> str:
    """Name of a node's container on this machine's engine."""
    return f"{env.cluster.name}.{node}"


def create_arguments(env: Environment, node: Node, image: str, seed: Path) -> list[str]:
    """Arguments of `docker create` for a node container. It only reads the cgroup hierarchy; else it is
    pure."""
    labels = {
        environment.LABEL_REHEARSAL: str(environment.ROOT),
        environment.LABEL_CLUSTER: env.cluster.name,
        environment.LABEL_NODE: node.name,
        environment.LABEL_INSTANCE: node.expected.instance_id,
    }
    return [
        *("create", "-t", "--name", container_name(env, node.name)),
        *(word for key, value in labels.items() for word in ("--label", f"{key}={value}")),
        *machine_arguments(env.network, node.expected.address, seed),
        image,
        *GUARDED_INIT,
    ]


def machine_arguments(network: str, address: str, seed: Path) -> list[str]:
    """Arguments for a container that serves as a machine: with systemd, dockerd, and cloud-init's seed."""
    return [
        *("--network", network, "--ip", address),
        *CAPABILITIES,
        *ISOLATION,
        *MOUNTS,
        *("-v", f"{seed}:{SEED}:ro", "-e", "container=docker"),
        *cgroup_arguments(),
    ]


def cgroup_arguments() -> tuple[str, ...]:
    """Arguments for systemd's cgroups: version 2 is private to the container, version 1 is the host's."""
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        return ("--cgroupns=private",)
    return ("-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw", "-e", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1")


def run_script(container: str, script: str) -> subprocess.Popen[str]:
    """Start a shell script in a node; its input stays open."""
    return engine.stream("exec", "-i", container, "sh", "-c", script, stdin=subprocess.PIPE)


def seed_folder(env: Environment, instance_id: str) -> Path:
    """Folder on this machine with the seed of an instance's machine."""
    return env.state / "seeds" / instance_id


def write_seed(env: Environment, node: Node) -> Path:
    """Write the NoCloud seed: the launch template's user-data, and the machine's identity."""
    seed = seed_folder(env, node.expected.instance_id)
    seed.mkdir(parents=True, exist_ok=True)
    (seed / "user-data").write_text(node.user_data)
    meta = {
        "instance-id": node.expected.instance_id,
        "local-hostname": f"ip-{node.expected.address.replace('.', '-')}",
        "local-ipv4": node.expected.address,
        "availability-zone": node.expected.zone,
        "region": env.region,
        "swarmer": {
            "aws_endpoint_url": env.aws_url_for_nodes,
            "metadata_endpoint": env.aws_url_for_nodes,
        },
    }
    (seed / "meta-data").write_text(json.dumps(meta))
    return seed


def ensure_network(env: Environment) -> None:
    """Ensure the docker network with the VPC's CIDR and MTU, so that node and instance have the same
    address."""
    create_network(env, env.network, environment.LABEL_REHEARSAL, mtu=network_plan.VPC_MTU)


def create_network(env: Environment, name: str, label: str, *, mtu: int = network_plan.ETHERNET_MTU) -> None:
    """Create the network unless it exists; an existing network keeps its MTU. `label`: its owner. Raises
    UserError."""
    if engine.docker("network", "ls", "-q", "--filter", f"name=^{name}$"):
        subnet = engine.docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", name)
        if subnet != env.cluster.network.cidr:
            raise UserError(
                f"{env.servers}: network.cidr: {env.cluster.name} exists already in {subnet} and cannot "
                f"move to {env.cluster.network.cidr}: remove it first, or take {subnet} again"
            )
        return
    try:
        engine.docker(
            *("network", "create", "--label", f"{label}={environment.ROOT}"),
            *("--label", f"{environment.LABEL_CLUSTER}={env.cluster.name}"),
            *("--opt", f"{network_plan.MTU_OPTION}={mtu}"),
            *("--subnet", env.cluster.network.cidr, "--gateway", env.gateway, name),
        )
    except process.Failed as exc:
        raise UserError(
            f"{env.servers}: network.cidr: {env.cluster.network.cidr} cannot be a network on this machine "
            f"({exc}): take a CIDR that nothing here uses"
        ) from exc


def ensure_created(env: Environment, node: Node, image: str) -> None:
    """Ensure that the container exists; do not start it yet."""
    if engine.docker("ps", "-aq", "--filter", f"name=^{container_name(env, node.name)}$"):
        return
    engine.docker(*create_arguments(env, node, image, write_seed(env, node)))


def start(env: Environment, *nodes: Node) -> None:
    """Power on the nodes; running nodes are left alone."""
    engine.docker("start", *(container_name(env, node.name) for node in nodes))


def containers(env: Environment) -> list[HostContainer]:
    """Containers of the cluster's nodes, running or not."""
    return engine.containers(environment.LABEL_NODE, **{environment.LABEL_CLUSTER: env.cluster.name})


def running(env: Environment) -> dict[str, str]:
    """Start time of each running node's container (RFC 3339), by node name."""
    return {
        each.labels[environment.LABEL_NODE]: each.started_at for each in containers(env) if each.is_running
    }


def addresses(env: Environment) -> dict[str, str]:
    """Address of each node container, running or not, by node name."""
    return {
        each.labels[environment.LABEL_NODE]: each.chosen_addresses[env.network] for each in containers(env)
    }


def find(env: Environment, known: Mapping[str, str], text: str) -> str:
    """Name of the one node of `known` (name to address) for `text`: name, address, or a part of the name."""
    exact = [name for name, address in known.items() if text in (name, address)]
    matches = exact or [name for name in known if text in name]
    if len(matches) == 1:
        return matches[0]
    what = f"{len(matches)} nodes have {text!r} in their name" if matches else f"no node is called {text!r}"
    raise UserError(f"{what}; the nodes of {env.cluster.name}: {', '.join(sorted(known))}")


def from_instance(instance: GroupInstance, *, runs: bool, is_retained: bool = False) -> Node:
    """Node for an instance."""
    return Node(
        user_data=instance.user_data,
        expected=Expected(
            name=names.node_name(instance.group, instance.id),
            instance_id=instance.id,
            group=instance.group,
            roles=instance.roles,
            address=instance.address,
            zone=instance.zone,
            runs=runs,
            is_retained=is_retained,
        ),
    )
