"""Cleanup after a destroyed machine: it is removed from its cluster. The cluster ends with the last one."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterable
from typing import Final

from swarmer.adapters import process
from swarmer.adapters.consul import Consul
from swarmer.adapters.consul import Unavailable as ConsulUnavailable
from swarmer.adapters.docker import Engine, Unavailable
from swarmer.core import names
from swarmer.core.machines import Machine
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER
from swarmer.local import engine, environment
from swarmer.local.environment import Environment
from swarmer.providers.vagrant import plan

CONNECT_TIMEOUT_S: Final = 1.0
"""Timeout for a connection to a machine, in seconds."""
STEP_TIMEOUT_S: Final = 45.0
"""Timeout for one step of the cleanup with all its tries, in seconds."""
SWARM_TIMEOUT_S: Final = 30.0
"""Timeout for an answer of the Swarm, in seconds: an election after the leader's loss takes 10 to 20 s."""
CLUSTER_ID_FILE: Final = "identity"
"""Name of the file with the cluster ID, as in node.json."""


def remove_machine(env: Environment, name: str) -> str:
    """Remove the destroyed machine from its cluster; return a line about the result."""
    left = plan.created(env)
    if not left:
        return _end(env)
    if name in {each.name for each in left}:
        return f"{name} is not gone: nothing to remove"
    try:
        _retry(lambda: _remove_from_swarm(env, name, left))
        _retry(lambda: _remove_from_consul(name, left))
    except (Unavailable, ConsulUnavailable) as exc:
        return f"{name} could not be removed from the rest of the cluster: {exc}"
    return f"{name} is removed from Swarm and Consul"


def _end(env: Environment) -> str:
    """End the cluster. The next `vagrant up` bootstraps another cluster with the same images."""
    (plan.cluster_folder(env) / CLUSTER_ID_FILE).unlink(missing_ok=True)
    # Virtual machines do not need Docker here.
    with contextlib.suppress(process.Failed):
        _remove_network(env)
    return f"{env.cluster.name} is over; its images stay in {plan.cluster_folder(env) / 'images'}"


def _remove_network(env: Environment) -> None:
    filters = (f"label={plan.LABEL}={environment.ROOT}", f"name=^{plan.network(env)}$")
    wanted = [word for each in filters for word in ("--filter", each)]
    found = engine.docker("network", "ls", "-q", *wanted).split()
    for network in found:
        engine.docker("network", "rm", network)


def _retry(step: Callable[[], None]) -> None:
    """Repeat the step until it succeeds: an election or a demotion takes a moment."""
    deadline_s = time.monotonic() + STEP_TIMEOUT_S
    while True:
        try:
            return step()
        except (Unavailable, ConsulUnavailable):
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.5)


def _remove_from_swarm(env: Environment, name: str, left: Iterable[Machine]) -> None:
    for address in _answering(left, SWARM_MANAGER, names.DOCKER_PORT):
        swarm = Engine(f"tcp://{address}:{names.DOCKER_PORT}", timeout_s=SWARM_TIMEOUT_S)
        if not swarm.swarm().is_manager:
            continue
        for row in swarm.nodes():
            if row.name == name:
                swarm.ensure_node(row.id, Role="worker")
                swarm.ensure_no_node(row.id)
        return
    raise Unavailable("no manager that is left has a majority")


def _remove_from_consul(name: str, left: Iterable[Machine]) -> None:
    for address in _answering(left, CONSUL_SERVER, names.CONSUL_HTTP_PORT):
        consul = Consul(address, names.CONSUL_HTTP_PORT, timeout_s=5)
        if not consul.leader():
            continue
        for server in consul.raft_servers():
            if server.name == name:
                consul.remove_peer(server.address)
        consul.force_leave(name)
        consul.deregister_node(name)
        return
    raise ConsulUnavailable("no server that is left has a leader")


def _answering(left: Iterable[Machine], role: str, port: int) -> list[str]:
    """Addresses of the machines with the role that answer on the port."""
    found = []
    for machine in left:
        if role in machine.group.roles:
            with contextlib.suppress(OSError):
                socket.create_connection((machine.address, port), CONNECT_TIMEOUT_S).close()
                found.append(machine.address)
    return found
