"""Background work without requests: timeouts, health checks, schedules and the polling of queues."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from swarmer.fakeaws.base import wakeup

log: Final = logging.getLogger("swarmer.fakeaws")

ROUND_INTERVAL_S: Final = 0.5
"""Interval between two rounds, unless `wakeup.wake` ends it early."""


def tick() -> None:
    """Run one round of every service. A failure is logged, and the next round tries again."""
    for job in _jobs():
        try:
            job()
        except Exception:
            log.exception("%s failed", job.__module__)


def _jobs() -> tuple[Callable[[], None], ...]:
    # These modules import moto, and extensions.apply() must import it first.
    from swarmer.fakeaws import sqs
    from swarmer.fakeaws.autoscaling import controller
    from swarmer.fakeaws.cloudformation import capacity, removal
    from swarmer.fakeaws.eventbridge import bus, rules
    from swarmer.fakeaws.ssm import run_command, sessions

    return (
        bus.tick,
        controller.tick,
        rules.tick,
        sqs.tick,
        removal.tick,
        capacity.tick,
        run_command.tick,
        sessions.tick,
    )


class Background:
    """Thread that runs rounds from `start` to `stop`."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="background")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait for its last round."""
        self._stopped.set()
        wakeup.wake()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            tick()
            wakeup.wait(ROUND_INTERVAL_S)
