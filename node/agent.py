"""Keeps this node in its Consul cluster and in its Swarm; also declares the Docker API of managers.

Every pass reads the state again, decides one step (swarmer/core/joining.py) and takes it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from node.health import HealthChecks
from node.initialization import SwarmInitializer
from node.machine import log, notify_watchdog, read_machine
from node.provider import REFRESH_INTERVAL_S, ProviderClient, ProviderUnavailable
from swarmer.adapters import process
from swarmer.adapters.consul import Consul, Unavailable
from swarmer.adapters.docker import Engine, NotFound, TimedOut
from swarmer.adapters.docker import Unavailable as DockerUnavailable
from swarmer.core import joining, names, swarm_roles
from swarmer.core.configuration import Machine
from swarmer.core.joining import NodeState
from swarmer.core.node import SWARM_MANAGER, SWARM_WORKER
from swarmer.core.service import Service
from swarmer.core.state import SwarmStatus

JOINING_PAUSE_S = 0.25
SETTLED_PAUSE_S = 3.0
JOIN_FILE = Path("/var/lib/swarmer-agent.join")
"""File that exists from this node's request to join until it is in a Swarm; a restarted agent reads it."""
MOST_JOINS = 16
"""Number of joins at the same time."""
RECHECK_INTERVAL_S = 60.0
"""Interval between queries of the provider while this node manages another Swarm than the cluster's, in
seconds."""
SWARM_TIMEOUT_S = 3.0
"""Timeout for an answer of a Swarm that has a leader."""
DOCKER_TTL = "15s"
"""TTL of the Docker API's check: a manager that is silent for longer leaves DNS."""
TOKEN_OF_WORKERS = names.KV_TOKEN_WORKER.removeprefix(names.KV_TOKENS)
TOKEN_OF_MANAGERS = names.KV_TOKEN_MANAGER.removeprefix(names.KV_TOKENS)
TOKENS = {TOKEN_OF_WORKERS, TOKEN_OF_MANAGERS}


@dataclass
class Agent:
    """Program around the pure decisions: it gathers state and acts."""

    machine: Machine
    consul: Consul = field(default_factory=Consul)
    engine: Engine | None = None
    quick_engine: Engine | None = None
    """Client of the same engine, with SWARM_TIMEOUT_S as timeout."""
    provider: ProviderClient = field(default_factory=ProviderClient)
    health: HealthChecks = field(init=False)
    initializer: SwarmInitializer = field(init=False)
    _logged: str = ""
    _swarm_node: str = ""
    _is_swarm_purged: bool = False
    """Whether the Swarm is known to list no former self of this node."""
    _is_catalog_purged: bool = False
    """Whether the catalogue is known to have nothing from before this node's boot."""
    _demotions: swarm_roles.Demotions = field(default_factory=swarm_roles.Demotions)
    leaving: str = ""
    """Leaving marker of this node. It is kept because Consul soon stops answering here."""

    def __post_init__(self) -> None:
        self.health = HealthChecks(self.machine.address, self.consul)
        self.initializer = SwarmInitializer(
            machine=self.machine, consul=self.consul, provider=self.provider, log=self.log
        )

    @property
    def is_manager(self) -> bool:
        """Whether the description wants this node as a Swarm manager."""
        return SWARM_MANAGER in self.machine.node.roles

    def run(self) -> None:
        """Run forever."""
        changed, thread = threading.Event(), None
        if self.is_manager:
            from node.swarm_failover import SwarmFailover  # HTTP/2, which only managers need

            thread = SwarmFailover(self.machine.address, changed=changed).start()
        while thread is None or thread.is_alive():
            notify_watchdog()
            self.health.check()
            self.purge_catalog()  # before a query of dockerd, because dockerd takes longer to start
            state = self.gather()
            action = joining.decide(self.machine.node, state)
            try:
                self.initializer.keep_lock(state)
                self.act(action)
                if self.is_manager and state.has_leader:
                    self.declare_docker(state)
            except (Unavailable, DockerUnavailable, process.Failed) as exc:
                self.log(f"will try again: {exc}")
                if isinstance(exc, NotFound):
                    self._swarm_node = ""  # another one by now
            # A new leader of the Swarm declares it at once.
            changed.wait(SETTLED_PAUSE_S if isinstance(action, joining.Settled) else JOINING_PAUSE_S)
            changed.clear()

    def log(self, text: str) -> None:
        """Log a text if it is news."""
        if text != self._logged:
            log(text)
            self._logged = text

    # -- gather ---------------------------------------------------------------------------

    def gather(self) -> NodeState:
        """Current state of Consul and dockerd."""
        if self.leaving == names.LEAVING_STOP:
            return NodeState(has_leader=False, members=0, swarm_state=None, leaving=self.leaving)
        try:
            self.read_leaving_marker()
            has_leader = bool(self.consul.leader())
            members = sum(member.is_alive for member in self.consul.members())
        except Unavailable:
            return NodeState(has_leader=False, members=0, swarm_state=None, leaving=self.leaving)
        state = NodeState(has_leader=has_leader, members=members, swarm_state=None, leaving=self.leaving)
        if not has_leader:
            return state  # the catalogue has to be purged first, and a starting dockerd would answer late
        try:
            swarm = self.observe_swarm()
            # An engine that is still joining has an id, too.
            self._swarm_node = swarm.node if swarm.state == "active" else ""
            if self._swarm_node:
                JOIN_FILE.unlink(missing_ok=True)
            view = self.provider.view
            return self.observe_keys(
                replace(
                    state,
                    swarm_state=swarm.state,
                    is_manager=swarm.is_manager,
                    swarm_error=swarm.error,
                    is_joining=JOIN_FILE.exists(),
                    swarm_id=swarm.id,
                    is_initialized=view.is_initialized,
                    known_swarms=(view.cluster_id,) if view.is_initialized else (),
                )
            )
        except DockerUnavailable:
            return state
        except Unavailable:
            return replace(state, has_leader=False, members=0)

    def observe_keys(self, state: NodeState) -> NodeState:
        """Read the keys about the Swarm that this node needs now. Raises Unavailable."""
        if state.swarm_state == "active" and not self.is_manager:
            return state
        tokens = self.consul.below(names.KV_TOKENS)
        if state.swarm_state == "active":
            swarm = self.consul.get(names.KV_SWARM_ID)
            known = (*state.known_swarms, *([swarm.value] if swarm else []))
            return replace(state, known_swarms=known, is_published=bool(swarm) and tokens.keys() >= TOKENS)
        managers = tuple(
            each.address
            for each in self.consul.healthy(names.SERVICE_MANAGER)
            if each.address != self.machine.address
        )
        token = tokens.get(TOKEN_OF_MANAGERS if self.is_manager else TOKEN_OF_WORKERS)
        return replace(state, token=token.value if token else None, managers=managers)

    def observe_swarm(self) -> SwarmStatus:
        """State of the Swarm as this engine sees it. Raises DockerUnavailable.

        A manager that was in the Swarm asks the leader first, because `docker info` may answer 20 s late.
        """
        self.engine = self.engine or Engine()
        self.quick_engine = self.quick_engine or Engine(timeout_s=SWARM_TIMEOUT_S)
        if self._swarm_node and self.is_manager:
            try:
                found = self.quick_engine.swarm_id()
                return SwarmStatus("active", is_manager=True, error="", id=found, node=self._swarm_node)
            except TimedOut:
                note = "their leader does not answer"
                return SwarmStatus("active", is_manager=False, error=note, id="", node=self._swarm_node)
            except DockerUnavailable:
                self._swarm_node = ""
        return self.engine.swarm()

    def read_leaving_marker(self) -> None:
        """Read whether a function removes this node."""
        marker = self.consul.get(f"{names.KV_LEAVING}{self.machine.name}")
        self.leaving = (joining.leaving_phase(marker.value) if marker else "") or self.leaving

    # -- act ------------------------------------------------------------------------------

    def act(self, action: joining.Action) -> None:
        """Take one idempotent step. Raises Unavailable."""
        match action:
            case joining.FindPeers(reason):
                self.log(f"waits for {reason}")
                self.join_consul()
            case joining.Wait(reason, needs_operator):
                self.log(f"waits for {reason}")
                if needs_operator:
                    self.refresh_provider(every_s=RECHECK_INTERVAL_S)
            case joining.InitializeSwarm():
                self.initializer.initialize(self._engine)
            case joining.JoinSwarm(managers, token):
                self.log(f"joins the Swarm through {', '.join(managers)}")
                self._engine.ensure_gateway_bridge(self.machine.mtu)
                JOIN_FILE.touch()
                self._is_swarm_purged = False
                self._engine.join_swarm(self.machine.address, managers, token)
            case joining.EndJoin(reason):
                self.log(f"ends a join that failed: {reason}")
                self._engine.end_join()
                JOIN_FILE.unlink(missing_ok=True)
            case joining.Publish():
                self.initializer.publish(self._engine)
            case joining.StopConsul():
                self.log("leaves the cluster")
                process.run(["systemctl", "stop", names.UNIT_CONSUL])
            case joining.Settled():
                self.settle()

    @property
    def _engine(self) -> Engine:
        if self.engine is None:
            raise DockerUnavailable("dockerd does not answer")
        return self.engine

    def refresh_provider(self, *, every_s: float = REFRESH_INTERVAL_S) -> None:
        """Ask the provider for peers and cluster ID, at most every `every_s` seconds."""
        try:
            self.provider.refresh(every_s=every_s)
        except ProviderUnavailable as exc:
            self.log(f"cannot find its peers: {exc}")

    def join_consul(self) -> None:
        """Join every peer that answers and is no member yet; the others will join this node.

        The joins run in parallel. A peer that drops packets costs a timeout, and a lost zone has many such
        peers. Their timeouts in a row would exceed the watchdog's, and systemd would kill the agent.
        """
        self.refresh_provider()
        try:
            members = {member.address for member in self.consul.members() if member.is_alive}
        except Unavailable:
            return  # the own agent does not answer, so it can join no peer
        with ThreadPoolExecutor(MOST_JOINS) as pool:
            missing = [each for each in self.provider.view.peers if each not in members]
            for _ in pool.map(self._join, missing):
                notify_watchdog()

    def _join(self, address: str) -> None:
        with contextlib.suppress(Unavailable):
            self.consul.join(address)

    def settle(self) -> None:
        """Finish the last steps once the node is in."""
        if self.is_manager:
            if SWARM_WORKER not in self.machine.node.roles:
                self._engine.ensure_node(self._swarm_node, Availability="drain")
            # Otherwise the Swarm's value stays, because operators drain a node that they work on.
            self.initializer.republish(self._engine, self._is_leader)
            try:
                self.purge_swarm()
                self.restore_managers()
            except DockerUnavailable as exc:
                self.log(f"will try again to correct the Swarm's managers: {exc}")
                return  # the node is in all the same
        self.log("ready")

    def purge_catalog(self) -> None:
        """Remove, once, the catalogue's entries of this node that its agent lost in a reboot.

        A starting agent compares its services with the catalogue. A server asks itself, and may have read
        only a part of its own log by then. The next comparison comes up to two minutes later. Until then
        names lead to containers that are gone.
        """
        if self._is_catalog_purged:
            return
        with contextlib.suppress(Unavailable):
            if not self.consul.leader():
                return  # the next query would wait for a leader
            left = self.consul.catalogued(self.machine.name) - {each.id for each in self.consul.services()}
            for service_id in left:
                self.consul.deregister_catalogued(self.machine.name, service_id)
            for service in self.consul.services():
                if service.id in left:  # declared meanwhile: the agent believes that the catalogue has it
                    self.consul.register(service)
            self._is_catalog_purged = True

    def purge_swarm(self) -> None:
        """Remove the rest of an interrupted join from the Swarm, because a dead manager counts in raft.

        For some seconds the Swarm lists it as ready. Raises DockerUnavailable.
        """
        if self._is_swarm_purged:
            return
        rows = [row for row in self._engine.nodes(name=self.machine.name) if row.id != self._swarm_node]
        former = [row for row in rows if row.name == self.machine.name]
        gone = [row for row in former if not row.is_ready]
        for row in gone:
            self._engine.ensure_demoted(row.id)
            self._engine.ensure_no_node(row.id)
        self._is_swarm_purged = len(gone) == len(former)

    def restore_managers(self) -> None:
        """Promote, on the Swarm's leader, a manager that an operator demoted. Raises the Unavailable of both
        adapters.

        In Consul each node with the role of a manager declares that role, and reports if it controls no
        Swarm. The Swarm is asked only after such a report.
        """
        without_control = self.consul.unhealthy(names.SERVICE_MANAGER).keys() - {self.machine.name}
        if not without_control or not self._is_leader():
            return
        leaving = {
            name
            for name, key in self.consul.below(names.KV_LEAVING).items()
            if joining.leaving_phase(key.value)
        }
        # The filter is the beginning of a name, so `core-1` finds `core-10` too.
        rows = {row.id: row for name in without_control for row in self._engine.nodes(name=name)}
        demoted = swarm_roles.demoted(rows.values(), managers=without_control, leaving=leaving)
        if row := self._demotions.to_promote(demoted, time.monotonic()):
            self.log(f"promotes {row.name}, a manager by its description that an operator demoted")
            self._engine.ensure_node(row.id, Role="manager")

    def declare_docker(self, state: NodeState) -> None:
        """Declare this manager's Docker API in Consul if it controls the Swarm, and as the leader's if it
        leads."""
        declared = {service.id for service in self.consul.services()}
        controls = state.is_manager and not state.other_swarm
        note = "controls its Swarm" if controls else _without_control(state)
        self._declare(names.SERVICE_MANAGER, declared, passing=controls, note=note)
        if controls and self._is_leader():
            self._declare(names.SERVICE_DOCKER, declared, passing=True, note="leads its Swarm")
        elif names.SERVICE_DOCKER in declared:
            self.consul.deregister(names.SERVICE_DOCKER)

    def _is_leader(self) -> bool:
        return (self.quick_engine or self._engine).is_leader(self._swarm_node)

    def _declare(self, name: str, declared: Container[str], *, passing: bool, note: str) -> None:
        if name not in declared:
            mine = Service(id=name, name=name, address=self.machine.address, port=names.DOCKER_PORT)
            self.consul.register(mine, {"ttl": DOCKER_TTL, "status": "critical"})
        self.consul.confirm(name, passing=passing, note=note)


def _without_control(state: NodeState) -> str:
    """Reason why a manager is in no DNS name; `swarmer status` shows it."""
    if state.other_swarm:
        return f"it manages Swarm {state.swarm_id}, but the cluster's Swarm is {state.other_swarm}"
    return state.swarm_error or "no manager of this cluster now"


def main() -> None:
    """Entry point of swarmer-agent.service."""
    agent = Agent(read_machine())
    agent.provider.load()
    agent.run()


if __name__ == "__main__":
    main()
