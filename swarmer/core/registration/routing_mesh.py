"""Services that Swarm publishes through its routing mesh: every node answers for them.

Only managers know these services. The Swarm's leader therefore writes them into one Consul key. The
registrator of each node named there declares its own node, so that an entry leaves with its node.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from swarmer.core.registration.metadata import PREFIX
from swarmer.core.registration.naming import SWARM_SERVICE
from swarmer.core.registration.options import Options
from swarmer.core.registration.ports import mapping
from swarmer.core.registration.services import plan
from swarmer.core.registration.swarm import STACK
from swarmer.core.service import Service
from swarmer.core.state import SwarmNode

TAG: Final = "mesh"
"""Tag of every service of the mesh."""


@dataclass(frozen=True)
class Published:
    """Value that the leader writes."""

    value: Mapping[str, Any]
    """Content of the key: `{"nodes": [node id], "services": [{"name", "env", "labels", "ports": {"80/tcp":
    8080}}]}`"""
    is_waiting: bool
    """Whether a published service has no running task yet, and must be looked at again soon."""


def published(services: Iterable[Mapping[str, Any]], nodes: Iterable[SwarmNode]) -> Published:
    """Return the value from a manager's API. A service without a running task is left out: nothing would
    answer."""
    found, is_waiting = [], False
    for service in services:
        ports = _ingress(service)
        if not ports:
            continue
        status = mapping(service.get("ServiceStatus"))
        if status.get("RunningTasks", 1):
            found.append(_described(service, ports))
        elif status.get("DesiredTasks"):
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
        value = mapping(json.loads(text or "null"))
    except (ValueError, RecursionError):
        return []
    nodes, published = value.get("nodes"), value.get("services")
    if not node_id or not isinstance(nodes, list) or node_id not in nodes or not isinstance(published, list):
        return []
    # The mesh answers on the host's ports, whatever address containers are declared with.
    here = replace(options, internal=False, use_ip_from_label="")
    found = [each for service in published for each in plan(_as_container(mapping(service)), here).services]
    return [replace(each, tags=(*each.tags, TAG)) for each in found]


def _ingress(service: Mapping[str, Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    ports = mapping(service.get("Endpoint")).get("Ports")
    for port in ports if isinstance(ports, list) else ():
        if port.get("PublishMode", "ingress") == "ingress" and port.get("PublishedPort"):
            found.setdefault(f"{port['TargetPort']}/{port.get('Protocol', 'tcp')}", port["PublishedPort"])
    return found


def _described(service: Mapping[str, Any], ports: Mapping[str, int]) -> dict[str, Any]:
    spec = mapping(service.get("Spec"))
    container = mapping(mapping(spec.get("TaskTemplate")).get("ContainerSpec"))
    labels = {**mapping(container.get("Labels")), **mapping(spec.get("Labels"))}
    return {
        "name": str(spec.get("Name")),
        "env": [entry for entry in container.get("Env") or () if entry.startswith(PREFIX)],
        "labels": {key: value for key, value in labels.items() if key.startswith(PREFIX) or key == STACK},
        "ports": dict(sorted(ports.items())),
    }


def _as_container(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return the service in the form of a container, so that the same rules name it; its default name is the
    service's."""
    name = str(service.get("name") or "")
    ports = {spec: [{"HostPort": str(port)}] for spec, port in mapping(service.get("ports")).items()}
    return {
        "Name": f"/mesh.{name}",
        "Config": {
            "Image": name,
            "Env": service.get("env"),
            "Labels": {**mapping(service.get("labels")), SWARM_SERVICE: name},
        },
        "NetworkSettings": {"Ports": ports},
    }
