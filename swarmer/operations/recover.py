"""`swarmer recover`: survivors go on alone, after proof that the majority of a quorum is gone for good.

Gather reports of the nodes that run → `decide` (pure) → `check_proof` → act. Consul's servers and the Swarm's
managers are two quorums. A survivor recovers its own quorum, and only if that quorum is lost.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Protocol

from swarmer.adapters import docker, process
from swarmer.adapters.consul import Consul, Unavailable
from swarmer.adapters.docker import Engine
from swarmer.core import names
from swarmer.core.errors import UserError
from swarmer.core.health import Expected
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER
from swarmer.core.state import ConsulMember, MemberStatus

ANSWER_S: Final = 15.0
"""Timeout for an answer of Consul, in seconds: without a leader it waits for one first."""
SURVIVOR_TIMEOUT_S: Final = 30.0
"""Timeout for a survivor to show, in seconds: an interrupted recovery restarts Consul and the Swarm."""
SWARM_S: Final = 30.0
"""Timeout for a manager's answer, in seconds: one without a quorum takes up to 20 s to report that."""
ACT_S: Final = 300.0
"""Timeout for the recovery by one survivor, in seconds: above all timeouts of `node.recover` together."""


class NoSurvivor(UserError):
    """Error: no member of a quorum shows."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Report of a node that runs. A node that does not answer has the defaults."""

    name: str
    address: str
    members: frozenset[ConsulMember] = frozenset()
    """Members of Consul, itself included."""
    has_leader: bool = False
    """Whether a leader answers this Consul server; a remembered leader does not count."""
    last_entry: tuple[int, int] | None = None
    """Term and index of a Consul server's last entry. A replacement that never joined raft has none."""
    has_quorum: bool = False
    """Whether this manager controls the Swarm."""
    managers: frozenset[str] | None = None
    """Addresses of all managers that a former or present manager remembers; None for all other nodes."""
    lost_servers: frozenset[str] = frozenset()
    """Failed Consul servers that have no place in raft any more, as a server with a leader lists them."""
    lost_managers: frozenset[str] = frozenset()
    """Dead managers that have no place in raft any more, as a manager with a quorum lists them."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Recovery by one survivor, which goes on alone."""

    survivor: str
    options: tuple[str, ...]
    """Options of `node.recover`: which quorum, or both."""
    lost: tuple[str, ...]
    """Members of that quorum to forget; an address if the name is unknown."""


class Machines(Protocol):
    """Machines of a provider, as far as a recovery needs them."""

    def instances(self) -> Sequence[Expected]:
        """List the cluster's nodes as the provider has them. Raises UserError."""

    def terminated(self) -> Collection[str]:
        """List the IDs of the instances that are gone for good. Raises UserError."""

    def run(self, node: str, argv: Sequence[str], timeout_s: float) -> str:
        """Return the standard output of a command on a node. Raises process.Failed."""


def recover(machines: Machines) -> list[Step]:
    """Recover lost quorums; return the steps. Raises UserError if nothing is lost or proof is missing."""
    steps = _decide_patiently(machines)
    lost = sorted({name for step in steps for name in step.lost})
    check_proof(lost, {node.name for node in machines.instances()}, machines.terminated())
    for step in steps:
        argv = ("/opt/swarmer/bin/python", "-m", "node.recover", *step.options, *step.lost)
        try:
            machines.run(step.survivor, argv, ACT_S)
        except process.Failed as exc:
            raise UserError(f"{step.survivor}: {exc}", status=1) from exc
    return steps


def _decide_patiently(machines: Machines) -> list[Step]:
    """Decide as `decide` does; observe again for a bounded time while no survivor shows."""
    deadline_s = time.monotonic() + SURVIVOR_TIMEOUT_S
    while True:
        up = [node for node in machines.instances() if node.runs]
        with ThreadPoolExecutor(max_workers=max(1, len(up))) as pool:
            seen = list(pool.map(look, up))
        try:
            return decide(seen)
        except NoSurvivor:
            if not up or time.monotonic() > deadline_s:
                raise
        time.sleep(1)


# -- gather -----------------------------------------------------------------------------------


def look(node: Expected) -> Seen:
    """Observe a node: ask its Consul, and its Docker if it is a manager."""
    found: dict[str, Any] = {}
    consul = Consul(node.address, names.CONSUL_HTTP_PORT, timeout_s=ANSWER_S)
    with contextlib.suppress(Unavailable):
        found["members"] = frozenset(consul.members())
        if CONSUL_SERVER in node.roles:
            found["last_entry"] = consul.last_entry()
            found["has_leader"] = bool(raft := {each.name for each in consul.raft_servers()})
            found["lost_servers"] = _without_vote(consul.members(), raft) if raft else frozenset()
    if SWARM_MANAGER in node.roles:
        with contextlib.suppress(docker.Unavailable):
            url = f"tcp://{node.address}:{names.DOCKER_PORT}"
            engine = Engine(url, timeout_s=SWARM_S)
            swarm = engine.swarm()
            found["has_quorum"] = swarm.is_manager
            found["lost_managers"] = _without_raft(engine) if swarm.is_manager else frozenset()
            # A node that never joined has no ID there.
            found["managers"] = frozenset(swarm.managers) if swarm.node else None
    return Seen(name=node.name, address=node.address, **found)


def _without_vote(members: Iterable[ConsulMember], raft: Collection[str]) -> frozenset[str]:
    failed = [each for each in members if each.is_server and each.status is MemberStatus.FAILED]
    return frozenset(each.name for each in failed if each.name not in raft)


def _without_raft(engine: Engine) -> frozenset[str]:
    dead = (row for row in engine.nodes(role="manager") if not row.is_ready and not row.reachability)
    return frozenset(row.name for row in dead if row.name)


# -- decide -----------------------------------------------------------------------------------


def decide(seen: Sequence[Seen]) -> list[Step]:
    """Choose the survivors, one for each lost quorum; one node serves both if no other is ahead of it. Pure.

    Raises UserError if no quorum is lost, if nothing of one is left, or if a majority of one is there.
    """
    servers = [] if any(node.has_leader for node in seen) else _servers(seen)
    managers = [] if any(node.has_quorum for node in seen) else _managers(seen)
    unfinished = _unfinished(seen)
    if not servers and not managers and not unfinished:
        raise UserError(
            "Consul has a leader and the Swarm a quorum: there is nothing to recover; "
            "`swarmer status` says more",
            status=1,
        )
    # One node serves both only if its Consul is up to date: entries beyond its own may have been decided.
    both = [node for node in servers if node in managers and node.last_entry == servers[0].last_entry]
    if both:
        lost = {*_lost_servers(seen, servers), *_lost_managers(seen, managers)}
        return [_step(both[0], ("--consul", "--swarm"), lost)]
    # Consul goes first because the Swarm's other nodes learn from it how to join.
    steps = [_step(servers[0], ("--consul",), _lost_servers(seen, servers))] if servers else []
    steps += [_step(managers[0], ("--swarm",), _lost_managers(seen, managers))] if managers else []
    return unfinished + steps


def _unfinished(seen: Sequence[Seen]) -> list[Step]:
    """Steps that an interrupted recovery left: its lost members are still listed."""
    up: set[str] = {node.name for node in seen}
    steps: dict[str, Step] = {}
    for node in seen:
        for option, names_of_lost in (("--consul", node.lost_servers), ("--swarm", node.lost_managers)):
            if lost := names_of_lost - up:
                steps.setdefault(option, _step(node, (option,), set(lost)))
    return list(steps.values())


def _servers(seen: Sequence[Seen]) -> list[Seen]:
    """Consul servers that have data, the most complete first."""
    found = sorted((node for node in seen if node.last_entry), key=_last_entry, reverse=True)
    if not found:
        raise NoSurvivor("no Consul server that has data survives: nothing to go on with", status=1)
    # A server that runs and does not answer may well vote; a silent new replacement counts as unknown.
    silent = _known_servers(found) & {node.name for node in seen if not node.members}
    _check_majority(len(found) + len(silent), len(_lost_servers(seen, found)), "Consul's servers")
    return found


def _last_entry(node: Seen) -> tuple[int, int]:
    return node.last_entry or (0, 0)


def _managers(seen: Sequence[Seen]) -> list[Seen]:
    found = [node for node in seen if node.managers is not None]
    if not found:
        raise NoSurvivor("no Swarm manager that has data survives: nothing to go on with", status=1)
    _check_majority(len(found), len(_lost_addresses(found)), "the Swarm's managers")
    return found


def _check_majority(there: int, lost: int, whom: str) -> None:
    if there > lost > 0:
        raise UserError(
            f"most of {whom} are there ({there} of {there + lost}): they decide by themselves within "
            "seconds; `swarmer status` says more",
            status=1,
        )


def _lost_servers(seen: Sequence[Seen], survivors: Sequence[Seen]) -> set[str]:
    return _known_servers(survivors) - {node.name for node in seen}


def _known_servers(survivors: Sequence[Seen]) -> set[str]:
    known = {each for node in survivors for each in node.members}
    return {each.name for each in known if each.is_server and each.status is not MemberStatus.LEFT}


def _lost_addresses(survivors: Sequence[Seen]) -> set[str]:
    """Addresses of lost managers. An address may belong to a replacement by now, which is no member."""
    known = {address for node in survivors for address in node.managers or ()}
    return known - {node.address for node in survivors}


def _lost_managers(seen: Sequence[Seen], survivors: Sequence[Seen]) -> set[str]:
    """Names of lost managers in Consul, former holders of the address too; else the address."""
    up = {node.name for node in seen}
    members = {each for node in seen for each in node.members if each.name not in up}
    return {
        name
        for address in _lost_addresses(survivors)
        for name in ({each.name for each in members if each.address == address} or {address})
    }


def _step(survivor: Seen, options: tuple[str, ...], lost: set[str]) -> Step:
    if not lost:
        raise UserError("no member is lost: start what is only switched off, with `swarmer up`", status=1)
    return Step(survivor=survivor.name, options=options, lost=tuple(sorted(lost)))


def check_proof(lost: Sequence[str], living: Collection[str], terminated: Collection[str]) -> None:
    """Check that no lost node may come back: it and the survivors would form two clusters. Raises UserError.

    `living`: names of nodes. `terminated`: IDs of instances.
    """
    for name in lost:
        if name in living or names.instance_id(name) not in terminated:
            raise UserError(
                f"{name} may come back: its instance is not terminated; start it, or terminate it first",
                status=1,
            )
