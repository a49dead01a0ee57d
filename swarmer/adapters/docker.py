"""A Docker engine, through its SDK. Every failure is one `Unavailable`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker
import requests
from docker.types import IPAMConfig, IPAMPool

from swarmer.core import names, network_plan


class Unavailable(Exception):
    """The engine did not answer, or refused."""


@dataclass(frozen=True)
class Swarm:
    """What `docker info` says of the engine's Swarm."""

    state: str
    is_manager: bool
    """It controls the Swarm: a manager that sees a quorum."""
    error: str
    id: str
    """The Swarm's own id; only managers know it."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (docker.errors.DockerException, requests.RequestException, OSError) as exc:
        raise Unavailable(str(exc)) from exc


class Engine:
    """One engine: a unix socket or `tcp://host:port`."""

    def __init__(self, base_url: str = "unix:///run/docker.sock", *, timeout_s: float = 10) -> None:
        with _translated():
            self._client = docker.DockerClient(base_url=base_url, version="auto", timeout=int(timeout_s))

    def swarm(self) -> Swarm:
        """The engine's Swarm as it sees it."""
        with _translated():
            found = self._client.info()["Swarm"]
        return Swarm(
            state=found["LocalNodeState"],
            # A manager without a quorum is said to have control, and an error.
            is_manager=bool(found["ControlAvailable"]) and not found.get("Error"),
            error=found.get("Error", ""),
            id=found.get("Cluster", {}).get("ID", "") if found.get("Cluster") else "",
        )

    def ensure_gateway_bridge(self) -> bool:
        """Make docker_gwbridge in its own range before Swarm makes it anywhere."""
        with _translated():
            if self._client.networks.list(names=["docker_gwbridge"]):
                return False
            self._client.networks.create(
                "docker_gwbridge",
                driver="bridge",
                ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=str(network_plan.DOCKER_GWBRIDGE))]),
                options={
                    "com.docker.network.bridge.name": "docker_gwbridge",
                    "com.docker.network.bridge.enable_icc": "false",
                    "com.docker.network.bridge.enable_ip_masquerade": "true",
                },
            )
        return True

    def found_swarm(self, address: str) -> None:
        """`docker swarm init`, with address pools apart from the VPC's."""
        with _translated():
            self._client.swarm.init(
                advertise_addr=address,
                listen_addr=f"{address}:{names.SWARM_CLUSTER_PORT}",
                default_addr_pool=[str(network_plan.SWARM_POOL)],
                subnet_size=network_plan.POOL_NETWORK_PREFIX,
            )

    def refound_swarm(self, address: str) -> None:
        """`docker swarm init --force-new-cluster`: this manager alone goes on with the Swarm's state."""
        with _translated():
            # Not swarm.init, which asks the Swarm before it has its leader.
            self._client.api.init_swarm(
                advertise_addr=address,
                listen_addr=f"{address}:{names.SWARM_CLUSTER_PORT}",
                force_new_cluster=True,
            )

    def remove_node(self, node_id: str) -> None:
        """`docker node rm --force`, of a node that is gone for good."""
        with _translated():
            self._client.api.remove_node(node_id, force=True)

    def join_swarm(self, address: str, managers: Sequence[str], token: str) -> None:
        """`docker swarm join` through any of `managers`."""
        with _translated():
            self._client.swarm.join(
                remote_addrs=[f"{manager}:{names.SWARM_CLUSTER_PORT}" for manager in managers],
                join_token=token,
                advertise_addr=address,
                listen_addr=f"{address}:{names.SWARM_CLUSTER_PORT}",
            )

    def tokens(self) -> tuple[str, str]:
        """Join tokens for a worker and for a manager; only managers know them."""
        with _translated():
            self._client.swarm.reload()
            found = self._client.swarm.attrs["JoinTokens"]
        return found["Worker"], found["Manager"]

    def nodes(self) -> list[dict[str, Any]]:
        """Swarm's nodes as the API gives them; only managers know them."""
        with _translated():
            return [node.attrs for node in self._client.nodes.list()]

    def ensure_own_availability(self, availability: str) -> bool:
        """`active` or `drain` for the engine's own Swarm node; the engine is a manager."""
        with _translated():
            own = self._client.nodes.get(self._client.info()["Swarm"]["NodeID"])
            spec = own.attrs["Spec"]
            if spec["Availability"] == availability:
                return False
            own.update({**spec, "Availability": availability})
        return True

    def containers(self) -> list[dict[str, Any]]:
        """Every running container as `docker inspect` prints it; one that ends meanwhile is left out."""
        with _translated():
            return [container.attrs for container in self._client.containers.list(ignore_removed=True)]

    def container_events(self) -> Iterator[dict[str, Any]]:
        """Starts and ends of containers, as they happen; ends with Unavailable."""
        with _translated():
            filters = {"type": "container", "event": ["start", "die"]}
            yield from self._client.api.events(decode=True, filters=filters)
