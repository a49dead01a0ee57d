"""Words for a goal that is met or missed, in the table of every bench; in its JSON `is_met` says it."""

from __future__ import annotations


def said(is_met: bool) -> str:
    """Word for a result, so that a failure is found at a glance."""
    return "yes" if is_met else "NO"
