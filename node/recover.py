"""Goes on alone after the majority was lost for good: Consul's data and Swarm's services are kept.

    python -m node.recover [--consul] [--swarm] LOST…

LOST: names of the nodes whose machines are proved to be gone. Run on one survivor of the quorum that is lost,
by `swarmer recover`, which has the proof, or by a person who has it. Each step is skipped where it is done
already, so that it can be run again. Sources: Consul's "Disaster recovery for Consul clusters" (peers.json),
Docker's "Recover from losing the quorum" (--force-new-cluster).
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from node.machine import Unusable, read, say
from swarmer.adapters import consul, docker, process
from swarmer.adapters.consul import Consul
from swarmer.adapters.docker import Engine
from swarmer.core import names
from swarmer.core.configuration import Machine
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER

DATA: Final = Path("/var/lib/consul")
ELECTION_S: Final = 10.0
"""Servers that have just lost their leader have another one by then, if they can."""
LEADER_S: Final = 60.0
SWARM_S: Final = 60.0


def main(argv: list[str]) -> int:
    """Exit status 1 with one line on the console where it could not be done, 2 for a wrong command line."""
    asked = parse(argv)
    try:
        machine = read()
        check_roles(asked, machine.node.roles)
        if asked.consul:
            recover_consul(machine)
            forget_in_consul(asked.lost, Consul())
        if asked.swarm:
            recover_swarm(machine, Engine(timeout_s=SWARM_S))
            forget_in_swarm(asked.lost, Engine())
    except (Unusable, process.Failed, consul.Unavailable, docker.Unavailable, OSError) as exc:
        say(f"cannot recover: {exc}")
        return 1
    say(f"recovered; forgot {', '.join(asked.lost)}")
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    """`consul`, `swarm`: which quorum this node goes on with; `lost`: names. Exits where it is wrong."""
    parser = argparse.ArgumentParser(prog="python -m node.recover", description="This node goes on alone.")
    parser.add_argument("--consul", action="store_true", help="this server becomes Consul's only one")
    parser.add_argument("--swarm", action="store_true", help="this manager becomes the Swarm's only one")
    parser.add_argument("lost", nargs="+", metavar="LOST", help="a node whose machine is gone for good")
    asked = parser.parse_args(argv)
    if not (asked.consul or asked.swarm):
        parser.error("say which quorum is lost: --consul, --swarm, or both")
    return asked


def check_roles(asked: argparse.Namespace, roles: Collection[str]) -> None:
    """Raises Unusable where this node has no part in what it was told to go on with."""
    if asked.consul and CONSUL_SERVER not in roles:
        raise Unusable("--consul: this node is no Consul server")
    if asked.swarm and SWARM_MANAGER not in roles:
        raise Unusable("--swarm: this node is no Swarm manager")


def recover_consul(machine: Machine) -> bool:
    """Where there is no leader: a raft of this server alone, with all that it knows."""
    if finds_leader(Consul(), ELECTION_S):
        return False
    if is_empty(Consul()):
        raise Unusable("this server has nothing of the cluster's: take one that was a member before")
    say("makes this server Consul's only one")
    process.run(["systemctl", "stop", names.UNIT_CONSUL])
    peers = DATA / "raft/peers.json"
    peers.write_text(peers_json((DATA / "node-id").read_text().strip(), machine.address))
    shutil.chown(peers, "consul", "consul")
    process.run(["systemctl", "start", names.UNIT_CONSUL])
    deadline_s = time.monotonic() + LEADER_S
    while not has_leader(Consul()):
        if time.monotonic() > deadline_s:
            raise Unusable(f"Consul has no leader {LEADER_S:.0f} s after its recovery")
        time.sleep(0.2)
    return True


def peers_json(node_id: str, address: str) -> str:
    """Raft protocol 3's peers.json with one server."""
    server = {"id": node_id, "address": f"{address}:{names.CONSUL_RPC_PORT}", "non_voter": False}
    return json.dumps([server])


def finds_leader(api: Consul, within_s: float) -> bool:
    """Whether others elect one by then: where a majority lives on nobody goes on alone."""
    deadline_s = time.monotonic() + within_s
    while not (found := has_leader(api)) and time.monotonic() < deadline_s:
        time.sleep(0.5)
    return found


def has_leader(api: Consul) -> bool:
    """A leader that answers; one that is only remembered does not count."""
    try:
        return bool(api.leader()) and bool(api.raft_servers())
    except consul.Unavailable:
        return False


def is_empty(api: Consul) -> bool:
    """A replacement that never joined raft. One that does not answer was stopped by an earlier run."""
    try:
        return api.last_entry() is None
    except consul.Unavailable:
        return False


def recover_swarm(machine: Machine, engine: Engine) -> bool:
    """Where the managers have no quorum: a Swarm of this manager alone, with all its services."""
    swarm = engine.swarm()
    if swarm.is_manager:
        return False
    if not swarm.node:
        raise Unusable("this manager was never in the Swarm: take one that was")
    say("makes this manager the Swarm's only one")
    engine.refound_swarm(machine.address)
    deadline_s = time.monotonic() + SWARM_S
    while not engine.swarm().is_manager:
        if time.monotonic() > deadline_s:
            raise Unusable(f"the Swarm has no leader {SWARM_S:.0f} s after its recovery")
        time.sleep(0.2)
    return True


def forget_in_consul(lost: list[str], api: Consul) -> None:
    """Whoever is gone for good is no member any more."""
    for name in lost:
        api.force_leave(name)


def forget_in_swarm(lost: list[str], engine: Engine) -> None:
    """As in Consul: by the names of its rows, which a node that is still joining has not yet."""
    for row in engine.nodes():
        if row["Description"].get("Hostname") in lost:
            engine.ensure_no_node(row["ID"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
