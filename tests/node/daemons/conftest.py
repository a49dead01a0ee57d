"""Real daemons for the node software: Consul agents on loopback, this machine's Docker Engine."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from swarmer.adapters.docker import Engine
from swarmer.local import engine as command_line
from swarmer.local import environment, host, node_image
from tests.node.daemons.daemon import ALL_ROLES, Daemon, eventually, machine


@pytest.fixture(scope="session")
def loopback() -> Callable[[], str]:
    """Addresses of this run alone: all of 127/8 is loopback, so ports need not be searched for."""
    net = f"127.{random.randint(16, 250)}.{random.randint(1, 250)}"
    hosts = iter(range(1, 250))
    return lambda: f"{net}.{next(hosts)}"


@pytest.fixture(scope="session")
def make_daemon(
    loopback: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Daemon]]:
    """Agents that have started; all of them are ended in the end."""
    host.ensure_packages(("mmdebstrap", "mmdebstrap"))
    environment.CACHE.mkdir(parents=True, exist_ok=True)
    binary = node_image.ensure_consul(environment.CACHE, lambda _: None)
    made: list[Daemon] = []

    def make(name: str, roles: tuple[str, ...] = ALL_ROLES) -> Daemon:
        who = machine(loopback(), instance=f"i-{name}", roles=roles)
        daemon = Daemon(binary, tmp_path_factory.mktemp("consul") / name, who)
        made.append(daemon)
        daemon.start()
        return daemon

    yield make
    for daemon in made:
        daemon.stop()


@pytest.fixture(scope="session")
def agents(make_daemon: Callable[..., Daemon]) -> list[Daemon]:
    """One server and two clients, which are one cluster."""
    server = make_daemon("server")
    clients = [make_daemon(name, roles=("swarm-manager",)) for name in ("left", "right")]
    eventually(server.is_member)
    for client in clients:
        client.api.join(server.address)
    for client in clients:
        eventually(client.is_member)
    return [server, *clients]


@pytest.fixture
def cluster(agents: list[Daemon]) -> Iterator[list[Daemon]]:
    """The agents, empty again after the test."""
    yield agents
    for daemon in agents:
        daemon.sweep()


@pytest.fixture
def server(cluster: list[Daemon]) -> Daemon:
    return cluster[0]


@pytest.fixture
def left(cluster: list[Daemon]) -> Daemon:
    return cluster[1]


@pytest.fixture
def right(cluster: list[Daemon]) -> Daemon:
    return cluster[2]


@pytest.fixture(scope="session")
def engine_url() -> str:
    """Where this machine's own engine listens."""
    host.ensure_engine()
    return command_line.docker_environment()["DOCKER_HOST"]


@pytest.fixture(scope="session")
def engine(engine_url: str) -> Engine:
    return Engine(engine_url)
