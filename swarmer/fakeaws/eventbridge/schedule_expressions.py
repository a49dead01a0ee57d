"""Schedule expressions like `rate(1 minute)` and `cron(0/5 * * * ? *)`, in UTC. Pure.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

RATE: Final = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
CRON: Final = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
UNIT_S: Final = {"minute": 60, "hour": 3600, "day": 86400}
MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
SEARCH_HORIZON: Final = timedelta(days=366)
"""Limit of the search for the next time of a cron expression."""


def next_due_s(expression: str, after_s: float) -> float:
    """The first due time after `after_s`, both in seconds since the epoch. Raises ValueError if malformed.

    A rate counts from `after_s`. The times of a cron expression are full minutes.
    """
    if rate := RATE.fullmatch(expression):
        return after_s + int(rate[1]) * UNIT_S[rate[2]]
    cron = CRON.fullmatch(expression)
    if cron is None:
        raise ValueError(f"{expression!r} is neither rate(…) nor cron(…)")
    allowed = _parse(cron.groups())
    moment = datetime.fromtimestamp(after_s, UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    end = moment + SEARCH_HORIZON
    while moment < end:
        if not _is_day(moment, allowed):
            moment = moment.replace(hour=0, minute=0) + timedelta(days=1)
        elif moment.hour not in allowed["hour"] or moment.minute not in allowed["minute"]:
            moment += timedelta(minutes=1)
        else:
            return moment.timestamp()
    raise ValueError(f"{expression!r} is not due within a year")


def _parse(fields: tuple[str, ...]) -> dict[str, frozenset[int]]:
    minute, hour, day, month, weekday, year = fields
    return {
        "minute": _values(minute, 0, 59),
        "hour": _values(hour, 0, 23),
        "day": _values(day, 1, 31),
        "month": _values(month, 1, 12, MONTHS),
        "weekday": _values(weekday, 1, 7, DAYS),
        "year": _values(year, 1970, 2199),
    }


def _is_day(moment: datetime, allowed: dict[str, frozenset[int]]) -> bool:
    """AWS counts Sunday as day 1."""
    return (
        moment.year in allowed["year"]
        and moment.month in allowed["month"]
        and moment.day in allowed["day"]
        and moment.isoweekday() % 7 + 1 in allowed["weekday"]
    )


def _values(field: str, least: int, most: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if first in ("*", "?"):
            bounds = (least, most)
        else:
            start = _number(first, least, names)
            bounds = (start, _number(last, least, names) if last else (most if step else start))
        found.update(range(bounds[0], bounds[1] + 1, int(step or 1)))
    if not found or min(found) < least or max(found) > most:
        raise ValueError(f"{field!r} is not within {least} and {most}")
    return frozenset(found)


def _number(word: str, least: int, names: tuple[str, ...]) -> int:
    return names.index(word.upper()) + least if word.upper() in names else int(word)
