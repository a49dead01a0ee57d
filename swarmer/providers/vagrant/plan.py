"""Plan for the Vagrantfile: every machine, and its provider's settings. The module only reads."""

from __future__ import annotations

import hashlib
import os
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final

from swarmer.core import names
from swarmer.core.machines import Machine, machines
from swarmer.core.user_data import MOUNTED, NFS, VIRTIOFS, Share
from swarmer.local import engine, environment, node_containers, node_image
from swarmer.local.environment import Environment
from swarmer.local.seeds import VOLUME

LABEL: Final = "swarmer.vagrant"
"""Label of containers and networks with their checkout. `swarmer down` leaves these to Vagrant."""
STATE: Final = environment.STATE / "vagrant"
SHARED: Final = STATE / "shared"
"""Folder that outlives every machine. It has a folder for each cluster, with its images and cluster ID."""
DOCKER: Final = "docker"


def network(env: Environment) -> str:
    """Name of the docker network of the containers."""
    return f"swarmer-{env.cluster.name}-vagrant"


def cluster_folder(env: Environment) -> Path:
    """Path of the cluster's own folder in SHARED."""
    return SHARED / env.cluster.name


def seed_folder(env: Environment, machine: Machine, provider: str) -> Path:
    """Folder of the machine's seed. Seeds differ by provider, because shares do."""
    return STATE / "seeds" / env.cluster.name / provider / machine.name


def container_name(env: Environment, machine: str) -> str:
    """Name of a machine's container; no rehearsal's node has this name."""
    return f"{env.cluster.name}.{machine}"


def share(env: Environment, provider: str) -> Share:
    """Share that mounts SHARED at names.SHARE in a machine."""
    if provider == "virtualbox":
        path = str(SHARED).replace(" ", "\\040")
        return Share(kind=NFS, source=f"{env.gateway}:{path}")
    if provider == "libvirt":
        # vagrant-libvirt's name of a folder is the MD5 of its path, without the last digit.
        tag = hashlib.md5(str(SHARED).encode(), usedforsecurity=False).hexdigest()[:31]
        return Share(kind=VIRTIOFS, source=tag)
    return Share(kind=MOUNTED)


def created(env: Environment) -> dict[Machine, str]:
    """Vagrant's machines, running or not, with their provider."""
    root = Path(os.environ.get("VAGRANT_DOTFILE_PATH", ".vagrant"))
    found = {}
    for machine in machines(env.cluster):
        for path in sorted((environment.ROOT / root / "machines" / machine.name).glob("*/id")):
            found[machine] = path.parent.name
    return found


def to_json(env: Environment) -> dict[str, Any]:
    """Plan as JSON for the Vagrantfile."""
    cidr = IPv4Network(env.cluster.network.cidr)
    return {
        "cluster": env.cluster.name,
        "netmask": str(cidr.netmask),
        "network": network(env),
        "shared": str(SHARED),
        "share": names.SHARE,
        "docker_host": engine.docker_environment()["DOCKER_HOST"],
        "image": node_image.tag(),
        "machines": [_machine(env, each) for each in machines(env.cluster)],
    }


def _machine(env: Environment, machine: Machine) -> dict[str, Any]:
    return {
        "name": machine.name,
        "address": machine.address,
        "memory": machine.group.memory,
        "cpus": machine.group.cpus,
        "autostart": machine.is_wanted,
        "container": container_name(env, machine.name),
        "create_args": _create_arguments(env, machine),
        "volumes": {
            provider: str(seed_folder(env, machine, provider) / VOLUME)
            for provider in ("virtualbox", "libvirt")
        },
    }


def _create_arguments(env: Environment, machine: Machine) -> list[str]:
    """Arguments of `docker run` for a machine that is a container."""
    return [
        *(
            "-t",
            "--label",
            f"{LABEL}={environment.ROOT}",
            "--label",
            f"{environment.LABEL_CLUSTER}={env.cluster.name}",
        ),
        *("-v", f"{SHARED}:{names.SHARE}"),
        *node_containers.machine_arguments(network(env), machine.address, seed_folder(env, machine, DOCKER)),
    ]
