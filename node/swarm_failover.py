"""Elects a new leader of the Swarm earlier than Docker would: this manager stands for election itself.

It runs in its own thread, because the agent's passes wait for dockerd, and dockerd waits for a leader.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from node.machine import log
from swarmer.adapters import swarmkit
from swarmer.adapters.consul import Consul
from swarmer.adapters.consul import Unavailable as ConsulUnavailable
from swarmer.adapters.docker import Engine, TimedOut
from swarmer.adapters.docker import Unavailable as DockerUnavailable
from swarmer.adapters.raft_log import RaftLog
from swarmer.core import swarm_failover
from swarmer.core.state import SwarmNode
from swarmer.core.swarm_failover import ELECTION_TIMEOUT_S, ManagerView

QUERY_INTERVAL_S: Final = 2.0
"""Interval between two queries of the Swarm. The queries cost the node some 0.05 % of a core."""
URGENT_INTERVAL_S: Final = 0.2
"""Interval between two queries while the Swarm does not answer; each takes QUERY_TIMEOUT_S as well."""
QUERY_TIMEOUT_S: Final = 0.7
"""Timeout for dockerd's answer. With a living leader it takes milliseconds; without one dockerd holds the
query."""
RAFT_ID_INTERVAL_S: Final = 60.0
"""Interval at which this manager's raft ID is read again. The ID changes when the node is demoted and
promoted."""
RAFT_ID_GRACE_S: Final = 60.0
"""Grace period before an unknown raft ID is logged; booting machines are slow."""
ENGINE_PID_FILE: Final = Path("/run/docker.pid")
"""File that dockerd writes at each start."""


@dataclass(frozen=True)
class LeaderAnswer:
    """The last answer of the Swarm's leader."""

    managers: tuple[SwarmNode, ...]
    asked_s: float
    """Monotonic time of the query."""
    engine_ns: int
    """Start time of the engine, in nanoseconds since the epoch."""
    term: int
    """Raft term in which that leader leads; 0 if it is unknown."""

    @property
    def leader(self) -> str:
        """Node ID of the leader; empty if none is listed."""
        return next((each.id for each in self.managers if each.is_leader), "")


@dataclass
class SwarmFailover:
    """One manager's part in the failover."""

    address: str
    consul: Consul = field(default_factory=lambda: Consul(timeout_s=QUERY_TIMEOUT_S))
    engine: Callable[[], Engine] = lambda: Engine(timeout_s=QUERY_TIMEOUT_S)
    raft_log: RaftLog = field(default_factory=RaftLog)
    changed: threading.Event = field(default_factory=threading.Event)
    """Event that is set when the leader changes."""
    _engine: Engine | None = None
    _last_answer: LeaderAnswer | None = None
    _raft_member: tuple[str, int] | None = None
    """Node ID and raft ID of this manager. Only a leader returns them, so they are read early."""
    _raft_id_read_s: float = -RAFT_ID_INTERVAL_S
    _started_s: float = field(default_factory=lambda: time.monotonic())
    _loss_proved_s: float | None = None
    _has_stood: bool = False
    """Whether this manager has stood for election since the leader's last answer."""
    _logged: str = ""

    def start(self) -> threading.Thread:
        """Start the thread, which queries the Swarm for ever."""
        thread = threading.Thread(target=self._run, name="swarm-failover", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        while True:
            self.check_leader()
            time.sleep(URGENT_INTERVAL_S if self.is_urgent() else QUERY_INTERVAL_S)

    def is_urgent(self) -> bool:
        """Whether the Swarm answered a moment ago and has stopped answering."""
        return bool(
            self._last_answer
            and QUERY_INTERVAL_S + QUERY_TIMEOUT_S
            < time.monotonic() - self._last_answer.asked_s
            < ELECTION_TIMEOUT_S
        )

    def check_leader(self) -> None:
        """Query the Swarm once for its leader. If the leader is lost, stand for election at this manager's
        turn."""
        asked_s, engine_ns, term = time.monotonic(), engine_started_ns(), self.raft_log.term()
        if not engine_ns:
            return
        before = self._last_answer
        try:
            engine = self._engine = self._engine or self.engine()
            managers = engine.managers()
            # If the term changed during the query, another manager than that term's leader may have answered.
            term = term if self.raft_log.term() == term else 0
            self._last_answer = LeaderAnswer(managers, asked_s, engine_ns, term)
        except DockerUnavailable as exc:
            if not isinstance(exc, TimedOut):
                self._raft_id_read_s = -RAFT_ID_INTERVAL_S  # no manager, for a while at least
            self._stand_if_due(before, engine_ns, asked_s)
            return
        if before is None or before.leader != self._last_answer.leader:
            self.changed.set()
        if self._has_stood:
            self._has_stood, self._logged = False, ""
        self._loss_proved_s = None
        self._update_raft_id(engine, self._last_answer)

    def _update_raft_id(self, engine: Engine, answer: LeaderAnswer) -> None:
        is_known = self._raft_member and self._raft_member[0] in {each.id for each in answer.managers}
        if is_known and answer.asked_s - self._raft_id_read_s < RAFT_ID_INTERVAL_S:
            return
        try:
            me = engine.swarm().node
            self._raft_member = me, swarmkit.raft_id(self.address, me, timeout_s=QUERY_TIMEOUT_S)
            self._raft_id_read_s = answer.asked_s
        except (DockerUnavailable, swarmkit.Unavailable) as exc:
            if not is_known and answer.asked_s - self._started_s > RAFT_ID_GRACE_S:
                self._log_once(f"does not know its number among Swarm's managers: {exc}")

    def _stand_if_due(self, answer: LeaderAnswer | None, engine_ns: int, asked_s: float) -> None:
        """Stand for election, at this manager's turn and within the time limit, if Consul and this engine
        prove that the leader is lost."""
        if answer is None or not answer.term or self._raft_member is None:
            return
        try:
            alive = {member.address for member in self.consul.members() if member.is_alive}
        except ConsulUnavailable:
            return
        me, number = self._raft_member
        view = ManagerView(me, answer.managers, alive, restarted=engine_ns != answer.engine_ns)
        turn, now_s = swarm_failover.turn(view), time.monotonic()
        if turn is None:
            self._loss_proved_s = None
            return
        loss_proved_s = self._loss_proved_s = self._loss_proved_s or now_s
        lost_for_s, silent_s = max(0.0, asked_s - loss_proved_s), now_s - answer.asked_s
        # An engine that has just started receives the message before it can act on it. No other manager
        # stands for election meanwhile.
        is_done = self._has_stood and not view.was_leader
        if is_done or not swarm_failover.is_due(turn, lost_for_s=lost_for_s, silent_s=silent_s):
            return
        try:
            timeout_s = min(QUERY_TIMEOUT_S, ELECTION_TIMEOUT_S - silent_s)
            swarmkit.stand(self.address, number, answer.term, timeout_s=timeout_s)
        except swarmkit.Unavailable as exc:
            self._log_once(f"cannot stand for election as the Swarm's leader: {exc}")
            return
        self._has_stood = True
        self._log_once("stands for election: the Swarm has no leader")

    def _log_once(self, text: str) -> None:
        if text != self._logged:
            log(text)
            self._logged = text


def engine_started_ns() -> int:
    """Return the start time of this machine's dockerd from its PID file, in ns since the epoch; 0 if it is
    stopped."""
    try:
        return ENGINE_PID_FILE.stat().st_mtime_ns
    except OSError:
        return 0
