"""The Swarm lost its leader: this manager stands for election before Docker would think of it.

Beside the agent's passes, in a thread: those wait for dockerd, which waits for a leader.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from node.machine import say
from swarmer.adapters import swarmkit
from swarmer.adapters.consul import Consul
from swarmer.adapters.consul import Unavailable as ConsulUnavailable
from swarmer.adapters.docker import Engine
from swarmer.adapters.docker import Unavailable as DockerUnavailable
from swarmer.core import succession

LOOK_S: Final = 1.0
ANSWER_S: Final = 2.0
CHECK_S: Final = 1.0
ENGINE: Final = Path("/run/docker.pid")
"""Another file with each start of dockerd."""


@dataclass(frozen=True)
class Known:
    """What this manager saw last, while the Swarm had a leader."""

    node: str = ""
    """This engine's id in the Swarm."""
    managers: Mapping[str, bool] = field(default_factory=dict)
    """Address → whether it leads."""
    engine_ns: int = 0
    """When this engine started."""


@dataclass
class Succession:
    """Of one manager."""

    address: str
    consul: Consul = field(default_factory=lambda: Consul(timeout_s=ANSWER_S))
    _known: Known = field(default_factory=Known)
    _seen_s: float = 0.0
    """When that was asked for."""
    _numbered: Known = field(default_factory=Known)
    """When `_member` was asked for."""
    _member: int | None = None
    """This manager's number in raft: only a leader tells it, so it is asked while there is one."""
    _lost_s: float | None = None
    _stood: bool = False
    _said: str = ""

    def learn(self, node: str, managers: Mapping[str, bool], seen_s: float) -> None:
        """Who leads, as asked for at `seen_s` of the monotonic clock."""
        self._seen_s, self._known = seen_s, Known(node, managers, started_ns())

    def forget(self) -> None:
        """This node has no part in it any more."""
        self._known = Known()

    def start(self) -> threading.Thread:
        """Look for ever."""
        thread = threading.Thread(target=self._run, name="succession", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        while True:
            time.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Once: see whether the leader is there, and do what its loss asks for."""
        known, engine_ns = self._known, started_ns()
        if not known.managers or not engine_ns:
            return
        try:
            alive = {member["Addr"] for member in self.consul.members() if member["Status"] == 1}
        except ConsulUnavailable:
            return  # nobody proves anything
        restarted = known.engine_ns != engine_ns
        place = succession.turn(known.managers, alive, self.address, restarted=restarted)
        if place is None:
            self._lost_s, self._stood = None, False
            self._number(known)
            return
        self._lost_s = self._lost_s or time.monotonic()
        if not self._stood and succession.is_due(place, lost_for_s=time.monotonic() - self._lost_s):
            self._stood = self._stand(place)

    def _number(self, known: Known) -> None:
        """Again after each change: who was demoted and promoted again has another one."""
        if known == self._numbered:
            return
        try:
            self._member = swarmkit.raft_id(self.address, known.node, timeout_s=ANSWER_S)
            self._numbered = known
        except swarmkit.Unavailable as exc:
            self._news(f"does not know its number among Swarm's managers: {exc}")

    def _stand(self, place: int) -> bool:
        """Whether that is done with: it stood, or need not."""
        if self._member is None or (place and self._has_leader()):
            return True
        if succession.is_late(seen_ago_s=time.monotonic() - self._seen_s):
            say("the Swarm has no leader; Docker's managers elect one")
            return True
        try:
            swarmkit.stand(self.address, self._member, timeout_s=ANSWER_S)
        except swarmkit.Unavailable as exc:
            self._news(f"cannot stand for election as the Swarm's leader: {exc}")
            return False
        say("stands for election: the Swarm has no leader")
        return True

    def _has_leader(self) -> bool:
        """Whether one that stood before was elected: only a leader lists them."""
        with contextlib.suppress(DockerUnavailable):
            return bool(Engine(timeout_s=CHECK_S).managers())
        return False

    def _news(self, text: str) -> None:
        if text != self._said:
            say(text)
            self._said = text


def started_ns() -> int:
    """When this machine's dockerd started, by the file that it writes then; 0 where it does not run."""
    try:
        return ENGINE.stat().st_mtime_ns
    except OSError:
        return 0
