"""Goes on alone after the majority was lost for good: Consul's data and Swarm's services are kept.

    python -m node.recover LOST…      names of the nodes whose machines are proved to be gone

Run on one survivor, by `swarmer recover`, which has the proof. Each step is skipped where it is done already,
so that it can be run again. Sources: Consul's "Disaster recovery for Consul clusters" (peers.json), Docker's
"Recover from losing the quorum" (--force-new-cluster).
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Final

from node.machine import Unusable, read, say
from swarmer.adapters import consul, docker, process
from swarmer.adapters.consul import Consul
from swarmer.adapters.docker import Engine
from swarmer.core import names
from swarmer.core.configuration import Machine

DATA: Final = Path("/var/lib/consul")
LEADER_S: Final = 60.0
SWARM_S: Final = 60.0


def main(lost: list[str]) -> int:
    """Exit status 1 with one line on the console where it could not be done."""
    try:
        machine = read()
        recover_consul(machine)
        recover_swarm(machine, Engine(timeout_s=SWARM_S))
        forget(lost, Consul(), Engine())
    except (Unusable, process.Failed, consul.Unavailable, docker.Unavailable, OSError) as exc:
        say(f"cannot recover: {exc}")
        return 1
    say(f"recovered; forgot {', '.join(lost) or 'nobody'}")
    return 0


def recover_consul(machine: Machine) -> bool:
    """Where there is no leader: a raft of this server alone, with all that it knows."""
    if has_leader(Consul()):
        return False
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


def has_leader(api: Consul) -> bool:
    """A leader that answers; one that is only remembered does not count."""
    try:
        return bool(api.leader()) and bool(api.raft_servers())
    except consul.Unavailable:
        return False


def recover_swarm(machine: Machine, engine: Engine) -> bool:
    """Where the managers have no quorum: a Swarm of this manager alone, with all its services."""
    if engine.swarm().is_manager:
        return False
    say("makes this manager the Swarm's only one")
    engine.refound_swarm(machine.address)
    deadline_s = time.monotonic() + SWARM_S
    while not engine.swarm().is_manager:
        if time.monotonic() > deadline_s:
            raise Unusable(f"the Swarm has no leader {SWARM_S:.0f} s after its recovery")
        time.sleep(0.2)
    return True


def forget(lost: list[str], api: Consul, engine: Engine) -> None:
    """Whoever is gone for good is no member any more."""
    for name in lost:
        api.force_leave(name)
    for row in engine.rows():
        if row["Description"].get("Hostname") in lost:
            engine.ensure_no_node(row["ID"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
