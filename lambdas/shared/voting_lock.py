"""Lock on changes of voting members: one function at a time adds or removes a vote."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lambdas.shared.connections import Connections
from swarmer.adapters import consul
from swarmer.adapters.consul import Consul
from swarmer.core import names

LOCK_TTL_S: Final = 30
"""TTL of the session of the voting lock, counted from its last renewal."""
LOCK_DELAY_S: Final = 1
"""Delay before Consul gives away the voting lock of an ended session."""
TRIES: Final = 10
"""Number of tries to get the lock."""
TRY_PAUSE_S: Final = 0.2
"""Pause between two tries to get the lock."""
END_TIMEOUT_S: Final = 8.0
"""Timeout for ending the session, long enough for Consul to elect a leader."""
END_PAUSE_S: Final = 0.5
"""Pause between two tries to end the session."""


class VotingLock:
    """Lock that this function holds, until its session ends `LOCK_TTL_S` after a renewal."""

    def __init__(self, api: Consul, session: str) -> None:
        self._api, self._session = api, session
        self.is_lost = False

    def renew(self) -> bool:
        """Renew the lock. Returns False if its session ended: another function may have acted since then.
        Raises consul.Unavailable."""
        self.is_lost = self.is_lost or not self._api.renew_session(self._session)
        return not self.is_lost


@contextmanager
def hold(connections: Connections) -> Iterator[VotingLock | None]:
    """Hold the lock while the block lasts; yields None if another function holds it.

    Raises consul.Unavailable, aws.Unavailable.
    """
    api = connections.require_consul()
    session = api.create_session("healing", ttl_s=LOCK_TTL_S, lock_delay_s=LOCK_DELAY_S)
    try:
        lock = VotingLock(api, session) if _acquire(api, session) else None
        yield lock
        if lock and not lock.is_lost:
            api.release(names.KV_HEALING_LOCK, "", session)
    finally:
        _end_session(connections, session)


def _acquire(api: Consul, session: str) -> bool:
    for _ in range(TRIES):
        try:
            if api.acquire(names.KV_HEALING_LOCK, "", session):
                return True
        except consul.Unavailable:
            # This function may hold the lock although the answer was lost.
            if not api.holds(names.KV_HEALING_LOCK, session):
                raise
            return True
        time.sleep(TRY_PAUSE_S)
    return False


def _end_session(connections: Connections, session: str) -> None:
    """End the session, and try again if a leader dies before it answers.

    A session that stays may still hold the lock. Until its TTL ends, a minute at worst, no function could
    change voting members.
    """
    deadline_s = time.monotonic() + END_TIMEOUT_S
    while time.monotonic() < deadline_s:
        try:
            connections.require_consul().destroy_session(session)
        except consul.Unavailable:
            connections.forget_consul()
            time.sleep(END_PAUSE_S)
        else:
            return
