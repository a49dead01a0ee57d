"""Reports for `swarmer recover` arrive as they were sent."""

from __future__ import annotations

import pytest

from swarmer.core.quorum_report import QuorumReport
from swarmer.core.state import ConsulMember, MemberStatus

FULL = QuorumReport(
    name="core-i-1",
    address="10.0.0.4",
    members=frozenset(
        ConsulMember(name=f"core-i-{at}", address=f"10.0.0.{at}", status=status, is_server=at < 3)
        for at, status in enumerate(MemberStatus)
    ),
    has_leader=True,
    last_entry=(2, 70),
    has_quorum=True,
    managers=frozenset({"10.0.0.4", "10.0.0.5"}),
    lost_servers=frozenset({"core-i-2"}),
    lost_managers=frozenset({"core-i-3"}),
)


@pytest.mark.parametrize("report", [FULL, QuorumReport(name="a", address="10.0.0.4")])
def test_a_report_is_read_as_it_was_written(report: QuorumReport) -> None:
    assert QuorumReport.from_json(report.to_json()) == report


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"name": "a"}', '{"name": "a", "x": 1}', "Traceback"]
)
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        QuorumReport.from_json(text)
