"""Catalogue of the faults: victims, action and recovery of each one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from chaos import small_disk
from chaos.actions import (
    BUSY_S,
    Action,
    Standstill,
    cut_pair,
    cut_power,
    drop_packets,
    feed,
    freeze,
    give_power,
    heal_network,
    join_pair,
    keep_busy,
    kill,
    nothing,
    reboot,
    runs,
    start_unit,
    starve,
    stop_unit,
    thaw,
)
from chaos.first_boot import FirstBoot
from chaos.identity import Identity
from chaos.lab import Lab, Node
from chaos.newcomer import Newcomer
from chaos.task_names import TaskNames
from chaos.victims import (
    all_in_one,
    consul_leader,
    everyone,
    follower,
    holder,
    holder_and_leader,
    holder_that_leads,
    swarm_leader,
    worker,
)

HOLD_S: Final = 15.0
"""Duration of a fault in seconds. It exceeds the life of a Consul session without renewal, so the lock
moves."""
CUT_S: Final = 20.0
"""Duration of a network cut in seconds."""
NAMES_S: Final = 120.0
"""Timeout from the network's return until Swarm's DNS knows every task on every node. A later name counts as
lost for good."""
PAUSED_S: Final = 30.0
AWAY_S: Final = 60.0
AGENT_WATCHDOG_S: Final = 120.0
"""Watchdog timeout after which systemd ends a silent agent or registrator."""
RESOLVED_WATCHDOG_S: Final = 30.0
"""Watchdog timeout of the node's resolver."""
FIRST_BOOT_S: Final = 600.0
"""Timeout for a first boot with three services that fail for a minute each."""
NAMED_S: Final = 90.0
"""Timeout for a name: a killed registrator runs again at once, but a busy node starts containers slowly."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault."""

    name: str
    what: str
    victims: Callable[[Lab], list[Node]]
    inflict: Action
    prepare: Callable[[Lab], None] = lambda _: None
    """Preparation long before the fault; the fault begins with a validated cluster."""
    recover: Action = nothing
    """Recovery from outside: power or network. It runs after any error."""
    hold_s: float = HOLD_S
    """Time from the fault to the recovery, in seconds."""
    within_s: float = 120.0
    """Timeout in seconds from the recovery to a validated cluster."""
    is_nothing: bool = False
    """Whether the fault must stay unnoticed: no member lost, no lock moved, no call failed."""
    says: str = ""
    """Text that `swarmer status` must show before the recovery."""
    heals: Callable[[list[Node]], bool] | None = None
    """Check that the node itself recovered in the end, on a point that `swarmer status` does not cover."""
    heal_s: float = 30.0
    away_s: float | None = None
    """Goal for the longest time in seconds without a good answer by name; None if the fault has no goal."""
    lacks: Callable[[], list[str]] = list
    """Problems that remain in the end, in words, on points outside the probe and `swarmer status`."""
    notes: Callable[[], list[str]] = list
    """Figures of the fault for the report, in words, in addition to those of every fault."""
    clean_up: Callable[[Lab], None] = lambda _: None
    """Repair after a fault that did not heal, so that the next fault begins with a whole cluster."""


def killed_node(name: str, what: str, victims: Callable[[Lab], list[Node]]) -> Fault:
    return Fault(name=name, what=what, victims=victims, inflict=cut_power, recover=give_power)


def paused_node(name: str, what: str, victims: Callable[[Lab], list[Node]]) -> Fault:
    return Fault(name=name, what=what, victims=victims, inflict=freeze, recover=thaw, hold_s=PAUSED_S)


def killed_process(
    name: str, what: str, program: str, *, heals: Callable[[list[Node]], bool] | None = None
) -> Fault:
    return Fault(name=name, what=what, victims=holder, inflict=kill(program), hold_s=5, heals=heals)


def stopped_containerd(name: str, what: str) -> Fault:
    """Fault that only a new container notices. One is started as soon as containerd runs again."""
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
    """Fault after which a container gets its name late: it starts while the registrator stands still."""
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


def stopped_process(name: str, what: str, program: str, heal_s: float, *, comes_back: bool = True) -> Fault:
    still = Standstill(program, comes_back)
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


def first_boot(name: str, what: str) -> Fault:
    """Fault during the first boot of a machine that has to install everything."""
    boot = FirstBoot()
    return Fault(
        name=name,
        what=what,
        victims=lambda lab: lab.workers,
        inflict=boot.begin,
        hold_s=5,
        within_s=FIRST_BOOT_S,
        lacks=boot.lacks,
        clean_up=boot.put_back,
    )


def cut_off_names(name: str, what: str) -> Fault:
    """Fault after which Swarm's own DNS knows every task again, on every node."""
    names = TaskNames()
    return Fault(
        name=name,
        what=what,
        prepare=names.start,
        victims=worker,
        inflict=drop_packets,
        recover=names.reconnect,
        hold_s=CUT_S,
        heals=names.are_whole,
        heal_s=NAMES_S,
        lacks=names.lacks,
        notes=names.notes,
        clean_up=names.end,
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
        hold_s=CUT_S,
    ),
    cut_off_names("names-cut-off", "a worker's packets are dropped for 20 s: every `tasks.NAME` comes back"),
    stopped_process(
        "agent-stopped", "SIGSTOP of the holder's agent", "swarmer-agent.service", AGENT_WATCHDOG_S + 30
    ),
    stopped_process("election-stopped", "SIGSTOP of the holder's election", "swarmer-registry.service", 30),
    stopped_process(
        "registry-stopped", "SIGSTOP of docker-registry", "docker-registry", 30, comes_back=False
    ),
    stopped_process("consul-stopped", "SIGSTOP of Consul on the holder", "consul.service", 90),
    stopped_process("dockerd-stopped", "SIGSTOP of dockerd on the holder", "docker.service", 90),
    stopped_containerd("containerd-stopped", "SIGSTOP of containerd on the holder"),
    stopped_registrator("registrator-stopped", "SIGSTOP of the holder's registrator"),
    stopped_process(
        "resolved-stopped",
        "SIGSTOP of systemd-resolved on the holder",
        "systemd-resolved.service",
        RESOLVED_WATCHDOG_S + 60,
    ),
    Fault(
        name="disk-full",
        what="the disk of Consul and Swarm is full on Consul's leader",
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
    paused_node("node-paused", "the whole holder stands still for 30 s", holder),
    paused_node(
        "leader-paused", "the whole holder stands still for 30 s, and leads Consul too", holder_that_leads
    ),
    killed_process("registry-killed", "SIGKILL of docker-registry", "docker-registry"),
    killed_process("election-killed", "SIGKILL of the holder's election", "swarmer-registry.service"),
    killed_process("consul-killed", "SIGKILL of Consul on the holder", "consul.service"),
    killed_process("dockerd-killed", "SIGKILL of dockerd on the holder", "docker.service"),
    killed_process(
        "agent-killed",
        "SIGKILL of the holder's agent",
        "swarmer-agent.service",
        heals=runs("swarmer-agent.service"),
    ),
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
    Fault(
        name="pair-cut",
        what="the holder and Consul's leader do not hear each other for 40 s; everybody else hears both",
        victims=holder_and_leader,
        inflict=cut_pair,
        recover=join_pair,
        hold_s=40,
        away_s=10,
    ),
    Fault(
        name="holder-starved",
        what="the holder has a twelfth of a core for a minute",
        victims=holder,
        inflict=starve,
        recover=feed,
        hold_s=60,
        away_s=10,
    ),
    first_boot(
        "boot-unserved", "a worker's replacement boots while apt, AWS metadata and S3 fail for a minute each"
    ),
)
