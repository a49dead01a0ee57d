"""Recovers a quorum with this node alone after its majority was lost for good. Consul's data and the Swarm's
services are kept.

    python -m node.recover [--consul] [--swarm] LOST…

LOST: names of the nodes whose machines are proved to be gone. `swarmer recover`, or an operator with that
proof, runs it on one survivor of the lost quorum. Every step checks first and is skipped if it is done
already. So the command can be killed at any point and run again. Sources: Consul's "Disaster recovery for
Consul clusters" (peers.json), Docker's "Recover from losing the quorum" (--force-new-cluster).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Final

from node.machine import Unusable, log, read_machine
from node.provider import ProviderClient
from swarmer.adapters import consul, docker, process
from swarmer.adapters.consul import Consul
from swarmer.adapters.docker import Engine
from swarmer.adapters.files import alone
from swarmer.core import names, network_plan, recovery
from swarmer.core.configuration import Machine
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER
from swarmer.core.recovery import SwarmView

CONSUL_DATA: Final = Path("/var/lib/consul")
LOCK: Final = Path("/run/swarmer-recover.lock")
"""Path of the lock file: a second recovery on this node waits for the first, and then finds its work done."""
ELECTION_TIMEOUT_S: Final = 10.0
"""Timeout for servers to elect another leader by themselves."""
LEADER_TIMEOUT_S: Final = 60.0
"""Timeout for Consul to have a leader after its recovery."""
INFO_TIMEOUT_S: Final = 30.0
"""Timeout for `docker info`. A manager without quorum answers after up to 20 s."""
CALL_TIMEOUT_S: Final = 45.0
"""Timeout for one call that makes a manager the only one."""
SWARM_TIMEOUT_S: Final = 90.0
"""Timeout for making a manager the only one, with repeated calls."""
FORGET_TIMEOUT_S: Final = 30.0
"""Timeout for the removal of lost members. It has to wait while a leader is elected."""
RETRY_PAUSE_S: Final = 0.5
SWARM_STATE: Final = "swarm/certificates/swarm-node.crt"
"""File below dockerd's data folder that every member of a Swarm has."""


def main(argv: list[str]) -> int:
    """Exit status: 1 with one line on the console after a failure, 2 for a wrong command line."""
    asked = parse(argv)
    try:
        machine = read_machine()
        check_roles(asked, machine.node.roles)
        with alone(LOCK):
            recover(asked, machine)
    except (Unusable, process.Failed, consul.Unavailable, docker.Unavailable, OSError) as exc:
        log(f"cannot recover: {exc}")
        return 1
    log(f"recovered; forgot {', '.join(asked.lost)}")
    return 0


def recover(asked: argparse.Namespace, machine: Machine) -> None:
    """Recover each named quorum: reduce it to this node, then remove the lost nodes. Raises the errors of the
    adapters."""
    if asked.consul:
        recover_consul(machine)
        log(f"Consul has a leader; forgets {', '.join(asked.lost)}")
        retry(lambda: forget_in_consul(asked.lost, Consul()))
    if asked.swarm:
        recover_swarm(machine, Engine(timeout_s=INFO_TIMEOUT_S), Engine(timeout_s=CALL_TIMEOUT_S))
        log(f"the Swarm has a leader; forgets {', '.join(asked.lost)}")
        retry(lambda: forget_in_swarm(asked.lost, Engine()))
        check_swarm(Engine())


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the arguments: `consul` and `swarm` select the quorums, `lost` has names. Exits on an error."""
    parser = argparse.ArgumentParser(prog="python -m node.recover", description="This node goes on alone.")
    parser.add_argument("--consul", action="store_true", help="this server becomes Consul's only one")
    parser.add_argument("--swarm", action="store_true", help="this manager becomes the Swarm's only one")
    parser.add_argument("lost", nargs="+", metavar="LOST", help="a node whose machine is gone for good")
    asked = parser.parse_args(argv)
    if not (asked.consul or asked.swarm):
        parser.error("say which quorum is lost: --consul, --swarm, or both")
    return asked


def check_roles(asked: argparse.Namespace, roles: Collection[str]) -> None:
    """Raise Unusable if this node lacks the role of a selected quorum."""
    if asked.consul and CONSUL_SERVER not in roles:
        raise Unusable("--consul: this node is no Consul server")
    if asked.swarm and SWARM_MANAGER not in roles:
        raise Unusable("--swarm: this node is no Swarm manager")


def recover_consul(machine: Machine) -> bool:
    """Reduce raft to this server alone, with all its data, if there is no leader."""
    if wait_for_leader(Consul(), ELECTION_TIMEOUT_S):
        return False
    if is_empty(Consul()):
        raise Unusable("this server has nothing of the cluster's: take one that was a member before")
    log("makes this server Consul's only one")
    write_peers(peers_json((CONSUL_DATA / "node-id").read_text().strip(), machine.address))
    # One job of systemd: if this program is killed, Consul either still runs or is started again.
    log("restarts Consul")
    process.run(["systemctl", "restart", names.UNIT_CONSUL])
    deadline_s = time.monotonic() + LEADER_TIMEOUT_S
    while not has_leader(Consul()):
        if time.monotonic() > deadline_s:
            raise Unusable(f"Consul has no leader {LEADER_TIMEOUT_S:.0f} s after its recovery")
        time.sleep(0.2)
    return True


def write_peers(content: str) -> None:
    """Write peers.json atomically, because Consul does not start with a part of it."""
    fresh = CONSUL_DATA / "peers.json.new"
    fresh.write_text(content)
    shutil.chown(fresh, "consul", "consul")
    fresh.replace(CONSUL_DATA / "raft/peers.json")


def peers_json(node_id: str, address: str) -> str:
    """Raft protocol 3's peers.json with one server."""
    server = {"id": node_id, "address": f"{address}:{names.CONSUL_RPC_PORT}", "non_voter": False}
    return json.dumps([server])


def wait_for_leader(api: Consul, within_s: float) -> bool:
    """Wait until the servers have a leader; return whether they have one in time."""
    deadline_s = time.monotonic() + within_s
    while not (found := has_leader(api)) and time.monotonic() < deadline_s:
        time.sleep(0.5)
    return found


def has_leader(api: Consul) -> bool:
    """Whether a leader answers. A remembered leader without an answer counts as none."""
    try:
        return bool(api.leader()) and bool(api.raft_servers())
    except consul.Unavailable:
        return False


def is_empty(api: Consul) -> bool:
    """Whether this server is a replacement that never joined raft. A silent server returns False, because an
    earlier run stopped it."""
    try:
        return api.last_entry() is None
    except consul.Unavailable:
        return False


def recover_swarm(machine: Machine, engine: Engine, caller: Engine) -> bool:
    """Reduce the Swarm to this manager alone, with all its services, if the managers have no quorum.

    `engine` is asked, `caller` acts. Returns False if there was nothing to do. Raises Unusable.
    """
    began_s, expected = time.monotonic(), expected_swarm()
    called_s: float | None = None
    while True:
        now_s = time.monotonic()
        view = observe_swarm(
            engine,
            expected_id=expected,
            waited_s=now_s - began_s,
            called_s_ago=None if called_s is None else now_s - called_s,
            may_call=now_s - began_s < SWARM_TIMEOUT_S,
        )
        match recovery.decide(view):
            case recovery.Recovered():
                return called_s is not None
            case recovery.Refuse(reason):
                raise Unusable(reason)
            case recovery.Wait():
                time.sleep(RETRY_PAUSE_S)
            case recovery.ForceNewCluster():
                log("makes this manager the Swarm's only one")
                try:
                    caller.force_new_cluster(machine.address)
                except docker.Unavailable as exc:
                    # The next observation shows whether the call succeeded all the same.
                    log(f"dockerd answers with an error, is asked again: {exc}")
                called_s = time.monotonic()


def observe_swarm(
    engine: Engine, *, expected_id: str, waited_s: float, called_s_ago: float | None, may_call: bool
) -> SwarmView:
    """Engine and its Swarm as they are now."""
    try:
        swarm = engine.swarm()
        folder = engine.data_folder()
    except docker.Unavailable as exc:
        return SwarmView(
            answers=False, error=str(exc), waited_s=waited_s, called_s_ago=called_s_ago, may_call=may_call
        )
    return SwarmView(
        answers=True,
        controls=swarm.is_manager,
        swarm_id=swarm.id,
        expected_id=expected_id,
        was_member=bool(swarm.node) or (Path(folder) / SWARM_STATE).exists(),
        error=swarm.error,
        waited_s=waited_s,
        called_s_ago=called_s_ago,
        may_call=may_call,
    )


def expected_swarm() -> str:
    """ID of the cluster's Swarm from Consul, or from the provider's answer at this node's boot."""
    with contextlib.suppress(consul.Unavailable):
        if found := Consul().get(names.KV_SWARM_ID):
            return found.value
    provider = ProviderClient()
    provider.load()
    return provider.view.cluster_id if provider.view.is_initialized else ""


def check_swarm(engine: Engine) -> None:
    """Report if the recovered Swarm has other network settings or lost services; no command restores them.

    Docker keeps the address pools and the VXLAN port in the Swarm's own state. Only the first `swarm init`
    chooses them.
    """
    try:
        found, services = engine.settings(), engine.swarm_service_ids()
        running = engine.service_ids()
    except docker.Unavailable as exc:
        log(f"the Swarm's settings cannot be read: {exc}")
        return
    wanted = docker.SwarmSettings(
        pools=(str(network_plan.SWARM_POOL),),
        network_prefix=network_plan.POOL_NETWORK_PREFIX,
        data_port=names.OVERLAY_PORT,
    )
    if found != wanted:
        log(f"the Swarm's networks have other settings than servers.yml keeps free: {found}, not {wanted}")
    if missing := running - services:
        log(f"containers of services that the Swarm does not know: {', '.join(sorted(missing))}")


def retry(forget: Callable[[], None]) -> None:
    """Repeat the call while there is no leader, for a bounded time. Raises the Unavailable of both
    adapters."""
    deadline_s = time.monotonic() + FORGET_TIMEOUT_S
    while True:
        try:
            return forget()
        except (consul.Unavailable, docker.Unavailable):
            if time.monotonic() > deadline_s:
                raise
        time.sleep(RETRY_PAUSE_S)


def forget_in_consul(lost: Iterable[str], api: Consul) -> None:
    """Remove lost nodes from Consul's members."""
    for name in lost:
        api.force_leave(name)


def forget_in_swarm(lost: Collection[str], engine: Engine) -> None:
    """Remove lost nodes from the Swarm by their names. A node that is still joining has no name yet."""
    for row in engine.nodes():
        if row.name in lost:
            engine.ensure_demoted(row.id)
            engine.ensure_no_node(row.id)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
