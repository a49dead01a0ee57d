"""Removal of a node: one step per observation, derived from the node's remaining entries.

`_STEPS` has the order. A machine that is gone needs only the steps for its remaining entries.

**Quorum.** A healthy member is removed only after its replacement has a vote. If the others have no majority
without it, it stays. If the majority is already lost, nothing is touched. A hook is held for an hour. Then
Auto Scaling keeps the instance: docs/adr/0021-quorum-groups-retain-instances.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from swarmer.core.healing import quorum
from swarmer.core.healing.quorum import Verdict
from swarmer.core.healing.steps import (
    Action,
    Demote,
    Deregister,
    Drain,
    Finish,
    ForceLeave,
    Forget,
    HandOver,
    Keep,
    Outcome,
    RemoveFromSwarm,
    RemovePeer,
    Wait,
    WriteMarker,
)
from swarmer.core.healing.world import QUORUM_ROLES, STAY_OUT, STOP, Consul, Marker, Swarm
from swarmer.core.node import SWARM_MANAGER
from swarmer.core.state import MemberStatus

DRAIN_TIMEOUT_S: Final = 120.0
"""Timeout for a node's tasks to run elsewhere. Tasks that remain after it have no room on other nodes."""
HANDOVER_TIMEOUT_S: Final = 20.0
"""Timeout for the registry's hand-over."""
CONSUL_STOP_TIMEOUT_S: Final = 20.0
"""Timeout for a node to stop its Consul. After it the removal continues, and the sweep purges the entries
once the node is gone."""
NOTICE_GRACE_S: Final = 30.0
"""Grace period for Consul to notice the loss of a machine."""
QUORUM_TIMEOUT_S: Final = 3600.0
"""Timeout for holding a hook because of the quorum. Then Auto Scaling keeps the instance without a hook."""
DEPARTURE_TIMEOUT_S: Final = (
    QUORUM_TIMEOUT_S + DRAIN_TIMEOUT_S + HANDOVER_TIMEOUT_S + CONSUL_STOP_TIMEOUT_S + 60
)
"""Timeout for a whole removal, within which every hook is answered."""


@dataclass(frozen=True, kw_only=True)
class Departure:
    """State of the node that is removed, and of its cluster."""

    name: str
    roles: frozenset[str]
    is_gone: bool
    """Whether its machine is proved to be gone."""
    ends: bool
    """Whether the cluster is being deleted."""
    is_initialized: bool
    """Whether the cluster has, or had, a Swarm; also True if that is unknown, because a majority may be at
    stake."""
    announced_s: float
    """Time of the event in seconds since the epoch; the current time if there was no event."""
    now_s: float
    consul: Consul
    swarm: Swarm
    wanted_servers: int
    wanted_managers: int

    @property
    def marker(self) -> Marker | None:
        return self.consul.markers.get(self.name)

    @property
    def waited_s(self) -> float:
        """Seconds since the removal became known."""
        begun_s = min(self.announced_s, self.marker.since_s if self.marker else self.announced_s)
        return self.now_s - begun_s


def decide(departure: Departure) -> Action:
    """Return the next step."""
    if departure.ends:
        return Finish("the cluster is being deleted")
    if not departure.consul.has_leader:
        return _without_majority(departure, "Consul has no leader")
    if not departure.swarm.has_quorum and (held := _without_swarm(departure)):
        return held
    found = (action for step in _STEPS if (action := step(departure)))
    action = next(found, Finish("the node is removed everywhere"))
    if isinstance(action, Wait) and departure.waited_s >= DEPARTURE_TIMEOUT_S:
        # The wait is in vain, so the instance may terminate. The sweep purges its remains.
        return Finish(f"{action.reason}: gave up after {departure.waited_s:.0f} s")
    return action


def _without_majority(departure: Departure, reason: str) -> Action:
    """Touch nothing, and hold back a working machine that votes in either quorum.

    While one quorum is lost, the machine's vote in the other cannot be judged or removed in order. A recovery
    may need the machine. A cluster that was never initialized has nothing to recover: no node is held and no
    alarm raised.
    """
    if not departure.is_initialized:
        return Finish(f"{reason}: the cluster was never initialized, so it never had a majority")
    if departure.is_gone:
        return Finish(f"{reason}: the entries of the node stay until there is one", at_risk=True)
    votes = bool(departure.roles & QUORUM_ROLES)
    if departure.waited_s < (QUORUM_TIMEOUT_S if votes else DRAIN_TIMEOUT_S):
        return Wait(reason, at_risk=votes)
    reason = f"{reason}, after {departure.waited_s:.0f} s"
    return Keep(reason) if votes else Finish(reason, at_risk=True)


def _without_swarm(departure: Departure) -> Action | None:
    """Hold back a working manager. For all other nodes only Consul's steps are taken."""
    if departure.is_gone or SWARM_MANAGER not in departure.roles:
        return None
    return _without_majority(departure, "no Swarm manager with a quorum answers")


# -- steps ------------------------------------------------------------------------------------


def _announce(departure: Departure) -> Action | None:
    if departure.is_gone or departure.marker:
        return None
    return WriteMarker(STAY_OUT)


def _drain(departure: Departure) -> Action | None:
    if departure.is_gone:
        return None
    for row in departure.swarm.of(departure.name):
        if not row.is_ready:
            continue
        if row.availability != "drain":
            return Drain(row)
        left = departure.swarm.tasks.get(row.id, 0)
        if left and _since_mark_s(departure) < DRAIN_TIMEOUT_S:
            return Wait(f"{left} of its tasks to run elsewhere")
    return None


def _hand_over(departure: Departure) -> Action | None:
    """Request a hand-over of the registry. The lease of a machine that is gone ends by itself."""
    lease = departure.consul.lease
    if departure.is_gone or lease is None or lease.holder != departure.name:
        return None
    if _since_mark_s(departure) >= DRAIN_TIMEOUT_S + HANDOVER_TIMEOUT_S:
        # No other node takes the registry: its holder has it again, under another lease.
        return None
    return Wait("the registry to be handed over") if lease.handover_asked else HandOver(lease.number)


def _demote(departure: Departure) -> Action | None:
    for row in departure.swarm.of(departure.name):
        if row.role == "manager":
            verdict = quorum.without_manager(
                departure.swarm, departure.name, wanted=departure.wanted_managers
            )
            return _held(departure, verdict, "Swarm managers") or Demote(row)
        if row.is_manager:
            return Wait("Swarm to take its vote")
    return None


def _remove_from_swarm(departure: Departure) -> Action | None:
    return next((RemoveFromSwarm(row) for row in departure.swarm.of(departure.name)), None)


def _stop_consul(departure: Departure) -> Action | None:
    """Stop the node's Consul. A running server would return to raft, a running client to the catalogue."""
    consul, marker = departure.consul, departure.marker
    if departure.is_gone or marker is None or not consul.is_alive(departure.name):
        return None
    if marker.stop_s is not None:
        return (
            Wait("the node to stop its Consul")
            if departure.now_s - marker.stop_s < CONSUL_STOP_TIMEOUT_S
            else None
        )
    if departure.name in consul.peers:
        verdict = quorum.without_server(consul, departure.name, wanted=departure.wanted_servers)
        if held := _held(departure, verdict, "Consul servers"):
            return held
    return WriteMarker(STOP)


def _remove_peer(departure: Departure) -> Action | None:
    peer = departure.consul.peers.get(departure.name)
    if peer is None:
        return None
    verdict = quorum.without_server(departure.consul, departure.name, wanted=departure.wanted_servers)
    stopped = departure.marker is not None and departure.marker.stop_s is not None
    if held := _held(departure, verdict, "Consul servers", only_cost=stopped):
        return held
    return RemovePeer(peer.address)


def _force_leave(departure: Departure) -> Action | None:
    state = departure.consul.members.get(departure.name)
    if state in (MemberStatus.FAILED, MemberStatus.LEAVING):
        return ForceLeave()
    if departure.is_gone and state == MemberStatus.ALIVE and departure.waited_s < NOTICE_GRACE_S:
        return Wait("Consul to notice that it is gone")
    return None


def _deregister(departure: Departure) -> Action | None:
    consul = departure.consul
    if departure.name in consul.catalogued and not consul.is_alive(departure.name):
        return Deregister()
    return None


def _forget(departure: Departure) -> Action | None:
    """Delete the records. The marker of a running machine stays, because its node reads it."""
    consul = departure.consul
    has_marker = departure.is_gone and departure.marker is not None
    if has_marker or departure.name in consul.recorded or departure.name in consul.missing:
        return Forget(marker=departure.is_gone)
    return None


def _await_swarm(departure: Departure) -> Action | None:
    """Wait for Swarm, because the lost node may have led. Its managers elect another leader in seconds, and
    still list the node."""
    if departure.swarm.has_quorum or departure.waited_s >= NOTICE_GRACE_S:
        return None
    return Wait("a Swarm manager with a quorum to answer")


def _held(departure: Departure, verdict: Verdict, whom: str, *, only_cost: bool = False) -> Outcome | None:
    """Return the reason to keep the member; None if it may be removed. A gone member does not count as a
    voter."""
    if verdict is Verdict.SAFE or (verdict is Verdict.THINS and (departure.is_gone or only_cost)):
        return None
    in_time = departure.waited_s < QUORUM_TIMEOUT_S
    if verdict is Verdict.THINS:
        return Wait(f"{whom}: {verdict.value}") if in_time else None
    if in_time:
        return Wait(f"{whom}: {verdict.value} without it", at_risk=True)
    reason = f"{whom}: {verdict.value} without it, after {departure.waited_s:.0f} s"
    return Finish(reason, at_risk=True) if departure.is_gone else Keep(reason)


def _since_mark_s(departure: Departure) -> float:
    return departure.now_s - departure.marker.since_s if departure.marker else 0.0


_STEPS: Final[tuple[Callable[[Departure], Action | None], ...]] = (
    _announce,
    _drain,
    _hand_over,
    _demote,
    _remove_from_swarm,
    _stop_consul,
    _remove_peer,
    _force_leave,
    _deregister,
    _forget,
    _await_swarm,
)
