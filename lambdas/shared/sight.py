"""A function's view of a cluster: AWS first, through it a Consul server and a Swarm manager.

Functions cannot resolve the cluster's domain; addresses come from EC2, by the cluster's tag.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache, cached_property
from typing import Final, TypeVar

from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from swarmer.adapters import auto_scaling, aws, consul, docker, instances
from swarmer.adapters.consul import Consul
from swarmer.adapters.docker import Engine
from swarmer.core import election, names
from swarmer.core.healing import reconciliation, world
from swarmer.core.healing.world import Group, Instance, Mark, Swarm
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER, UNFOUNDED
from swarmer.core.state import RegistryLock

CONSUL_S: Final = 3.0
DOCKER_S: Final = 5.0
"""Timeout for a manager: a node in the same network answers in milliseconds, or not."""
LEADER_S: Final = 12.0
"""Timeout for a manager of a Swarm that lost its leader: it answers once there is another. That takes about 3
s if the nodes intervene, and 10 to 20 s if Docker's managers elect one."""
ASKED_ANEW_S: Final = 2.0
LEAST_S: Final = 0.2
LOCK_TTL_S: Final = 30
LOCK_TRIES: Final = 10
END_S: Final = 8.0
"""Time in which Consul elects a leader."""
END_PAUSE_S: Final = 0.5
IDENTITY_S: Final = 60
"""Seconds for which the provider's answer is kept while it knows no Swarm: a cluster is initialized once."""

Found = TypeVar("Found")


def open_consul(address: str) -> Consul:
    """Client of a server's API."""
    return Consul(address, names.CONSUL_HTTP_PORT, timeout_s=CONSUL_S)


def open_engine(address: str, timeout_s: float = DOCKER_S) -> Engine:
    """Client of a manager's API. Raises docker.Unavailable."""
    return Engine(f"tcp://{address}:{names.DOCKER_PORT}", timeout_s=timeout_s)


class Lock:
    """Lock on changes of voting members, while it is held; its session lapses `LOCK_TTL_S` after a
    renewal."""

    def __init__(self, api: Consul, session: str) -> None:
        self._api, self._session = api, session
        self.is_lost = False

    def renew(self) -> bool:
        """Renew the lock. Returns False if it lapsed, so another function may have acted since. Raises
        consul.Unavailable."""
        self.is_lost = self.is_lost or not self._api.renew_session(self._session)
        return not self.is_lost


class Sight:
    """View of one cluster, for one invocation: AWS's lists are asked once, Consul and Swarm at every look."""

    def __init__(self, cluster: str, *, patience_s: float = LEADER_S) -> None:
        """Set `patience_s`, the timeout for a manager."""
        self.cluster = cluster
        self.patience_s = patience_s

    # -- AWS --------------------------------------------------------------------------------

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Groups of the cluster. Raises aws.Unavailable."""
        return auto_scaling.groups(self.cluster)

    @cached_property
    def voting(self) -> Sequence[Instance]:
        """Machines that may be servers or managers; those in service first. Raises aws.Unavailable."""
        members = {key: each for group in self.groups for key, each in group.members.items()}
        in_service = {key for key, each in members.items() if each.lifecycle == reconciliation.IN_SERVICE}
        return sorted(instances.voting(self.cluster), key=lambda each: each.id not in in_service)

    def group_called(self, asg: str) -> Group | None:
        """Auto Scaling group of that name, if it is the cluster's; None if it is foreign, or gone."""
        return next((group for group in self.groups if group.asg == asg), None)

    def instance(self, group: Group, instance_id: str) -> Instance:
        """One machine of a group; tags may be late or gone. Raises aws.Unavailable."""
        found = instances.by_id([instance_id])[instance_id]
        return replace(found, group=group.name, roles=group.roles)

    def was_founded(self) -> bool:
        """Whether the cluster ever had a Swarm. Also true if the provider cannot be asked, or has forgotten.
        Then nobody may take it for a cluster that has nothing to lose."""
        try:
            return self._identity() != UNFOUNDED
        except aws.Unavailable:
            return True

    def _identity(self) -> str | None:
        """Swarm ID in the provider's records, `UNFOUNDED`, or None if there is no record."""
        name = names.identity_parameter(self.cluster)
        try:
            known = str(_ssm().get(name, max_age=IDENTITY_S))
            # The record may be from before the initialization, and nobody wants to wait for a newer one.
            return known if known != UNFOUNDED else str(_ssm().get(name, force_fetch=True))
        except GetParameterError as exc:
            if "ParameterNotFound" in str(exc):
                return None
            raise aws.Unavailable(str(exc)) from exc

    # -- Consul -----------------------------------------------------------------------------

    @cached_property
    def consul(self) -> Consul | None:
        """A server that knows a leader, or one that answers at all, or None. Raises aws.Unavailable."""
        servers = [each.address for each in self.voting if CONSUL_SERVER in each.roles and each.address]
        leaderless = []
        for api, leader in ask_all(servers, _leader_of):
            if leader:
                return api
            leaderless.append(api)
        return next(iter(leaderless), None)

    @property
    def api(self) -> Consul:
        """Client of the Consul server that was seen already. Raises consul.Unavailable."""
        if self.consul is None:
            raise consul.Unavailable("no Consul server answers")
        return self.consul

    def look_at_consul(self, name: str | None) -> world.Consul:
        """State of one node in Consul, or of the whole cluster (None). Raises aws.Unavailable,
        consul.Unavailable."""
        api = self.consul
        if api is None:
            return world.Consul()
        try:
            servers = api.raft_servers() if api.leader() else ()
        except consul.Unavailable:
            servers = ()  # a leader that is only remembered
        if not servers:
            return world.Consul(answers=True)
        return world.Consul(
            has_leader=True,
            answers=True,
            members={each.name: each.status for each in api.members()},
            peers={each.name: each for each in servers},
            marks=_marks(api),
            lease=look_at_lease(api),
            catalogued=_catalogued(api, name),
            recorded=_keys(api, names.KV_NODES, name),
            missing=_missing(api, name),
        )

    @contextmanager
    def lock(self) -> Iterator[Lock | None]:
        """Lock on voting members for this function, while the block lasts; None if another one has it."""
        api = self.api
        session = api.create_session("healing", ttl_s=LOCK_TTL_S, lock_delay_s=1)
        try:
            lock = Lock(api, session) if _acquire(api, session) else None
            yield lock
            if lock and not lock.is_lost:
                api.release(names.KV_HEALING_LOCK, "", session)
        finally:
            self._end_session(session)

    def _end_session(self, session: str) -> None:
        """End the session, and try again if a leader dies meanwhile and takes its answer with it.

        The lock may be held all the same. Until the session's time is up, a minute at worst, nobody could
        change voting members.
        """
        deadline_s = time.monotonic() + END_S
        while time.monotonic() < deadline_s:
            try:
                self.api.destroy_session(session)
            except consul.Unavailable:
                self.__dict__.pop("consul", None)
                time.sleep(END_PAUSE_S)
            else:
                return

    # -- Swarm ------------------------------------------------------------------------------

    @cached_property
    def engine(self) -> Engine | None:
        """A manager that controls this cluster's own Swarm, or None. Raises aws.Unavailable."""
        managers = [each.address for each in self.voting if SWARM_MANAGER in each.roles and each.address]
        identity = self._identity() if managers else UNFOUNDED
        answers: Iterator[tuple[str, str]] = ask_all(managers, self._swarm_of)
        # An address may have been another machine's: only the Swarm that the provider remembers counts.
        own = (address for address, found in answers if found == identity)
        address = next(own, None)
        return open_engine(address) if address else None

    def _swarm_of(self, address: str) -> tuple[str, str]:
        """Ask repeatedly: a question that went to a dead leader is never answered, even under a new
        leader."""
        deadline_s = time.monotonic() + self.patience_s
        while True:
            left_s = deadline_s - time.monotonic()
            try:
                return address, open_engine(address, min(ASKED_ANEW_S, left_s)).swarm_id()
            except docker.TimedOut:
                if time.monotonic() + LEAST_S > deadline_s:
                    raise

    def look_at_swarm(self, name: str | None) -> Swarm:
        """State of one node beside the managers, or of all. Raises aws.Unavailable, docker.Unavailable."""
        engine = self.engine
        if engine is None:
            return Swarm()
        found = engine.nodes() if name is None else (*engine.nodes(role="manager"), *engine.nodes(name=name))
        rows = {row.id: row for row in found if name is None or row.is_manager or row.name == name}
        own = [row for row in rows.values() if row.name == name and row.availability == "drain"]
        return Swarm(
            has_quorum=True,
            rows=tuple(rows.values()),
            tasks={row.id: engine.tasks_to_move(row.id) for row in own},
        )

    def forget_connections(self) -> None:
        """Drop connections to machines that are gone, so that others are found."""
        for name in ("consul", "engine"):
            self.__dict__.pop(name, None)


def look_at_lease(api: Consul) -> RegistryLock | None:
    """The registry's lock. Raises consul.Unavailable."""
    key, wish = api.get(names.KV_REGISTRY_LOCK), api.get(names.KV_REGISTRY_HANDOVER)
    if key is None:
        return None
    lock = election.registry_lock(key.value, session=key.session, number=key.lock_index, index=key.index)
    return replace(lock, handover_asked=wish is not None and wish.value == str(key.lock_index))


@cache
def _ssm() -> parameters.SSMProvider:
    return parameters.SSMProvider(boto3_client=aws.client("ssm"))


# -- asking ------------------------------------------------------------------------------------


def ask_all(addresses: Sequence[str], ask: Callable[[str], Found]) -> Iterator[Found]:
    """Ask all at the same time; yields answers as they come. Once the caller has enough, hanging ones are
    dropped."""
    if not addresses:
        return
    pool = ThreadPoolExecutor(max_workers=len(addresses))
    try:
        for done in as_completed([pool.submit(ask, address) for address in addresses]):
            with suppress(consul.Unavailable, docker.Unavailable):
                yield done.result()
    finally:
        pool.shutdown(wait=False)


def _leader_of(address: str) -> tuple[Consul, str]:
    api = open_consul(address)
    return api, api.leader()


def _acquire(api: Consul, session: str) -> bool:
    for _ in range(LOCK_TRIES):
        try:
            if api.acquire(names.KV_HEALING_LOCK, "", session):
                return True
        except consul.Unavailable:
            # The lock may be this function's although the answer was lost.
            if not api.holds(names.KV_HEALING_LOCK, session):
                raise
            return True
        time.sleep(0.2)
    return False


# -- from answers to values ----------------------------------------------------------------------


def _marks(api: Consul) -> dict[str, Mark]:
    found = {name: Mark.from_json(key.value) for name, key in api.below(names.KV_LEAVING).items()}
    return {name: mark for name, mark in found.items() if mark}


def _catalogued(api: Consul, name: str | None) -> frozenset[str]:
    if name is None:
        return frozenset(api.nodes())
    return frozenset((name,)) if api.is_catalogued(name) else frozenset()


def _keys(api: Consul, prefix: str, name: str | None) -> frozenset[str]:
    if name is None:
        return frozenset(api.below(prefix))
    return frozenset((name,)) if api.get(f"{prefix}{name}") else frozenset()


def _missing(api: Consul, name: str | None) -> dict[str, float]:
    if name is None:
        return {each: _seconds(key.value) for each, key in api.below(names.KV_MISSING).items()}
    key = api.get(f"{names.KV_MISSING}{name}")
    return {name: _seconds(key.value)} if key else {}


def _seconds(text: str) -> float:
    """Seconds from a text; invalid text counts as old as possible, so it is written again or forgotten."""
    try:
        return float(text)
    except ValueError:
        return 0.0
