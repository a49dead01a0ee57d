"""Checks that the faults in AWS happened. Pure: faults and the rehearsal's own log in, sentences out.

A fault of calls or events without such a call or event disturbs nothing, so surviving it proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

LOST: Final = "lost"
WORDS: Final = {"lose": "lost", "repeat": "repeated", "delay": "late"}
"""Word of the log for each fault of an event."""


def did_not_happen(faults: Iterable[Mapping[str, Any]], entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Faults without a report in `entries`, in words. `faults`: in the format of `POST /swarmer/faults`.

    `entries`: those of `/swarmer/events` since the request for the faults.
    """
    return [_sentence(fault) for fault in faults if not any(_is_of(entry, fault) for entry in entries)]


def _sentence(fault: Mapping[str, Any]) -> str:
    if "call" in fault:
        return f"no call {fault['call']} failed with {fault['error']}"
    return f"no {fault['event']!r} was {WORDS[fault['how']]}"


def _is_of(entry: Mapping[str, Any], fault: Mapping[str, Any]) -> bool:
    """Whether an entry reports this fault. swarmer/fakeaws/eventbridge/bus.py logs events, authorization.py
    calls."""
    detail = entry["detail"]
    if "call" in fault:
        is_call = entry["source"] == "fault" and entry["what"] == fault["error"]
        return is_call and fnmatchcase(detail["error"], fault["call"])
    is_event = entry["source"] == "events" and entry["what"] == "Fault"
    return (
        is_event
        and fnmatchcase(detail["event"], fault["event"])
        and (detail["fault"] == LOST) == (fault["how"] == "lose")
    )
