"""Majorities: whether a voting member may be removed, by the same arithmetic for raft and for Swarm."""

from __future__ import annotations

from enum import Enum

from swarmer.core.healing.world import STOP, Consul, Swarm


class Verdict(Enum):
    """Consequence of removing one member."""

    SAFE = "enough members vote"
    THINS = "its replacement has no vote yet"
    COSTS = "the other members are no majority"


def majority(size: int) -> int:
    return size // 2 + 1


def judge(*, others: int, well: int, wanted: int) -> Verdict:
    """Judge a removal after which `others` members remain, of which `well` vote and answer.

    Removing the only member of a cluster costs the quorum, because no member remains.
    """
    if well < majority(others):
        return Verdict.COSTS
    return Verdict.SAFE if well >= wanted else Verdict.THINS


def without_server(consul: Consul, name: str, *, wanted: int) -> Verdict:
    """Judge raft without the server `name`. A server whose marker has the phase stop counts as silent."""
    if name in consul.peers and not consul.peers[name].is_voter:
        return Verdict.SAFE
    others = [peer for peer, entry in consul.peers.items() if peer != name and entry.is_voter]
    return judge(others=len(others), well=sum(_is_well(consul, peer) for peer in others), wanted=wanted)


def _is_well(consul: Consul, name: str) -> bool:
    marker = consul.markers.get(name)
    stops = marker is not None and marker.phase == STOP
    return consul.is_alive(name) and not stops


def without_manager(swarm: Swarm, name: str, *, wanted: int) -> Verdict:
    """Judge Swarm's managers without those called `name`."""
    others = [row for row in swarm.managers if row.name != name]
    well = sum(row.reachability == "reachable" and row.role == "manager" for row in others)
    return judge(others=len(others), well=well, wanted=wanted)
