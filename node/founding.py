"""The cluster's one Swarm: founded under a lock, remembered by the ground, published for who joins."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from node.ground import QUERY_TIMEOUT_S, REDISCOVERY_S, Ground, Unanswered
from node.machine import alive
from swarmer.adapters.consul import Consul
from swarmer.adapters.consul import Unavailable as ConsulUnavailable
from swarmer.adapters.docker import Engine
from swarmer.adapters.docker import Unavailable as DockerUnavailable
from swarmer.core import names
from swarmer.core.joining import World

LOCK_TTL_S = 30
"""TTL of the founder's session, which is renewed between calls that take long (QUERY_TIMEOUT_S, dockerd)."""
PUBLISH_INTERVAL_S = 300.0
"""So often the Swarm's leader sees to the join tokens: people rotate them, and nobody could join any more."""
IDENTITY_TIMEOUT_S = 8.0
"""Longer it does not wait for the ground then: no manager leaves DNS because its ground does not answer."""


@dataclass
class Founding:
    """A manager's part in it."""

    name: str
    """The node's."""
    address: str
    consul: Consul
    ground: Ground
    say: Callable[[str], None]
    _session: str = ""
    """It holds the lock while the Swarm that this node founds is not published."""
    _asked_under: str | None = None
    """The session under which the ground said last whether the cluster was founded."""
    _unanswered_s: float = -REDISCOVERY_S
    """When the ground did not say whether the cluster was founded."""
    _saw_to_s: float = -PUBLISH_INTERVAL_S

    def found(self, engine: Engine) -> None:
        """Found the Swarm under the lock, once: whoever comes second finds it published.

        Raises the Unavailable of both adapters.
        """
        if time.monotonic() - self._unanswered_s < REDISCOVERY_S or not self._lock():
            return
        may_be_one = False
        try:
            if self.consul.get(names.KV_SWARM_ID) or not self._is_unfounded():
                return
            if not self.consul.renew_session(self._session):
                return
            self.say("founds the Swarm")
            engine.ensure_gateway_bridge()
            may_be_one = True  # from here on, whatever fails
            engine.found_swarm(self.address)
            self.publish(engine)
            may_be_one = False
        finally:
            if not may_be_one:
                self._unlock()

    def _lock(self) -> bool:
        """Whether this node may found the Swarm now, or publish one that nobody knows. Raises Unavailable."""
        session = self.consul.create_session("swarm", ttl_s=LOCK_TTL_S, lock_delay_s=1)
        has_it = False
        try:
            has_it = self._acquire(session)
        finally:
            if not has_it:
                self.consul.destroy_session(session)
        if has_it:
            self._session = session
        else:
            self.say("waits for who founds the Swarm")
        return has_it

    def _acquire(self, session: str) -> bool:
        try:
            return self.consul.acquire(names.KV_SWARM_LOCK, self.name, session)
        except ConsulUnavailable:
            # The lock may be this node's although the answer was lost.
            return self.consul.holds(names.KV_SWARM_LOCK, session)

    def _unlock(self) -> None:
        """Free the lock. If Consul does not answer, the next pass tries again; the session ends by itself."""
        self.consul.release(names.KV_SWARM_LOCK, self.name, self._session)
        self.consul.destroy_session(self._session)
        self._session = ""

    def keep_lock(self, world: World) -> None:
        """Of a founder that could not publish yet: whoever came to the lock would found a second Swarm.

        Freed once it is published, or came to nothing; one whose dockerd is away loses it with its session.
        """
        if not self._session or world.swarm_state is None:
            return
        if world.published or world.swarm_state == "inactive":
            self._unlock()
        elif not self.consul.renew_session(self._session):
            self._session = ""

    def _is_unfounded(self) -> bool:
        """Whether the ground says so, asked anew under the lock; no answer is no.

        Who held the lock before may have marked a Swarm and died before Consul knew of it.
        """
        try:
            is_founded = self.ground.ask().is_founded
            self._asked_under = self._session
            return not is_founded
        except Unanswered as exc:
            self._unanswered_s = time.monotonic()
            self.say(f"waits for its ground to say whether the cluster was founded: {exc}")
            return False

    def publish(self, engine: Engine, *, within_s: float = QUERY_TIMEOUT_S) -> None:
        """Tell the others how to join. The tokens are secrets: they stand in Consul only.

        A Swarm that Consul does not know is published under the lock: an agent that was started anew has lost
        it, and meanwhile another manager may found one. keep_lock frees it.

        Raises the Unavailable of both adapters; Docker's also where Consul or the ground knows another Swarm.
        """
        if not self._session and not self.consul.get(names.KV_SWARM_ID) and not self._lock():
            return
        self._takes_long()
        swarm_id = engine.swarm_id()
        known = {key: self.consul.get(key) for key in names.KV_SWARM}
        published = known[names.KV_SWARM_ID]
        if published and published.value != swarm_id:
            raise DockerUnavailable(f"Consul knows another Swarm, {published.value}")
        # Of a Swarm that nobody else is in yet: later it may have services, under which no network moves.
        is_founded = bool(published) or self.ground.view.is_founded
        is_new = not is_founded and (self._asked_under == self._session or self._is_unfounded())
        if is_new and engine.ensure_ingress():
            self.say("moved the ingress network into its pool")
        if not self.ground.is_marked(swarm_id):
            self._takes_long()
            try:
                self.ground.mark(swarm_id, within_s=within_s)  # before anybody else can join it
            except Unanswered as exc:
                raise DockerUnavailable(f"the cluster's identity cannot be written: {exc}") from exc
        worker, manager = engine.tokens()
        wanted = {names.KV_TOKEN_WORKER: worker, names.KV_TOKEN_MANAGER: manager, names.KV_SWARM_ID: swarm_id}
        for key, value in wanted.items():
            entry = known[key]
            if entry is None or entry.value != value:
                self.consul.put(key, value)

    def _takes_long(self) -> None:
        """Neither systemd's patience nor the founder's lock ends meanwhile; where it has the mark decides."""
        alive()
        if self._session:
            self.consul.renew_session(self._session)

    def see_to_it(self, engine: Engine, leads: Callable[[], bool]) -> None:
        """From time to time, by the Swarm's leader. What is wrong is said only: the node does its work."""
        if time.monotonic() - self._saw_to_s < PUBLISH_INTERVAL_S or not leads():
            return
        self._saw_to_s = time.monotonic()
        try:
            self.publish(engine, within_s=IDENTITY_TIMEOUT_S)
        except DockerUnavailable as exc:
            self.say(str(exc))
