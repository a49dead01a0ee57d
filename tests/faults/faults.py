"""What is done to a cluster, and undone: each fault is a strike, a time to hold, and a heal."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rehearsal import engine, ground

SWARMER = str(ground.ROOT / ".venv/bin/swarmer")
TRIES = 10

State = dict[str, Any]
"""What `swarmer status --json` prints."""


@dataclass(frozen=True)
class Fault:
    """`pick` chooses the node (its name; empty: all) in a healthy cluster."""

    name: str
    pick: Callable[[State], str]
    strike: Callable[[str], None]
    heal: Callable[[str], None]
    hold_s: float = 0.0


def swarmer(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SWARMER, *argv], capture_output=True, text=True, check=False)


def container(node: str) -> str:
    (found,) = engine.containers(**{ground.LABEL_NODE: node})
    return str(found["Id"])


def on(node: str, script: str) -> None:
    engine.docker("exec", container(node), "sh", "-c", script)


# -- which node -----------------------------------------------------------------------------


def holder(state: State) -> str:
    return str(state["registry"]["holder"])


def swarm_leader(state: State) -> str:
    return next(str(node["name"]) for node in state["nodes"] if node["swarm_role"] == "leader")


def follower(state: State) -> str:
    taken = {holder(state), swarm_leader(state), consul_leader(state)}
    managers = [str(node["name"]) for node in state["nodes"] if node["swarm_role"] == "manager"]
    return next((name for name in managers if name not in taken), managers[0])


def worker(state: State) -> str:
    return [str(node["name"]) for node in state["nodes"] if node["swarm_role"] == "worker"][-1]


def everybody(state: State) -> str:
    return ""


def consul_leader(state: State) -> str:
    for node in state["nodes"]:
        with urllib.request.urlopen(f"http://{node['address']}:8500/v1/status/leader", timeout=3) as answer:
            address = answer.read().decode().strip('"\n').partition(":")[0]
        return next(str(each["name"]) for each in state["nodes"] if each["address"] == address)
    raise SystemExit("the cluster has no node")


def all_three(state: State) -> str:
    """Make the Swarm's leader Consul's leader and the registry's holder too."""
    target = swarm_leader(state)
    for _ in range(TRIES):
        if consul_leader(state) == target:
            break
        on(consul_leader(state), "systemctl restart consul")
        time.sleep(6)
    for _ in range(TRIES):
        if holder(state) == target:
            break
        swarmer("handover")
        time.sleep(1)
        state["registry"]["holder"] = current_holder(state)
    time.sleep(3)
    return target


def current_holder(state: State) -> str:
    return str(json.loads(swarmer("status", "--json").stdout)["registry"]["holder"])


# -- what is done ---------------------------------------------------------------------------


def nothing(node: str) -> None:
    pass


def power_off(node: str) -> None:
    engine.docker("kill", container(node))


def power_on(node: str) -> None:
    engine.docker("start", container(node))


def reboot_all(node: str) -> None:
    swarmer("reboot", "--all")


def signal(number: str, pattern: str) -> Callable[[str], None]:
    return lambda node: on(node, f"pkill -{number} -f '{pattern}' || true")


CUT = "iptables -{0} INPUT -i eth0 -j DROP; iptables -{0} OUTPUT -o eth0 -j DROP"
CONSUL = "^/usr/local/bin/consul agent"
REGISTRY = "^/usr/bin/docker-registry"

FAULTS = (
    Fault("holder killed", holder, power_off, power_on, 15),
    Fault("follower manager killed", follower, power_off, power_on, 15),
    Fault("Swarm leader killed", swarm_leader, power_off, power_on, 15),
    Fault("Consul leader killed", consul_leader, power_off, power_on, 15),
    Fault("one node that is all three killed", all_three, power_off, power_on, 20),
    Fault("worker killed", worker, power_off, power_on, 15),
    Fault("all rebooted", everybody, reboot_all, nothing),
    Fault(
        "holder partitioned", holder, lambda n: on(n, CUT.format("I")), lambda n: on(n, CUT.format("D")), 20
    ),
    Fault(
        "agent stopped (SIGSTOP)", holder, signal("STOP", "node[.]agent"), signal("CONT", "node[.]agent"), 30
    ),
    Fault("election stopped (SIGSTOP)", holder, signal("STOP", "node[.]registry"), nothing, 30),
    Fault("registry stopped (SIGSTOP)", holder, signal("STOP", REGISTRY), nothing, 30),
    Fault(
        "holder's node stopped for 30 s",
        holder,
        lambda n: void(engine.docker("pause", container(n))),
        lambda n: void(engine.docker("unpause", container(n))),
        30,
    ),
    Fault("registry killed", holder, signal("KILL", REGISTRY), nothing, 5),
    Fault("Consul killed", holder, signal("KILL", CONSUL), nothing, 10),
    Fault("dockerd killed", holder, signal("KILL", "^/usr/sbin/dockerd"), nothing, 10),
    Fault(
        "Consul away for a minute",
        holder,
        lambda n: on(n, "systemctl stop consul"),
        lambda n: on(n, "systemctl start consul"),
        60,
    ),
)


def void(_: object) -> None:
    """For commands whose output nobody needs."""
