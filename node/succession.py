"""The Swarm lost its leader: this manager stands for election before Docker would think of it.

Beside the agent's passes, in a thread: those wait for dockerd, which waits for a leader.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from node.machine import say
from swarmer.adapters import swarmkit
from swarmer.adapters.consul import Consul
from swarmer.adapters.consul import Unavailable as ConsulUnavailable
from swarmer.adapters.docker import Engine, TimedOut
from swarmer.adapters.docker import Unavailable as DockerUnavailable
from swarmer.adapters.raft_log import RaftLog
from swarmer.core import succession
from swarmer.core.node import Manager
from swarmer.core.succession import ELECTION_TIMEOUT_S, Sight

QUERY_INTERVAL_S: Final = 2.0
"""What it asks costs its node some 0.05 % of a core."""
URGENT_INTERVAL_S: Final = 0.2
"""While the Swarm does not answer: that took QUERY_TIMEOUT_S already."""
QUERY_TIMEOUT_S: Final = 0.7
"""Of a leader that lives: milliseconds. Without one dockerd holds the question."""
RAFT_ID_INTERVAL_S: Final = 60.0
"""So often this manager asks for its number: promoted again it has another one."""
RAFT_ID_GRACE_S: Final = 60.0
"""So long it keeps to itself that it does not know it: machines that boot are slow."""
ENGINE_PID_FILE: Final = Path("/run/docker.pid")
"""Another file with each start of dockerd."""


@dataclass(frozen=True)
class Seen:
    """What the Swarm's leader answered last."""

    managers: tuple[Manager, ...]
    asked_s: float
    """By the monotonic clock."""
    engine_ns: int
    """When this engine had started."""
    term: int
    """In which that leader leads; 0: unknown."""

    @property
    def leader(self) -> str:
        """Its id; empty where none is listed."""
        return next((each.node for each in self.managers if each.leads), "")


@dataclass
class Succession:
    """Of one manager."""

    address: str
    consul: Consul = field(default_factory=lambda: Consul(timeout_s=QUERY_TIMEOUT_S))
    engine: Callable[[], Engine] = lambda: Engine(timeout_s=QUERY_TIMEOUT_S)
    log: RaftLog = field(default_factory=RaftLog)
    changed: threading.Event = field(default_factory=threading.Event)
    """Set where another one leads than before."""
    _engine: Engine | None = None
    _seen: Seen | None = None
    _member: tuple[str, int] | None = None
    """This manager's id and its number in raft: asked for while there is a leader, who alone tells it."""
    _numbered_s: float = -RAFT_ID_INTERVAL_S
    _began_s: float = field(default_factory=lambda: time.monotonic())
    _lost_s: float | None = None
    _stood: bool = False
    """Since the leader answered last."""
    _said: str = ""

    def start(self) -> threading.Thread:
        """Look for ever."""
        thread = threading.Thread(target=self._run, name="succession", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        while True:
            self.look()
            time.sleep(URGENT_INTERVAL_S if self.is_urgent() else QUERY_INTERVAL_S)

    def is_urgent(self) -> bool:
        """The Swarm has answered a moment ago, and does not any more."""
        return bool(
            self._seen
            and QUERY_INTERVAL_S + QUERY_TIMEOUT_S
            < time.monotonic() - self._seen.asked_s
            < ELECTION_TIMEOUT_S
        )

    def look(self) -> None:
        """Once: ask the Swarm who leads it; where its leader is lost, do what that asks for."""
        asked_s, engine_ns, term = time.monotonic(), started_ns(), self.log.term()
        if not engine_ns:
            return
        before = self._seen
        try:
            engine = self._engine = self._engine or self.engine()
            managers = engine.managers()
            # Whoever was elected meanwhile is not who answered, perhaps.
            self._seen = Seen(managers, asked_s, engine_ns, term if self.log.term() == term else 0)
        except DockerUnavailable as exc:
            if not isinstance(exc, TimedOut):
                self._numbered_s = -RAFT_ID_INTERVAL_S  # no manager, for a while at least
            self._stand_for(before, engine_ns, asked_s)
            return
        if before is None or before.leader != self._seen.leader:
            self.changed.set()
        if self._stood:
            self._stood, self._said = False, ""
        self._lost_s = None
        self._number(engine, self._seen)

    def _number(self, engine: Engine, seen: Seen) -> None:
        is_known = self._member and self._member[0] in {each.node for each in seen.managers}
        if is_known and seen.asked_s - self._numbered_s < RAFT_ID_INTERVAL_S:
            return
        try:
            me = engine.swarm().node
            self._member = me, swarmkit.raft_id(self.address, me, timeout_s=QUERY_TIMEOUT_S)
            self._numbered_s = seen.asked_s
        except (DockerUnavailable, swarmkit.Unavailable) as exc:
            if not is_known and seen.asked_s - self._began_s > RAFT_ID_GRACE_S:
                self._news(f"does not know its number among Swarm's managers: {exc}")

    def _stand_for(self, seen: Seen | None, engine_ns: int, asked_s: float) -> None:
        """Where Consul and this engine prove that the leader is lost; in turn, and not too late."""
        if seen is None or not seen.term or self._member is None:
            return
        try:
            alive = {str(member.get("Addr")) for member in self.consul.members() if member.get("Status") == 1}
        except ConsulUnavailable:
            return
        me, number = self._member
        sight = Sight(me, seen.managers, alive, restarted=engine_ns != seen.engine_ns)
        place, now_s = succession.place(sight), time.monotonic()
        if place is None:
            self._lost_s = None
            return
        lost_s = self._lost_s = self._lost_s or now_s
        lost_for_s, silent_s = max(0.0, asked_s - lost_s), now_s - seen.asked_s
        # An engine that has just begun takes the message before it can heed it; nobody stands beside it.
        is_done = self._stood and not sight.led
        if is_done or not succession.is_due(place, lost_for_s=lost_for_s, silent_s=silent_s):
            return
        try:
            swarmkit.stand(
                self.address, number, seen.term, timeout_s=min(QUERY_TIMEOUT_S, ELECTION_TIMEOUT_S - silent_s)
            )
        except swarmkit.Unavailable as exc:
            self._news(f"cannot stand for election as the Swarm's leader: {exc}")
            return
        self._stood = True
        self._news("stands for election: the Swarm has no leader")

    def _news(self, text: str) -> None:
        if text != self._said:
            say(text)
            self._said = text


def started_ns() -> int:
    """When this machine's dockerd started, by the file that it writes then; 0 where it does not run."""
    try:
        return ENGINE_PID_FILE.stat().st_mtime_ns
    except OSError:
        return 0
