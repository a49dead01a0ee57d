"""Flows of a cluster: who opens connections to whom, and why. Each needs its rule, and no rule is left over.

On AWS a packet needs a rule at both ends: one that lets it out, and one that lets it in. Nodes may call
everything, so a flow from nodes needs only the second one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from swarmer.core import names

ANYWHERE = "anywhere"
NODES, MANAGERS, SERVERS, VPN, FUNCTIONS = "Nodes", "Managers", "ConsulServers", "Vpn", "Functions"
OUT_FREELY = frozenset({NODES})
"""Groups whose members may call everything."""


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Connections from members of a group to members of another one."""

    source: str
    target: str
    """Name of the group, or ANYWHERE for addresses outside the VPC."""
    service: str
    """`tcp 8500`, `udp 30000-60999`, `50` for a protocol without ports, or `-1` for everything."""
    why: str


@dataclass(frozen=True, order=True)
class Opening:
    """One rule of the template."""

    group: str
    direction: str
    """`in` or `out`."""
    peer: str
    service: str


def flows(service_ports: str) -> tuple[Flow, ...]:
    """All flows. `service_ports`: `FIRST-LAST`, as servers.yml has them."""
    return (
        *_of_consul(),
        *_of_swarm(),
        *_of_dns_and_registry(),
        *_of_services(service_ports),
        *_out_of_the_vpc(),
    )


def _of_consul() -> Iterator[Flow]:
    gossip, rpc, api = (names.CONSUL_GOSSIP_PORT, names.CONSUL_RPC_PORT, f"tcp {names.CONSUL_HTTP_PORT}")
    yield _flow(NODES, NODES, f"udp {gossip}", "agents probe each other and tell who is lost")
    yield _flow(NODES, NODES, f"tcp {gossip}", "an agent joins by the whole list of members")
    yield _flow(NODES, SERVERS, f"tcp {rpc}", "agents ask servers, and servers replicate raft's log")
    yield _flow(
        NODES, NODES, api, "Session Manager forwards Consul's UI through a node; services ask by name"
    )
    yield _flow(VPN, NODES, api, "operators open Consul's UI; the command asks every agent")
    yield _flow(FUNCTIONS, NODES, api, "functions ask the servers for members, and hold locks there")


def _of_swarm() -> Iterator[Flow]:
    gossip, docker = names.SWARM_GOSSIP_PORT, f"tcp {names.DOCKER_PORT}"
    yield _flow(NODES, NODES, f"udp {gossip}", "engines probe each other, once they share an overlay network")
    yield _flow(NODES, NODES, f"tcp {gossip}", "an engine takes over the state of its networks")
    yield _flow(NODES, NODES, f"udp {names.OVERLAY_PORT}", "tasks on two nodes talk over an overlay network")
    yield _flow(NODES, NODES, "50", "tasks on two nodes talk over an encrypted overlay network (ESP)")
    yield _flow(
        NODES, MANAGERS, f"tcp {names.SWARM_CLUSTER_PORT}", "nodes join, get tasks; managers replicate"
    )
    yield _flow(NODES, MANAGERS, docker, "Session Manager forwards Docker's API through a node")
    yield _flow(VPN, MANAGERS, docker, "operators use Docker; the command asks every manager")
    yield _flow(FUNCTIONS, MANAGERS, docker, "functions drain, demote and remove nodes")


def _of_dns_and_registry() -> Iterator[Flow]:
    registry = f"tcp {names.REGISTRY_PORT}"
    for protocol in ("udp", "tcp"):
        dns = f"{protocol} {names.DNS_PORT}"
        yield _flow(NODES, NODES, dns, "every node answers other nodes for the domain")
        yield _flow(VPN, NODES, dns, "operators' machines look up the domain at nodes")
    yield _flow(NODES, MANAGERS, registry, "nodes pull; a manager without the lease relays to the holder")
    yield _flow(VPN, MANAGERS, registry, "operators push")


def _of_services(ports: str) -> Iterator[Flow]:
    for protocol in ("tcp", "udp"):
        yield _flow(NODES, NODES, f"{protocol} {ports}", "services call published ports of other nodes")
        yield _flow(VPN, NODES, f"{protocol} {ports}", "operators call published ports")


def _out_of_the_vpc() -> Iterator[Flow]:
    yield _flow(NODES, ANYWHERE, "-1", "nodes call the AWS APIs; services may call any address")
    yield _flow(FUNCTIONS, ANYWHERE, "tcp 443", "functions call the AWS APIs")


def _flow(source: str, target: str, service: str, why: str) -> Flow:
    return Flow(source=source, target=target, service=service, why=why)


def openings(flow: Flow) -> Iterator[Opening]:
    """Rules that a flow needs."""
    if flow.target != ANYWHERE:
        yield Opening(flow.target, "in", flow.source, flow.service)
    if flow.target == ANYWHERE or flow.source not in OUT_FREELY:
        yield Opening(flow.source, "out", flow.target, flow.service)


def problems(rules: list[Opening], service_ports: str) -> list[str]:
    """Flows without a rule, rules without a flow, and rules that are there twice, in words."""
    wanted = {each: flow.why for flow in flows(service_ports) for each in openings(flow)}
    return [
        *(f"no rule {_say(each)}: {why}" for each, why in sorted(wanted.items()) if each not in rules),
        *(f"no flow needs the rule {_say(each)}" for each in sorted(set(rules) - wanted.keys())),
        *(f"the rule is there twice: {_say(each)}" for each in sorted(set(rules)) if rules.count(each) > 1),
    ]


def _say(each: Opening) -> str:
    way = "from" if each.direction == "in" else "to"
    return f"of {each.group} {way} {each.peer}: {each.service}"
