"""State of systemd's units."""

from __future__ import annotations

import time

from swarmer.adapters import process


def active_s(unit: str) -> float | None:
    """Seconds for which a unit has been active; None if it is inactive or systemd does not answer.

    Source: https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.systemd1.html
    """
    try:
        shown = process.run(
            ["systemctl", "show", "-p", "ActiveState", "-p", "ActiveEnterTimestampMonotonic", unit]
        )
    except process.Failed:
        return None
    fields = dict(line.partition("=")[::2] for line in shown.splitlines())
    entered_us = fields.get("ActiveEnterTimestampMonotonic", "0")
    if fields.get("ActiveState") != "active" or not entered_us.isdigit():
        return None
    return time.monotonic() - int(entered_us) / 1e6
