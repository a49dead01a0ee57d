"""Survivors of lost quorums, and the proof that the lost nodes are gone for good. Pure.

Consul's servers and the Swarm's managers are two quorums. A survivor recovers its own quorum, and only if
that quorum is lost. swarmer/operations/recover.py gathers and acts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from swarmer.core import names
from swarmer.core.errors import UserError
from swarmer.core.quorum_report import QuorumReport
from swarmer.core.state import MemberStatus


class NoSurvivor(UserError):
    """No member of a quorum was found."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Recovery by one survivor, as the only member of its quorum."""

    survivor: str
    options: tuple[str, ...]
    """Options of `node.recover` for one quorum, or both."""
    lost: tuple[str, ...]
    """Names of lost members to forget; an address if the name is unknown."""


def decide(reports: Sequence[QuorumReport]) -> list[Step]:
    """Choose the survivors, one for each lost quorum; one node serves both if no other is ahead of it.

    Raises UserError if no quorum is lost, if no member of one is left, or if one still has a majority.
    """
    servers = [] if any(node.has_leader for node in reports) else _servers(reports)
    managers = [] if any(node.has_quorum for node in reports) else _managers(reports)
    unfinished = _unfinished(reports)
    if not servers and not managers and not unfinished:
        raise UserError(
            "Consul has a leader and the Swarm a quorum: there is nothing to recover; "
            "`swarmer status` shows more",
            status=1,
        )
    # One node serves both only if its Consul is up to date, because later entries may be committed.
    both = [node for node in servers if node in managers and node.last_entry == servers[0].last_entry]
    if both:
        lost = {*_lost_servers(reports, servers), *_lost_managers(reports, managers)}
        return [_step(both[0], ("--consul", "--swarm"), lost)]
    # Consul goes first because the Swarm's other nodes learn from it how to join.
    steps = [_step(servers[0], ("--consul",), _lost_servers(reports, servers))] if servers else []
    steps += [_step(managers[0], ("--swarm",), _lost_managers(reports, managers))] if managers else []
    return unfinished + steps


def _unfinished(reports: Sequence[QuorumReport]) -> list[Step]:
    """Steps to finish an interrupted recovery: its lost members are still listed."""
    up: set[str] = {node.name for node in reports}
    steps: dict[str, Step] = {}
    for node in reports:
        for option, names_of_lost in (("--consul", node.lost_servers), ("--swarm", node.lost_managers)):
            if lost := names_of_lost - up:
                steps.setdefault(option, _step(node, (option,), set(lost)))
    return list(steps.values())


def _servers(reports: Sequence[QuorumReport]) -> list[QuorumReport]:
    """Consul servers with data, the most complete first."""
    found = sorted((node for node in reports if node.last_entry), key=_last_entry, reverse=True)
    if not found:
        raise NoSurvivor(
            "no Consul server with data survives, so recovery is impossible: deploy the cluster again",
            status=1,
        )
    # A server that runs and does not answer may well vote; a silent new replacement counts as unknown.
    silent = _known_servers(found) & {node.name for node in reports if not node.members}
    _check_majority(len(found) + len(silent), len(_lost_servers(reports, found)), "Consul's servers")
    return found


def _last_entry(node: QuorumReport) -> tuple[int, int]:
    return node.last_entry or (0, 0)


def _managers(reports: Sequence[QuorumReport]) -> list[QuorumReport]:
    found = [node for node in reports if node.managers is not None]
    if not found:
        raise NoSurvivor(
            "no Swarm manager with data survives, so recovery is impossible: deploy the cluster again",
            status=1,
        )
    _check_majority(len(found), len(_lost_addresses(found)), "the Swarm's managers")
    return found


def _check_majority(there: int, lost: int, whom: str) -> None:
    if there > lost > 0:
        raise UserError(
            f"most of {whom} are there ({there} of {there + lost}), so there is nothing to recover: they "
            "elect a leader within seconds; `swarmer status` shows more",
            status=1,
        )


def _lost_servers(reports: Sequence[QuorumReport], survivors: Sequence[QuorumReport]) -> set[str]:
    return _known_servers(survivors) - {node.name for node in reports}


def _known_servers(survivors: Sequence[QuorumReport]) -> set[str]:
    known = {each for node in survivors for each in node.members}
    return {each.name for each in known if each.is_server and each.status is not MemberStatus.LEFT}


def _lost_addresses(survivors: Sequence[QuorumReport]) -> set[str]:
    """Addresses of lost managers. An address may now belong to a replacement that is no member."""
    known = {address for node in survivors for address in node.managers or ()}
    return known - {node.address for node in survivors}


def _lost_managers(reports: Sequence[QuorumReport], survivors: Sequence[QuorumReport]) -> set[str]:
    """Names of lost managers in Consul, including former owners of the address; else the address."""
    up = {node.name for node in reports}
    members = {each for node in reports for each in node.members if each.name not in up}
    return {
        name
        for address in _lost_addresses(survivors)
        for name in ({each.name for each in members if each.address == address} or {address})
    }


def _step(survivor: QuorumReport, options: tuple[str, ...], lost: set[str]) -> Step:
    if not lost:
        raise UserError(
            "no member is lost: start the machines that are switched off, with `swarmer up`", status=1
        )
    return Step(survivor=survivor.name, options=options, lost=tuple(sorted(lost)))


def check_proof(lost: Sequence[str], living: Collection[str], terminated: Collection[str]) -> None:
    """Check that no lost node can return: it and the survivors would form two clusters. Raises UserError.

    `living`: names of nodes. `terminated`: IDs of instances.
    """
    for name in lost:
        if name in living or names.instance_id(name) not in terminated:
            raise UserError(
                f"{name} may come back: its instance is not terminated; start it, or terminate it first",
                status=1,
            )
