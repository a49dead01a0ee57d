"""Replacement of instances after a termination by AWS's console, each kind in turn: see KINDS.

The times are measured from outside, from EC2's event. The first time ends when neither Consul, on every
surviving node, nor Swarm lists the instance. The second ends when the cluster is validated with the
replacement.

If the instance led the Swarm, its entry cannot be removed before there is another leader. The baseline of the
same run is the time for an election by Docker's managers alone, while the nodes' agents are stopped.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from benchmarks import goals
from chaos import probe
from chaos.actions import cut_power, start_unit, stop_unit
from chaos.evidence import quantile
from chaos.lab import DOCKER_PORT, Failure, Lab, Node, say
from chaos.simulated_aws import happened
from swarmer.core import names

GOALS: Final = {"gone_s": 10.0, "replaced_s": 40.0}
WITHIN_S: Final = 240.0
ANSWER_S: Final = 1.0
"""Timeout for an answer. With a leader it takes milliseconds; a dead leader does not answer."""
PAUSE_S: Final = 0.1
AGENT: Final = "swarmer-agent"
BASELINES: Final = 2
LEFT: Final = 3
"""Value of Serf's member status "left"."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Kind of a termination: its victim and its way."""

    name: str
    choose: Callable[[Lab], Node]
    is_dead: bool = False
    """Whether its power is cut before EC2's event; otherwise functions may handle it while it shuts down."""


KINDS: Final = (
    Kind(name="worker", choose=lambda lab: lab.workers[-1]),
    Kind(name="follower", choose=Lab.follower),
    Kind(name="registry's holder", choose=Lab.holder),
    Kind(name="Swarm's leader", choose=Lab.swarm_leader),
    Kind(name="Swarm's leader, dead", choose=Lab.swarm_leader, is_dead=True),
)


def measure(lab: Lab, runs: int) -> dict[str, Any]:
    """Figures of `runs` terminations of each kind, and the baseline. Raises Failure."""
    found: list[dict[str, Any]] = []
    for number in range(1, runs + 1):
        for kind in KINDS:
            lab.wait_validated(WITHIN_S)
            lab.look()
            one = {"kind": kind.name} | terminate(lab, kind.choose(lab), is_dead=kind.is_dead)
            gone = f"gone {one['gone_s']} s (Consul {one['consul_s']}, Swarm {one['swarm_s']})"
            led = f"it led {' and '.join(one['led']) or 'nothing'}"
            led += f", no Swarm leader for {one['election_s']} s" if one["election_s"] else ""
            say(f"  {kind.name} {number}/{runs}: {gone}, replaced {one['replaced_s']} s; {led}")
            found.append(one)
    alone = [round(elect_without_agents(lab), 1) for _ in range(BASELINES)]
    return {"terminated": found, "docker_alone_s": alone}


def terminate(lab: Lab, node: Node, *, is_dead: bool) -> dict[str, Any]:
    """Seconds from EC2's event. Raises Failure."""
    led = {"Consul": lab.consul_leader(), "Swarm": lab.swarm_leader()}
    rest = [each for each in lab.nodes if each != node]
    managers = [each for each in rest if each in lab.managers]
    if is_dead:
        cut_power([node])
    cut_s = time.time()
    with ThreadPoolExecutor(max_workers=len(rest) + len(managers) + 1) as pool:
        call = pool.submit(node.terminate)
        consul = [pool.submit(wait_off_consul, each, node.name) for each in rest]
        swarm = [pool.submit(wait_off_swarm, each, node.name) for each in managers]
        call.result()
        began_s = event_s(node)
        consul_s = max(each.result() for each in consul)
        elected, ends = zip(*(each.result() for each in swarm), strict=True)
    lab.wait_validated(WITHIN_S)
    whom = [name for name, leader in led.items() if leader == node]
    leader_s = {"leader_s": round(max(elected) - cut_s, 1)} if is_dead and max(elected) else {}
    moments = {
        "gone_s": max(consul_s, *ends),
        "consul_s": consul_s,
        "swarm_s": max(ends),
        # The time may be before the event, if the power was cut long enough ago.
        "election_s": max(*elected, began_s),
        "replaced_s": time.time(),
    }
    return {"led": whom, **leader_s} | {key: round(value - began_s, 1) for key, value in moments.items()}


def elect_without_agents(lab: Lab) -> float:
    """Seconds from the loss of the Swarm's leader until the other managers have one. Raises Failure."""
    lab.wait_validated(WITHIN_S)
    lab.look()
    leader = lab.swarm_leader()
    others = [each for each in lab.managers if each != leader]
    stop_unit(AGENT)(others)
    try:
        cut_power([leader])
        began_s = time.time()
        with ThreadPoolExecutor(max_workers=len(others)) as pool:
            ends = list(pool.map(lambda each: wait_led(each, leader.name), others))
    finally:
        start_unit(AGENT)(others)
    say(f"  the Swarm's leader dead, Docker's managers alone: a leader after {max(ends) - began_s:.1f} s")
    leader.terminate()
    lab.wait_validated(WITHIN_S)
    return max(ends) - began_s


def wait_led(asked: Node, dead: str) -> float:
    """Time at which a node knew another leader, in seconds since the epoch. Raises Failure."""
    began_s = time.time()
    while time.time() - began_s < WITHIN_S:
        with contextlib.suppress(*probe.ERRORS):
            for row in ask(asked, DOCKER_PORT, "/nodes"):
                leads = (row.get("ManagerStatus") or {}).get("Leader")
                if leads and row["Description"].get("Hostname") != dead:
                    return time.time()
        time.sleep(PAUSE_S)
    raise Failure(f"the Swarm has no leader for {asked.name}")


def event_s(node: Node) -> float:
    """Time of EC2's event about the node's end, in seconds since the epoch."""
    told = {"instance-id": names.instance_id(node.name), "state": "shutting-down"}
    return next(float(each["time"]) for each in happened(0) if each["detail"] == told)


def wait_off_consul(asked: Node, name: str) -> float:
    """Time, in seconds since the epoch, from which members and catalogue lack `name`. Raises Failure."""
    began_s = time.time()
    while time.time() - began_s < WITHIN_S:
        with contextlib.suppress(*probe.ERRORS):
            members = ask(asked, probe.CONSUL_PORT, "/v1/agent/members")
            if not any(each["Name"] == name and each["Status"] != LEFT for each in members):
                nodes = ask(asked, probe.CONSUL_PORT, "/v1/catalog/nodes")
                if not any(each["Node"] == name for each in nodes):
                    return time.time()
        time.sleep(PAUSE_S)
    raise Failure(f"Consul on {asked.name} still lists {name}")


def wait_off_swarm(asked: Node, name: str) -> tuple[float, float]:
    """Times, in seconds since the epoch: of a new leader (0: it always had one), and of the removal of
    `name`. Raises Failure."""
    began_s, elected_s, had_leader = time.time(), 0.0, True
    while time.time() - began_s < WITHIN_S:
        try:
            rows = ask(asked, DOCKER_PORT, "/nodes")
        except probe.ERRORS:
            had_leader = False
            time.sleep(PAUSE_S)
            continue
        if not had_leader:
            elected_s, had_leader = time.time(), True
        if not any(row["Description"].get("Hostname") == name for row in rows):
            return elected_s, time.time()
        time.sleep(PAUSE_S)
    raise Failure(f"Swarm on {asked.name} still lists {name}")


def ask(node: Node, port: int, path: str) -> Any:
    """Send one request. Raises one of probe.ERRORS."""
    reply = probe.ask(node.address, "GET", path, port=port, timeout_s=ANSWER_S)
    return json.loads(probe.expect(reply, 200, path).body)


def judge(whole: dict[str, Any]) -> dict[str, bool]:
    """Result of each goal, by the longest time."""
    return {key: max(each[key] for each in whole["terminated"]) <= goal for key, goal in GOALS.items()}


def show(whole: dict[str, Any]) -> list[str]:
    """Lines for people."""
    found = whole["terminated"]
    elected = [each for each in found if each["election_s"]]
    rows = [
        ("out of Consul", "gone_s", [each["consul_s"] for each in found]),
        ("out of Swarm, with a leader", "gone_s", [each["swarm_s"] for each in found if each not in elected]),
        ("out of Swarm, after election", "gone_s", [each["swarm_s"] for each in elected]),
        ("  of which without a leader", "", [each["election_s"] for each in elected]),
        ("a leader again, from its death", "", [each["leader_s"] for each in found if "leader_s" in each]),
        ("  baseline: Docker alone", "", whole["docker_alone_s"]),
        ("replaced and validated", "replaced_s", [each["replaced_s"] for each in found]),
    ]
    lines = ["", f"{'':32}{'p50':>8}{'longest':>9}{'goal':>8}  met  seconds from EC2's event"]
    for title, key, values in rows:
        if values:
            line = f"{title:32}{quantile(values, 0.5):8.1f}{max(values):9.1f}"
            verdict = f"{GOALS[key]:8.0f}  {goals.said(max(values) <= GOALS[key])}" if key else ""
            lines.append(line + verdict)
    return lines
