"""What goes on without any request: time-outs, health checks, schedules, queues that are polled."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from swarmer.fakeaws.base import wakeup

log: Final = logging.getLogger("swarmer.fakeaws")

ROUND_INTERVAL_S: Final = 0.5


def tick() -> None:
    """One round of everything. What fails is logged and tried again in the next one."""
    for job in _jobs():
        try:
            job()
        except Exception:
            log.exception("%s failed", job.__module__)


def _jobs() -> tuple[Callable[[], None], ...]:
    # They import moto, which extensions.apply() must do first.
    from swarmer.fakeaws import sqs
    from swarmer.fakeaws.autoscaling import controller
    from swarmer.fakeaws.cloudformation import removal
    from swarmer.fakeaws.eventbridge import bus, rules

    return (bus.tick, controller.tick, rules.tick, sqs.tick, removal.tick)


class Background:
    """A thread that ticks, from `start` to `stop`."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="background")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        wakeup.wake()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            tick()
            wakeup.wait(ROUND_INTERVAL_S)
