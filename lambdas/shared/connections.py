"""Clients of one cluster: a Consul server and a Swarm manager, found by their addresses in EC2.

Functions cannot resolve the cluster's domain.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from functools import cached_property
from typing import Final, TypeVar

from lambdas.shared.aws_state import AwsState
from swarmer.adapters import consul, docker
from swarmer.adapters.consul import Consul
from swarmer.adapters.docker import Engine
from swarmer.core import names
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER, UNFOUNDED

CONSUL_TIMEOUT_S: Final = 3.0
"""Timeout for a Consul server."""
MANAGER_TIMEOUT_S: Final = 5.0
"""Timeout for a manager. A healthy node in the same network answers in milliseconds."""
ELECTION_TIMEOUT_S: Final = 12.0
"""Timeout for a manager of a Swarm without leader. It answers once there is another leader, after about 3 s
if the nodes intervene, and after 10 to 20 s if Docker's managers elect one."""
TRY_TIMEOUT_S: Final = 2.0
"""Timeout for one of the tries within ELECTION_TIMEOUT_S."""
SHORTEST_TRY_S: Final = 0.2
"""Minimum time left for another try."""

Found = TypeVar("Found")


def open_consul(address: str) -> Consul:
    """Client of a server's API."""
    return Consul(address, names.CONSUL_HTTP_PORT, timeout_s=CONSUL_TIMEOUT_S)


def open_engine(address: str, timeout_s: float = MANAGER_TIMEOUT_S) -> Engine:
    """Client of a manager's API. Raises docker.Unavailable."""
    return Engine(f"tcp://{address}:{names.DOCKER_PORT}", timeout_s=timeout_s)


class Connections:
    """Clients of one cluster, for one invocation: each client that was found is kept."""

    def __init__(self, cluster: str, *, swarm_timeout_s: float = ELECTION_TIMEOUT_S) -> None:
        """`swarm_timeout_s` is the timeout for finding a manager."""
        self.aws = AwsState(cluster)
        self.swarm_timeout_s = swarm_timeout_s

    @cached_property
    def consul(self) -> Consul | None:
        """A server that knows a leader; else any server that answers; else None. Raises aws.Unavailable."""
        leaderless = []
        for api, leader in ask_all(self.aws.addresses(CONSUL_SERVER), _leader_of):
            if leader:
                return api
            leaderless.append(api)
        return next(iter(leaderless), None)

    def require_consul(self) -> Consul:
        """Return the Consul server. Raises consul.Unavailable if none answers, aws.Unavailable."""
        if self.consul is None:
            raise consul.Unavailable("no Consul server answers")
        return self.consul

    @cached_property
    def engine(self) -> Engine | None:
        """A manager that controls this cluster's own Swarm, or None. Raises aws.Unavailable."""
        managers = self.aws.addresses(SWARM_MANAGER)
        cluster_id = self.aws.cluster_id() if managers else UNFOUNDED
        answers: Iterator[tuple[str, str]] = ask_all(managers, self._swarm_of)
        # The address may have belonged to another machine, so only the Swarm with the cluster ID counts.
        own = (address for address, found in answers if found == cluster_id)
        address = next(own, None)
        return open_engine(address) if address else None

    def require_engine(self) -> Engine:
        """Return the Swarm manager. Raises docker.Unavailable if none answers, aws.Unavailable."""
        if self.engine is None:
            raise docker.Unavailable("no Swarm manager with a quorum answers")
        return self.engine

    def _swarm_of(self, address: str) -> tuple[str, str]:
        """Ask repeatedly: a query that went to a dead leader stays unanswered, even under a new leader."""
        deadline_s = time.monotonic() + self.swarm_timeout_s
        while True:
            left_s = deadline_s - time.monotonic()
            try:
                return address, open_engine(address, min(TRY_TIMEOUT_S, left_s)).swarm_id()
            except docker.TimedOut:
                if time.monotonic() + SHORTEST_TRY_S > deadline_s:
                    raise

    def forget(self) -> None:
        """Drop connections to machines that are gone, so that others are found."""
        self.forget_consul()
        self.__dict__.pop("engine", None)

    def forget_consul(self) -> None:
        """Drop the connection to a Consul server, so that another one is found."""
        self.__dict__.pop("consul", None)


def ask_all(addresses: Sequence[str], ask: Callable[[str], Found]) -> Iterator[Found]:
    """Ask all at the same time; yields answers as they come. When the caller stops, the function drops
    hanging queries."""
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
