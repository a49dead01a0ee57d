"""Signal that ends the background thread's pause early.

A service calls `wake` when it has new work; only the background thread waits.
"""

from __future__ import annotations

import threading

_event = threading.Event()


def wake() -> None:
    """Start the next background round now. Returns at once."""
    _event.set()


def wait(timeout_s: float) -> None:
    """Return after a call of `wake`, or after `timeout_s` seconds without one."""
    _event.wait(timeout_s)
    _event.clear()
