"""The cluster's only Swarm: initialized under a lock, recorded by the provider, published for joining
nodes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from node.machine import notify_watchdog
from node.provider import QUERY_TIMEOUT_S, REFRESH_INTERVAL_S, ProviderClient, ProviderUnavailable
from swarmer.adapters.consul import Consul
from swarmer.adapters.consul import Unavailable as ConsulUnavailable
from swarmer.adapters.docker import Engine
from swarmer.adapters.docker import Unavailable as DockerUnavailable
from swarmer.core import names
from swarmer.core.configuration import Machine
from swarmer.core.joining import NodeState

LOCK_TTL_S = 30
"""TTL of the initializing node's session. The node renews it between long calls (QUERY_TIMEOUT_S,
dockerd)."""
PUBLISH_INTERVAL_S = 300.0
"""Interval at which the Swarm's leader checks the published join tokens. An operator may rotate them, and
nodes cannot join with the old ones."""
RECORD_TIMEOUT_S = 8.0
"""Timeout for the provider during the check of the published tokens. It is short, so that a slow provider
cannot drop this manager from DNS."""


@dataclass
class SwarmInitializer:
    """One manager's part in initializing and publishing the Swarm."""

    machine: Machine
    consul: Consul
    provider: ProviderClient
    log: Callable[[str], None]
    _session: str = ""
    """ID of the session that holds the lock until the Swarm that this node initializes is published."""
    _confirmed_session: str | None = None
    """ID of the session under which the provider last reported whether the cluster was initialized."""
    _query_failed_s: float = -REFRESH_INTERVAL_S
    """Monotonic time of the provider's last failure to report whether the cluster was initialized."""
    _published_s: float = -PUBLISH_INTERVAL_S

    def initialize(self, engine: Engine) -> None:
        """Initialize the Swarm once, under the lock. The next lock holder finds it published.

        Raises the Unavailable of both adapters.
        """
        if time.monotonic() - self._query_failed_s < REFRESH_INTERVAL_S or not self._lock():
            return
        may_exist = False
        try:
            if self.consul.get(names.KV_SWARM_ID) or not self._is_uninitialized():
                return
            if not self.consul.renew_session(self._session):
                return
            self.log("initializes the Swarm")
            engine.ensure_gateway_bridge(self.machine.mtu)
            may_exist = True  # from here on, whatever fails
            engine.init_swarm(self.machine.address)
            self.publish(engine)
            may_exist = False
        finally:
            if not may_exist:
                self._unlock()

    def _lock(self) -> bool:
        """Whether this node may initialize the Swarm now, or publish one that Consul does not know. Raises
        Unavailable."""
        session = self.consul.create_session("swarm", ttl_s=LOCK_TTL_S, lock_delay_s=1)
        has_lock = False
        try:
            has_lock = self._acquire(session)
        finally:
            if not has_lock:
                self.consul.destroy_session(session)
        if has_lock:
            self._session = session
        else:
            self.log("waits for the node that initializes the Swarm")
        return has_lock

    def _acquire(self, session: str) -> bool:
        try:
            return self.consul.acquire(names.KV_SWARM_LOCK, self.machine.name, session)
        except ConsulUnavailable:
            # The answer may have been lost after Consul gave the lock to this node.
            return self.consul.holds(names.KV_SWARM_LOCK, session)

    def _unlock(self) -> None:
        """Free the lock. If Consul does not answer, the next pass tries again; the session ends by itself."""
        self.consul.release(names.KV_SWARM_LOCK, self.machine.name, self._session)
        self.consul.destroy_session(self._session)
        self._session = ""

    def keep_lock(self, state: NodeState) -> None:
        """Keep the lock while this node's Swarm is not published yet; the next holder would create a second
        Swarm.

        The lock is freed after the publication, or if this node has no Swarm. A node without dockerd loses
        the lock with its session.
        """
        if not self._session or state.swarm_state is None:
            return
        if state.is_published or state.swarm_state == "inactive":
            self._unlock()
        elif not self.consul.renew_session(self._session):
            self._session = ""

    def _is_uninitialized(self) -> bool:
        """Whether the provider reports that the cluster was never initialized. It is asked again under the
        lock.

        The previous lock holder may have recorded a Swarm and died before Consul knew of it. A missing answer
        counts as False.
        """
        try:
            is_initialized = self.provider.query().is_initialized
            self._confirmed_session = self._session
            return not is_initialized
        except ProviderUnavailable as exc:
            self._query_failed_s = time.monotonic()
            self.log(f"waits for the provider to report whether the cluster was initialized: {exc}")
            return False

    def publish(self, engine: Engine, *, within_s: float = QUERY_TIMEOUT_S) -> None:
        """Publish how to join the Swarm. The tokens are secrets, so they are stored only in Consul.

        A Swarm that Consul does not know is published under the lock. A restarted agent has lost the lock,
        and another manager may initialize a Swarm meanwhile. `keep_lock` frees it.

        Raises the Unavailable of both adapters. Docker's is also raised if Consul or the provider knows
        another Swarm.
        """
        if not self._session and not self.consul.get(names.KV_SWARM_ID) and not self._lock():
            return
        self._renew_before_long_call()
        swarm_id = engine.swarm_id()
        known = {key: self.consul.get(key) for key in names.KV_SWARM}
        published = known[names.KV_SWARM_ID]
        if published and published.value != swarm_id:
            raise DockerUnavailable(f"Consul knows another Swarm, {published.value}")
        # Only a Swarm without other nodes is changed. Later it may have services, and the subnets of their
        # networks are fixed.
        is_initialized = bool(published) or self.provider.view.is_initialized
        is_new = not is_initialized and (self._confirmed_session == self._session or self._is_uninitialized())
        if is_new and engine.ensure_ingress():
            self.log("moved the ingress network into its pool")
        if not self.provider.is_recorded(swarm_id):
            self._renew_before_long_call()
            try:
                self.provider.record(swarm_id, within_s=within_s)  # before any other node can join it
            except ProviderUnavailable as exc:
                raise DockerUnavailable(f"the cluster ID cannot be written: {exc}") from exc
        worker, manager = engine.tokens()
        wanted = {names.KV_TOKEN_WORKER: worker, names.KV_TOKEN_MANAGER: manager, names.KV_SWARM_ID: swarm_id}
        for key, value in wanted.items():
            entry = known[key]
            if entry is None or entry.value != value:
                self.consul.put(key, value)

    def _renew_before_long_call(self) -> None:
        """Renew systemd's watchdog and the lock's session before a long call. If the lock ends, the recorded
        ID decides."""
        notify_watchdog()
        if self._session:
            self.consul.renew_session(self._session)

    def republish(self, engine: Engine, is_leader: Callable[[], bool]) -> None:
        """Publish again from time to time, on the Swarm's leader. Problems are only logged, because the node
        works."""
        if time.monotonic() - self._published_s < PUBLISH_INTERVAL_S or not is_leader():
            return
        self._published_s = time.monotonic()
        try:
            self.publish(engine, within_s=RECORD_TIMEOUT_S)
        except DockerUnavailable as exc:
            self.log(str(exc))
