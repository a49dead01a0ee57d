from __future__ import annotations

from datetime import UTC, datetime

import pytest

from swarmer.fakeaws.eventbridge.schedule_expressions import next_due_s

MONDAY = datetime(2026, 11, 23, 10, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("rate(1 minute)", datetime(2026, 11, 23, 10, 8, 30, tzinfo=UTC)),
        ("rate(5 minutes)", datetime(2026, 11, 23, 10, 12, 30, tzinfo=UTC)),
        ("rate(1 day)", datetime(2026, 11, 24, 10, 7, 30, tzinfo=UTC)),
        ("cron(* * * * ? *)", datetime(2026, 11, 23, 10, 8, tzinfo=UTC)),
        ("cron(0/5 * * * ? *)", datetime(2026, 11, 23, 10, 10, tzinfo=UTC)),
        ("cron(0 3 * * ? *)", datetime(2026, 11, 24, 3, 0, tzinfo=UTC)),
        ("cron(30 9 ? * MON-FRI *)", datetime(2026, 11, 24, 9, 30, tzinfo=UTC)),
        ("cron(30 9 ? * SUN *)", datetime(2026, 11, 29, 9, 30, tzinfo=UTC)),
        ("cron(0 0 1 JAN ? *)", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_when_it_is_due(expression: str, due: datetime) -> None:
    assert next_due_s(expression, MONDAY.timestamp()) == due.timestamp()


@pytest.mark.parametrize("expression", ["", "rate(1)", "cron(* * * *)", "cron(61 * * * ? *)", "at(tomorrow)"])
def test_what_is_no_schedule_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        next_due_s(expression, 0)
