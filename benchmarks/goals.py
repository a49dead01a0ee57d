"""Words for a goal that is met or missed, for the tables of the benchmarks. Their JSON has `is_met`."""

from __future__ import annotations


def said(is_met: bool) -> str:
    """Word for a result, so that a failure is easy to see."""
    return "yes" if is_met else "NO"
