"""How every bench says, in its table, whether a goal is met; in its JSON `is_met` does."""

from __future__ import annotations


def said(is_met: bool) -> str:
    """A failure is to be found at a glance."""
    return "yes" if is_met else "NO"
