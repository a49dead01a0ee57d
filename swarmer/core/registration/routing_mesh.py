"""Services of Swarm's routing mesh: every node answers for them.

Only managers know these services. Therefore the Swarm's leader writes them into one Consul key. The
registrator of each node in that key declares its own node, so that an entry disappears with its node.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from swarmer.core.registration.metadata import PREFIX
from swarmer.core.registration.naming import SWARM_SERVICE
from swarmer.core.registration.options import Options
from swarmer.core.registration.services import plan
from swarmer.core.registration.swarm import STACK
from swarmer.core.service import Service
from swarmer.core.state import Container, PortBinding, SwarmNode, SwarmService

TAG: Final = "mesh"
"""Tag of every service of the mesh."""


@dataclass(frozen=True)
class Published:
    """Value that the leader writes into the key."""

    value: Mapping[str, Any]
    """Content of the key: `{"nodes": [node id], "services": [{"name", "env", "labels", "ports": {"80/tcp":
    8080}}]}`"""
    is_waiting: bool
    """Whether a published service has no running task yet, so that it must be checked again soon."""


def published(services: Iterable[SwarmService], nodes: Iterable[SwarmNode]) -> Published:
    """Return the value from a manager's lists. A service without a running task is left out, because it would
    not answer."""
    found, is_waiting = [], False
    for service in services:
        ports = _ingress(service)
        if not ports:
            continue
        if service.running_tasks != 0:
            found.append(_described(service, ports))
        elif service.desired_tasks:
            is_waiting = True
    ready = [node.id for node in nodes if node.is_ready]
    found.sort(key=lambda each: str(each["name"]))
    return Published({"nodes": sorted(ready), "services": found}, is_waiting)


def is_leader(nodes: Iterable[SwarmNode], node_id: str) -> bool:
    """Whether this node leads the Swarm; only the leader writes."""
    return any(node.id == node_id and node.is_leader for node in nodes)


def services(text: str, node_id: str, options: Options) -> list[Service]:
    """Return the services that this node declares: its own address for each published port.

    The list is empty if the key does not name this node.
    """
    try:
        value = _mapping(json.loads(text or "null"))
    except (ValueError, RecursionError):
        return []
    nodes, published = value.get("nodes"), value.get("services")
    if not node_id or not isinstance(nodes, list) or node_id not in nodes or not isinstance(published, list):
        return []
    # The mesh answers on the host's ports, independent of the addresses of containers.
    here = replace(options, internal=False, use_ip_from_label="")
    found = [each for service in published for each in plan(_as_container(_mapping(service)), here).services]
    return [replace(each, tags=(*each.tags, TAG)) for each in found]


def _ingress(service: SwarmService) -> dict[str, int]:
    found: dict[str, int] = {}
    for port in service.ports:
        if port.is_ingress and port.published:
            found.setdefault(f"{port.target}/{port.protocol}", port.published)
    return found


def _described(service: SwarmService, ports: Mapping[str, int]) -> dict[str, Any]:
    kept = {key: each for key, each in service.labels.items() if key.startswith(PREFIX) or key == STACK}
    return {
        "name": service.name,
        "env": [entry for entry in service.env if entry.startswith(PREFIX)],
        "labels": kept,
        "ports": dict(sorted(ports.items())),
    }


def _as_container(service: Mapping[str, Any]) -> Container:
    """Return the service in the form of a container, so that the same rules apply to its name. The default is
    the service's name."""
    name, env = str(service.get("name") or ""), service.get("env")
    labels = {**_mapping(service.get("labels")), SWARM_SERVICE: name}
    ports = {port: str(number) for port, number in _mapping(service.get("ports")).items()}
    return Container(
        id="",
        name=f"mesh.{name}",
        image=name,
        image_id="",
        document={
            "Name": f"/mesh.{name}",
            "Config": {"Image": name, "Env": env, "Labels": labels},
            "NetworkSettings": {"Ports": {port: [{"HostPort": number}] for port, number in ports.items()}},
        },
        env=tuple(each for each in env if isinstance(each, str)) if isinstance(env, list) else (),
        labels={key: each for key, each in labels.items() if isinstance(each, str)},
        ports={port: (PortBinding(host_ip="", host_port=number),) for port, number in ports.items()},
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
