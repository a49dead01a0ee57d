"""The faults: whom each one hits, what it does, and what a person or the power company does afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from tests.faults import small_disk
from tests.faults.identity import Identity
from tests.faults.lab import Failure, Lab, Node, docker, say, until
from tests.faults.newcomer import Newcomer

Action = Callable[[list[Node]], None]
HOLD_S: Final = 15.0
"""Longer than a Consul session lives without a renewal: what should move has moved by then."""
ALIGN_TRIES: Final = 15
ALIGN_S: Final = 20.0
REBOOT_S: Final = 300.0
PAUSED_S: Final = 30.0
AWAY_S: Final = 60.0
BUSY_S: Final = 300.0
AGENT_WATCHDOG_S: Final = 120.0
"""systemd ends an agent, or a registrator, that has said nothing for so long."""
NAMED_S: Final = 90.0
"""A killed registrator runs again at once, but a node that is busy starts containers slowly."""
LINKS: Final = (("INPUT", "-i"), ("OUTPUT", "-o"), ("FORWARD", "-i"), ("FORWARD", "-o"))


def nothing(_: list[Node]) -> None:
    """No recovery step: the cluster is on its own."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One of them."""

    name: str
    what: str
    victims: Callable[[Lab], list[Node]]
    inflict: Action
    prepare: Callable[[Lab], None] = lambda _: None
    """Long before the fault, which begins with a validated cluster."""
    recover: Action = nothing
    """What comes from outside: power, the network. Runs whatever happened before it."""
    hold_s: float = HOLD_S
    """From the fault to the recovery."""
    within_s: float = 120.0
    """From the recovery to a cluster that is validated."""
    is_nothing: bool = False
    """Nobody may take it for a fault: no member lost, no lock moved, no call failed."""
    says: str = ""
    """What `swarmer status` must say of it before the recovery."""
    heals: Callable[[list[Node]], bool] | None = None
    """What the node itself must have put right in the end, where `swarmer status` does not look."""
    heal_s: float = 30.0
    lacks: Callable[[], list[str]] = list
    """What is still missing in the end, in words, where neither the probe nor `swarmer status` looks."""
    clean_up: Callable[[Lab], None] = lambda _: None
    """So that the next fault begins with a whole cluster, where this one did not heal."""


# -- whom --------------------------------------------------------------------------------------------


def holder(lab: Lab) -> list[Node]:
    return [lab.holder()]


def follower(lab: Lab) -> list[Node]:
    return [lab.follower()]


def swarm_leader(lab: Lab) -> list[Node]:
    return [lab.swarm_leader()]


def consul_leader(lab: Lab) -> list[Node]:
    return [lab.consul_leader()]


def worker(lab: Lab) -> list[Node]:
    return lab.workers[-1:]


def everyone(lab: Lab) -> list[Node]:
    return list(lab.nodes)


def leads_now(lab: Lab) -> Node | None:
    """Consul's leader; None while it has none."""
    with contextlib.suppress(Failure):
        return lab.consul_leader()
    return None


def all_in_one(lab: Lab) -> list[Node]:
    """The Swarm's leader, once it leads Consul and holds the registry too. Raises Failure.

    Neither leader can be appointed, so whoever else leads Consul is restarted until the vote falls right.
    """
    for _ in range(ALIGN_TRIES):
        with contextlib.suppress(Failure):
            chosen, leads, holds = lab.swarm_leader(), lab.consul_leader(), lab.holder()
            if chosen == leads == holds:
                return [chosen]
            if chosen != leads:
                leads.on("systemctl", "stop", "consul.service")
                try:
                    until(lambda was=leads: leads_now(lab) not in (None, was), ALIGN_S, "no other leader")  # type: ignore[misc]
                finally:
                    leads.on("systemctl", "start", "consul.service")
            else:
                lab.swarmer("handover")
        lab.wait_validated(ALIGN_S * 3)
    raise Failure(f"one node did not become all three within {ALIGN_TRIES} tries")


# -- what --------------------------------------------------------------------------------------------


def cut_power(nodes: list[Node]) -> None:
    docker("kill", *(node.container for node in nodes))


def give_power(nodes: list[Node]) -> None:
    docker("start", *(node.container for node in nodes))


def reboot(nodes: list[Node]) -> None:
    """At once: one `docker restart` of many containers takes them one after the other."""
    with ThreadPoolExecutor(len(nodes)) as pool:
        restart = partial(docker, "restart", "-t", "30", timeout_s=REBOOT_S)
        list(pool.map(restart, [node.container for node in nodes]))


def drop_packets(nodes: list[Node]) -> None:
    for node in nodes:
        node.on("sh", "-c", " && ".join(f"iptables -I {chain} {way} eth0 -j DROP" for chain, way in LINKS))


def heal_network(nodes: list[Node]) -> None:
    for node in nodes:
        node.on("sh", "-c", "; ".join(f"iptables -D {chain} {way} eth0 -j DROP" for chain, way in LINKS))


def freeze(nodes: list[Node]) -> None:
    docker("pause", *(node.container for node in nodes))


def thaw(nodes: list[Node]) -> None:
    docker("unpause", *(node.container for node in nodes))


def kill(program: str) -> Action:
    """SIGKILL to one process; whoever started it may start it anew."""

    def act(nodes: list[Node]) -> None:
        for node in nodes:
            node.signal("KILL", node.pid(program))

    return act


@dataclass
class Standstill:
    """SIGSTOP to one process: it stays, and does nothing. Nobody outside the node wakes it."""

    program: str
    pids: Sequence[tuple[Node, int]] = ()

    def begin(self, nodes: list[Node]) -> None:
        self.pids = [(node, node.pid(self.program)) for node in nodes]
        for node, pid in self.pids:
            node.signal("STOP", pid)

    def is_over(self, _: list[Node]) -> bool:
        """Nothing stands still any more, and the program runs."""
        with contextlib.suppress(Failure):
            return all(not node.is_stopped(pid) and node.pid(self.program) > 0 for node, pid in self.pids)
        return False

    def clean_up(self, _: Lab) -> None:
        """For a node that did not heal itself: the next fault needs it whole."""
        for node, pid in self.pids:
            if node.is_stopped(pid):
                say(f"  wakes {self.program} on {node.name}, which nobody did")
                node.signal("CONT", pid)


def keep_busy(nodes: list[Node]) -> None:
    """Two endless loops on each of them for BUSY_S: every core has more to do than it can."""
    for node in nodes:
        for _ in range(2):
            node.on("sh", "-c", f"timeout {BUSY_S:.0f} sh -c 'while :; do :; done' >/dev/null 2>&1 &")


def stop_unit(unit: str) -> Action:
    def act(nodes: list[Node]) -> None:
        for node in nodes:
            node.on("systemctl", "stop", unit)

    return act


def start_unit(unit: str) -> Action:
    def act(nodes: list[Node]) -> None:
        for node in nodes:
            node.on("systemctl", "start", unit)

    return act


def killed_node(name: str, what: str, victims: Callable[[Lab], list[Node]]) -> Fault:
    return Fault(name=name, what=what, victims=victims, inflict=cut_power, recover=give_power)


def killed_process(name: str, what: str, program: str) -> Fault:
    return Fault(name=name, what=what, victims=holder, inflict=kill(program), hold_s=5)


def stopped_containerd(name: str, what: str) -> Fault:
    """Nobody sees it but who starts a container: one is started as soon as it runs again."""
    still, newcomer = Standstill("containerd.service"), Newcomer()

    def clean_up(lab: Lab) -> None:
        still.clean_up(lab)
        newcomer.clean_up(lab)

    return Fault(
        name=name,
        what=what,
        victims=holder,
        inflict=still.begin,
        hold_s=5,
        heals=lambda nodes: still.is_over(nodes) and newcomer.came_and_went(nodes),
        heal_s=120,
        clean_up=clean_up,
    )


def stopped_registrator(name: str, what: str) -> Fault:
    """A container that was started while it stood still has its name once it does not."""
    still, newcomer = Standstill("swarmer-registrator.service"), Newcomer()

    def inflict(nodes: list[Node]) -> None:
        still.begin(nodes)
        newcomer.start(nodes)

    def clean_up(lab: Lab) -> None:
        still.clean_up(lab)
        newcomer.clean_up(lab)

    return Fault(
        name=name,
        what=what,
        victims=holder,
        inflict=inflict,
        hold_s=5,
        heals=lambda nodes: still.is_over(nodes) and newcomer.came_and_went(nodes),
        heal_s=AGENT_WATCHDOG_S + 60,
        clean_up=clean_up,
    )


def killed_registrator(name: str, what: str) -> Fault:
    newcomer, end = Newcomer(), kill("swarmer-registrator.service")

    def inflict(nodes: list[Node]) -> None:
        end(nodes)
        newcomer.start(nodes)

    return Fault(
        name=name,
        what=what,
        victims=holder,
        inflict=inflict,
        hold_s=5,
        heals=newcomer.came_and_went,
        heal_s=NAMED_S,
        clean_up=newcomer.clean_up,
    )


def stopped_process(name: str, what: str, program: str, heal_s: float) -> Fault:
    still = Standstill(program)
    return Fault(
        name=name,
        what=what,
        victims=holder,
        inflict=still.begin,
        hold_s=5,
        heals=still.is_over,
        heal_s=heal_s,
        clean_up=still.clean_up,
    )


def forgotten_keys(name: str, what: str) -> Fault:
    identity = Identity()
    return Fault(
        name=name,
        what=what,
        victims=identity.everyone,
        inflict=identity.forget,
        hold_s=5,
        lacks=identity.lacks,
    )


def wiped_server(name: str, what: str) -> Fault:
    identity = Identity()

    def inflict(nodes: list[Node]) -> None:
        identity.wipe(nodes)
        reboot(nodes)

    return Fault(
        name=name,
        what=what,
        victims=identity.one_server,
        inflict=inflict,
        hold_s=0,
        within_s=180,
        lacks=identity.lacks,
        clean_up=identity.clean_up,
    )


FAULTS: Final = (
    killed_node("holder-killed", "the registry's holder loses its power", holder),
    killed_node("follower-killed", "a manager that is not the holder loses its power", follower),
    killed_node("swarm-leader-killed", "the Swarm's leader loses its power", swarm_leader),
    killed_node("consul-leader-killed", "Consul's leader loses its power", consul_leader),
    killed_node("all-three-killed", "one node that is all three loses its power", all_in_one),
    killed_node("worker-killed", "a worker loses its power", worker),
    Fault(
        name="all-rebooted",
        what="every node reboots at once",
        victims=everyone,
        inflict=reboot,
        hold_s=0,
        within_s=180,
    ),
    Fault(
        name="holder-partitioned",
        what="the holder's packets are dropped, then pass again",
        victims=holder,
        inflict=drop_packets,
        recover=heal_network,
        hold_s=20,
    ),
    stopped_process(
        "agent-stopped", "SIGSTOP of the holder's agent", "swarmer-agent.service", AGENT_WATCHDOG_S + 30
    ),
    stopped_process("election-stopped", "SIGSTOP of the holder's election", "swarmer-registry.service", 30),
    stopped_process("registry-stopped", "SIGSTOP of docker-registry", "docker-registry", 30),
    stopped_process("consul-stopped", "SIGSTOP of Consul on the holder", "consul.service", 90),
    stopped_process("dockerd-stopped", "SIGSTOP of dockerd on the holder", "docker.service", 90),
    stopped_containerd("containerd-stopped", "SIGSTOP of containerd on the holder"),
    stopped_registrator("registrator-stopped", "SIGSTOP of the holder's registrator"),
    Fault(
        name="disk-full",
        what="what Consul and Swarm write to is full on Consul's leader",
        victims=consul_leader,
        prepare=small_disk.make,
        inflict=small_disk.fill,
        recover=small_disk.empty,
        hold_s=45,
        says="is full",
        clean_up=small_disk.unmake,
    ),
    Fault(
        name="cores-busy",
        what="every core is busy for five minutes, which is no fault",
        victims=lambda lab: lab.nodes[:2],
        inflict=keep_busy,
        hold_s=BUSY_S,
        is_nothing=True,
    ),
    Fault(
        name="node-paused",
        what="the whole holder stands still for 30 s",
        victims=holder,
        inflict=freeze,
        recover=thaw,
        hold_s=PAUSED_S,
    ),
    killed_process("registry-killed", "SIGKILL of docker-registry", "docker-registry"),
    killed_process("election-killed", "SIGKILL of the holder's election", "swarmer-registry.service"),
    killed_process("consul-killed", "SIGKILL of Consul on the holder", "consul.service"),
    killed_process("dockerd-killed", "SIGKILL of dockerd on the holder", "docker.service"),
    killed_registrator("registrator-killed", "SIGKILL of the holder's registrator"),
    Fault(
        name="consul-away",
        what="Consul is stopped on the holder for a minute",
        victims=holder,
        inflict=stop_unit("consul.service"),
        recover=start_unit("consul.service"),
        hold_s=AWAY_S,
    ),
    forgotten_keys("kv-forgotten", "Consul forgets the Swarm's id and its join tokens"),
    wiped_server("server-amnesia", "all that a Consul server knows is wiped, and its node reboots"),
)
