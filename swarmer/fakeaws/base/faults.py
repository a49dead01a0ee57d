"""Injected faults: calls of functions and nodes that fail, and events that are lost, repeated or late.

EventBridge delivers at least once and in any order, and every API throttles. A rehearsal can simulate both.
`POST /swarmer/faults` adds one fault as JSON. `DELETE /swarmer/faults` removes all of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

LOSE: Final = "lose"
REPEAT: Final = "repeat"
DELAY: Final = "delay"
STATUS_BY_ERROR: Final[Mapping[str, int]] = {
    "Throttling": 400,
    "ThrottlingException": 400,
    "RequestLimitExceeded": 503,
    "InternalFailure": 500,
    "ServiceUnavailable": 503,
}
"""HTTP status of each error that a fault can inject into a call."""


@dataclass
class Fault:
    """Injected fault of a call or an event, with exactly one of `call` and `event`. Both may contain `*`."""

    times: int
    """Number of calls or events that the fault still applies to."""
    call: str = ""
    """Pattern of actions, for example `ec2:Describe*`; `imds:*` is the metadata service."""
    caller: str = "*"
    """Pattern of the callers: a function's name or an instance's ID."""
    error: str = "Throttling"
    event: str = ""
    """Pattern of detail types."""
    how: str = LOSE
    seconds: float = 0.0
    """Length of an event's delay. For calls: time in which they fail, from the first one; 0: no limit."""
    began_s: float | None = None
    """Time of the first call that failed; None before it."""

    def __post_init__(self) -> None:
        if bool(self.call) == bool(self.event):
            raise ValueError("a fault names either a call or an event")
        if self.error not in STATUS_BY_ERROR:
            raise ValueError(f"error is one of {', '.join(STATUS_BY_ERROR)}")
        if self.how not in (LOSE, REPEAT, DELAY):
            raise ValueError(f"how is one of {LOSE}, {REPEAT}, {DELAY}")


@dataclass
class Faults:
    """Faults in force. The oldest matching fault applies."""

    clock: Callable[[], float] = time.monotonic
    _active: list[Fault] = field(default_factory=list)
    _guard: Any = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> None:
        """Put the fault into force."""
        with self._guard:
            self._active.append(fault)

    def clear(self) -> None:
        """End all faults."""
        with self._guard:
            self._active.clear()

    def error_for(self, action: str, caller: str) -> str:
        """Error code with which the call of the function or instance fails; empty if it does not fail."""
        now_s = self.clock()

        def fails(each: Fault) -> bool:
            is_meant = fnmatchcase(action, each.call) and fnmatchcase(caller, each.caller)
            if not is_meant or not each.call:
                return False
            each.began_s = now_s if each.began_s is None else each.began_s
            return not each.seconds or now_s - each.began_s < each.seconds

        fault = self._use(fails)
        return fault.error if fault else ""

    def delivery_delays_s(self, detail_type: str) -> tuple[float, ...]:
        """Delay of each delivery of the event; empty if the event is lost."""
        fault = self._use(lambda each: bool(each.event) and fnmatchcase(detail_type, each.event))
        if fault is None:
            return (0.0,)
        return {LOSE: (), REPEAT: (0.0, 0.0), DELAY: (fault.seconds,)}[fault.how]

    def _use(self, matches: Any) -> Fault | None:
        with self._guard:
            for fault in self._active:
                if fault.times > 0 and matches(fault):
                    fault.times -= 1
                    return fault
        return None


active: Final = Faults()
