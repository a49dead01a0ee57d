"""A Docker engine and its Swarm. Every failure is one `Unavailable`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Final
from urllib.parse import quote

from swarmer.adapters import engine
from swarmer.adapters.engine import NotFound, TimedOut, Unavailable, docker_shaped
from swarmer.core import names, network_plan
from swarmer.core.state import SwarmNode, SwarmStatus

__all__ = ["Engine", "NotFound", "TimedOut", "Unavailable"]

OUT_OF_SEQUENCE: Final = "update out of sequence"
"""Part of the error, from SwarmKit through Docker, for an update of an outdated version."""
UPDATE_TRIES: Final = 5
"""Number of attempts at an update, each with a newly read version."""
INACTIVE: Final = "inactive"
"""State of an engine that neither is in a Swarm nor joins one."""
ENDED: Final = frozenset(("complete", "shutdown", "failed", "rejected", "remove", "orphaned"))
"""States from which a task does not come back (Docker, "Swarm task states")."""


@dataclass(frozen=True)
class SwarmSettings:
    """Settings from `GET /swarm` that only `docker swarm init` can choose."""

    pools: tuple[str, ...]
    """Subnets from which overlay networks are made."""
    network_prefix: int
    """Prefix length of each network."""
    data_port: int
    """UDP port of VXLAN."""


class Engine(engine.Engine):
    """Engine at a unix socket or `tcp://host:port`."""

    def __init__(self, url: str = "unix:///run/docker.sock", *, timeout_s: float = 10) -> None:
        super().__init__(engine.address(url, {}), timeout_s)

    def ping(self) -> None:
        """Raise Unavailable if the engine does not answer."""
        self.ask_engine("GET", "/version")

    def swarm(self) -> SwarmStatus:
        """State of the engine's Swarm from its own point of view. Raises Unavailable.

        A ping is enough for an engine outside a Swarm. `docker info` would make the engine start two programs
        (10 ms of a core), and a node asks four times a second until it joins.
        """
        if self.swarm_state() == INACTIVE:
            return SwarmStatus(INACTIVE, is_manager=False, error="", id="", node="")
        found = self.info().swarm
        if not found.state:
            raise Unavailable("an answer that is not Docker's: it has no state of a Swarm")
        return found

    def data_folder(self) -> str:
        """Path of the folder in which the engine keeps its state."""
        if not (found := self.info().data_folder):
            raise Unavailable("an answer that is not Docker's: it has no data folder")
        return found

    def swarm_id(self) -> str:
        """ID of the Swarm, from its leader. Raises Unavailable if it has none, or if this engine is no
        manager.

        `docker info`, the source of `swarm`, is too slow. An engine asks its leader once for all callers at
        the same time, and a query to a dying leader holds all of them for 20 s.
        """
        with docker_shaped():
            return str(self.ask_engine("GET", "/swarm")["ID"])

    def settings(self) -> SwarmSettings:
        """The Swarm's settings, from its leader. Raises Unavailable."""
        with docker_shaped():
            found = self.ask_engine("GET", "/swarm")
            return SwarmSettings(
                pools=tuple(found.get("DefaultAddrPool") or ()),
                network_prefix=int(found.get("SubnetSize") or 0),
                data_port=int(found.get("DataPathPort") or 0),
            )

    def ensure_gateway_bridge(self, mtu: int) -> bool:
        """Create docker_gwbridge, in its own range and with that MTU, before Swarm creates it in another
        range."""
        return self._ensure_network(
            Name="docker_gwbridge",
            Driver="bridge",
            IPAM={"Driver": "default", "Config": [{"Subnet": str(network_plan.DOCKER_GWBRIDGE)}]},
            Options={
                "com.docker.network.bridge.name": "docker_gwbridge",
                "com.docker.network.bridge.enable_icc": "false",
                "com.docker.network.bridge.enable_ip_masquerade": "true",
                network_plan.MTU_OPTION: str(mtu),
            },
        )

    def init_swarm(self, address: str) -> None:
        """Run `docker swarm init`, with address pools apart from the VPC's."""
        self._init(
            address,
            DefaultAddrPool=[str(network_plan.SWARM_POOL)],
            SubnetSize=network_plan.POOL_NETWORK_PREFIX,
        )

    def force_new_cluster(self, address: str) -> None:
        """Run `docker swarm init --force-new-cluster`: this manager alone keeps the Swarm's state."""
        self._init(address, ForceNewCluster=True)

    def _init(self, address: str, **options: object) -> None:
        body = {"AdvertiseAddr": address, "ListenAddr": f"{address}:{names.SWARM_CLUSTER_PORT}", "Spec": {}}
        self.ask_engine("POST", "/swarm/init", {**body, **options})

    def join_swarm(self, address: str, managers: Sequence[str], token: str) -> None:
        """Run `docker swarm join` through any of `managers`."""
        body = {
            "RemoteAddrs": [f"{manager}:{names.SWARM_CLUSTER_PORT}" for manager in managers],
            "JoinToken": token,
            "AdvertiseAddr": address,
            "ListenAddr": f"{address}:{names.SWARM_CLUSTER_PORT}",
        }
        self.ask_engine("POST", "/swarm/join", body)

    def end_join(self) -> None:
        """Run `docker swarm leave --force` on an engine that failed to join a Swarm."""
        self.ask_engine("POST", "/swarm/leave?force=true")

    def tokens(self) -> tuple[str, str]:
        """Join tokens for a worker and for a manager; only managers know them."""
        with docker_shaped():
            found = self.ask_engine("GET", "/swarm")["JoinTokens"]
            return found["Worker"], found["Manager"]

    # -- networks -------------------------------------------------------------------------------

    def ensure_ingress(self, *, within_s: float = 10) -> bool:
        """Move the routing mesh's network into the range of all others, on a manager of a Swarm without
        services.

        It waits at most `within_s` for the creation of a network, and for its removal.

        Engines before 20.10 use 10.255.0.0/16 for it in spite of the pool (moby/moby#39228). A VPC may use it
        too.
        """
        deadline_s = time.monotonic() + within_s
        while not (subnets := self._ingress_subnets()) and time.monotonic() < deadline_s:
            time.sleep(0.05)
        if subnets and all(IPv4Network(each).subnet_of(network_plan.SWARM_POOL) for each in subnets):
            return False
        if subnets:
            try:
                self.ask_engine("DELETE", "/networks/ingress")
            except Unavailable:
                # The engine may have deleted it although its answer is an error.
                if self._networks("ingress"):
                    raise
            self._wait_for_no_ingress(within_s)
        # This applies also without a network, because an earlier run may have been killed between the steps.
        self._ensure_network(Name="ingress", Driver="overlay", Ingress=True)
        return True

    def _wait_for_no_ingress(self, within_s: float) -> None:
        deadline_s = time.monotonic() + within_s
        while self._networks("ingress"):
            if time.monotonic() > deadline_s:
                raise Unavailable(f"the old ingress network is there still after {within_s:g} s")
            time.sleep(0.05)

    def _ingress_subnets(self) -> list[str]:
        with docker_shaped():
            found = self._networks("ingress")
            return [row["Subnet"] for each in found for row in each["IPAM"]["Config"] or ()]

    def _networks(self, name: str) -> list[dict[str, Any]]:
        # The filter is a pattern for networks of this engine, and a prefix for networks of the Swarm.
        with docker_shaped():
            return [each for each in self.listed("/networks", name=[name]) if each["Name"] == name]

    def _ensure_network(self, **body: object) -> bool:
        """Create a network. Returns False if one of that name exists, also if another client has just made
        it."""
        name = str(body["Name"])
        if self._networks(name):
            return False
        try:
            self.ask_engine("POST", "/networks/create", body)
        except Unavailable:
            if not self._networks(name):
                raise
        return True

    def swarm_service_ids(self) -> set[str]:
        """IDs of all services of the Swarm; only managers know them."""
        return {each.id for each in self.services()}

    # -- nodes ----------------------------------------------------------------------------------

    def is_leader(self, node_id: str) -> bool:
        """Whether a node leads the Swarm; only managers know it."""
        with docker_shaped():
            found = self.ask_engine("GET", f"/nodes/{quote(node_id, safe='')}")
            return bool((found.get("ManagerStatus") or {}).get("Leader"))

    def managers(self) -> tuple[SwarmNode, ...]:
        """Members of the managers' raft. The leader answers through any manager, so a Swarm without a leader
        does not answer."""
        return tuple(each for each in self.nodes(role="manager") if each.reachability)

    def ensure_node(self, node_id: str, **spec: str) -> bool:
        """Set `Role` or `Availability` of a node. Returns False if it has these values already.

        Another client may change the node between the read and the update. Docker then refuses the update. An
        update may also succeed although its answer is an error or lost. So the node is read again. Raises
        Unavailable.
        """
        path, refusal = f"/nodes/{quote(node_id, safe='')}", None
        for _ in range(UPDATE_TRIES):
            with docker_shaped():
                found = self.ask_engine("GET", path)
                wanted, version = {**found["Spec"], **spec}, found["Version"]["Index"]
                if wanted == found["Spec"]:
                    return refusal is not None
            if refusal and OUT_OF_SEQUENCE not in str(refusal):
                raise refusal
            try:
                self.ask_engine("POST", f"{path}/update?version={version}", wanted)
            except Unavailable as exc:
                refusal = exc
            else:
                return True
        raise refusal or Unavailable(f"docker: {path}: {OUT_OF_SEQUENCE}")

    def ensure_demoted(self, node_id: str) -> bool:
        """Make a manager a worker. Returns False if it is no manager.

        After `--force-new-cluster` a node outside raft still has the row of a manager. Such a row can only be
        removed, so it is removed.
        """
        try:
            return self.ensure_node(node_id, Role="worker")
        except Unavailable as exc:
            if "raft memberlist" not in str(exc):
                raise
            return self.ensure_no_node(node_id)

    def ensure_no_node(self, node_id: str) -> bool:
        """Run `docker node rm --force` for a lost node. Returns False if Swarm no longer knows it."""
        path = f"/nodes/{quote(node_id, safe='')}"
        try:
            self.ask_engine("DELETE", f"{path}?force=true")
        except NotFound:
            return False
        except Unavailable:
            if not self._is_unknown(path):
                raise
        return True

    def _is_unknown(self, path: str) -> bool:
        try:
            self.ask_engine("GET", path)
        except NotFound:
            return True
        return False

    def tasks_to_move(self, node_id: str) -> int:
        """Number of unfinished tasks on a node, and of tasks of their services that do not run elsewhere
        yet."""
        with docker_shaped():
            own = self.listed("/tasks", node=[node_id])
            services = sorted({task["ServiceID"] for task in own if task.get("ServiceID")})
            filters = {"service": services, "desired-state": ["running"]}
            meant = self.listed("/tasks", **filters) if services else []
            staying = [task for task in own if task["Status"]["State"] not in ENDED]
            moving = [task for task in meant if task.get("NodeID") != node_id]
            return len(staying) + len([task for task in moving if task["Status"]["State"] != "running"])
